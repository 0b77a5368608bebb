//! Asking a target outside of a caller's request: repeats, shadows and replays, all through one door.
//!
//! Rules: the same encoding, emulation and decoding as for callers, so that what is measured is what they would get; nothing
//! is retried and no tool is run; tools that a vendor would run itself are taken out; a caller's limits are not touched and no
//! breaker is told. A target is asked only where its list serves the caller, where its residency is allowed, while it is not
//! cut, and, for a source, while its date has not come. Bounds of its own: legs at once, legs a minute, and the money that the
//! move still has. What is not asked is said with its reason and counted. A region block is final here too: the vendor is cut.

mod quota;

pub(crate) use quota::SideRequestLimiter;

use crate::attempt::{AttemptError, FullResponse, VendorCall};
use crate::border::serves;
use crate::clock::{Clock, moment};
use crate::embeddings;
use crate::emulate::{self, checked::BadSchema, checked::Checks};
use crate::error::Failure;
use crate::live::LiveRoute;
use crate::problem::Problem;
use crate::redact::lacks_data;
use crate::request::{InferenceRequest, RequestContext};
use crate::state::State;
use banjia_border::facts::{Agreement, Facts, NetworkFact};
use banjia_store::StoreError;
use banjia_types::{
    AccountId, ErrorClass, Loss, Money, Operation, Outcome, Place, RouteMove, RouteName, Target, Timestamp, Usage,
};
use banjia_wire::{BodyLimits, Head, ReportedUsage, chat};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::time::timeout;

/// What is to be asked.
#[derive(Clone, Debug)]
pub struct SideRequest {
    /// The route whose target it is.
    pub route: RouteName,
    /// One of the route's targets.
    pub target: Target,
    /// `chat` or `embeddings`.
    pub endpoint: String,
    /// The request in OpenAI's words. Whether it asks for a stream does not matter: the answer is whole.
    pub body: Value,
    /// Whose request it was: its record decides whether the target's vendor serves it.
    pub account: Option<AccountId>,
    /// From which network's place its end user called, where that is recorded: it decides as the account's record does.
    pub network: Option<Place>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq)]
pub struct LegAnswer {
    /// The answer in OpenAI's form; none when there was none.
    pub answer: Option<Value>,
    /// `answered`, or `refused` with a class.
    pub outcome: Outcome,
    /// The class of the error.
    pub class: Option<ErrorClass>,
    /// What was wrong, for a person.
    pub said: Option<String>,
    /// Of a refusal: whether the same request may go otherwise at another time, because it tells of a key, a balance, the pace, the
    /// load or a broken connection, and neither of the request nor of what the model said.
    pub may_differ_later: bool,
    /// Tokens, as the vendor counted.
    pub usage: Option<Usage>,
    /// What it cost, where the price is known.
    pub cost: Option<Money>,
    /// What the target could not honour.
    pub losses: Vec<Loss>,
    /// From sending to the end, in milliseconds.
    pub total_ms: u32,
}

/// Why a target was not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAsked {
    /// There is no such route.
    #[error("there is no route {0:?}")]
    NoRoute(RouteName),
    /// The target is not the route's.
    #[error("{0} is not among the route's targets")]
    NoTarget(Target),
    /// The request cannot be used.
    #[error("the request cannot be asked: {0}")]
    BadRequest(String),
    /// It was recorded without its images or files.
    #[error("what the request held beside texts (images, files) was not kept, so it cannot be asked as it was")]
    DataNotKept,
    /// The move has left this source.
    #[error("{0} has been left: nothing is sent there any more")]
    Left(Target),
    /// Its vendor refused our region.
    #[error("{0} is cut: its vendor does not serve this region")]
    Cut(Target),
    /// The vendor's list does not serve the caller.
    #[error("the vendor of {0} does not serve this caller")]
    NotServed(Target),
    /// Copies may not go to where this target is.
    #[error("copies may not go to {target}: its host stands in {residency}, and capture.residency does not allow that")]
    Residency {
        /// The target.
        target: Target,
        /// Where its host stands; `an unknown place` when no profile says.
        residency: String,
    },
    /// The move's money for copies is used up.
    #[error("the money for copies is used up")]
    Spent,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

/// A door to targets. Cheap to clone. See the module's text.
#[derive(Clone)]
pub struct SideRequests {
    pub(crate) state: Arc<State>,
}

impl std::fmt::Debug for SideRequests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Legs").finish_non_exhaustive()
    }
}

/// A leg whose route and target are found.
pub(crate) struct Found {
    pub(crate) live: Arc<LiveRoute>,
    pub(crate) goal: usize,
    pub(crate) ask: Arc<InferenceRequest>,
    pub(crate) account: Option<AccountId>,
    pub(crate) facts: Facts,
}

impl SideRequests {
    /// Asks a target. Waits for a place among the legs under way, and for its turn in the minute.
    ///
    /// # Errors
    /// [`NotAsked`]: nothing was sent.
    pub async fn ask(&self, request: SideRequest) -> Result<LegAnswer, NotAsked> {
        let world = self.state.world();
        let live = world.routes.get(request.route.as_str()).ok_or(NotAsked::NoRoute(request.route))?.clone();
        let goal = live.route.targets.iter().position(|it| it.target == request.target);
        let goal = goal.ok_or(NotAsked::NoTarget(request.target))?;
        let endpoint = request.endpoint.parse::<Operation>();
        let endpoint = endpoint.map_err(|unknown| NotAsked::BadRequest(unknown.to_string()))?;
        if lacks_data(&request.body) {
            return Err(NotAsked::DataNotKept);
        }
        let ask = Arc::new(
            ask_of(request.body, &live.route.name, endpoint, &self.state.clock).map_err(NotAsked::BadRequest)?,
        );
        let account = request.account.as_ref().and_then(|account| world.snapshot.accounts.get(account).cloned());
        let now = self.state.clock.now();
        let facts = Facts { network: request.network.map(|place| recorded(place, now)), account };
        drop(world);
        ask_found(&self.state, Found { live, goal, ask, account: request.account, facts }).await
    }

    /// How routes move from now on. Only for legs without a gateway: a gateway's [`crate::Handle::set_route_moves`] does it.
    ///
    /// # Errors
    /// Courses that do not fit their route; the others are taken.
    pub fn set_route_moves(&self, route_moves: BTreeMap<RouteName, RouteMove>) -> Result<(), Vec<Problem>> {
        self.state.set_route_moves(route_moves)
    }

    /// Reads which vendors refused another process of ours: they are cut here too.
    ///
    /// # Errors
    /// The database.
    pub async fn take_cuts(&self) -> Result<(), StoreError> {
        self.state.take_cuts().await
    }

    /// How legs went, since the start.
    pub fn stats(&self) -> SideRequestStats {
        self.state.quota.stats()
    }

    /// Waits until what legs left to be written (a cut, when a vendor refused our region) is written. Only for legs without a
    /// gateway: a gateway's drain does it.
    pub async fn finish(&self) {
        self.state.after.close();
        self.state.after.wait().await;
    }
}

/// How legs went, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SideRequestStats {
    /// Requests sent.
    pub asked: u64,
    /// Not sent because the money was used up.
    pub spent: u64,
    /// Not sent for another reason of the border, of dates, or of the request.
    pub refused: u64,
}

/// Asks, within every bound. The bounds are looked at when its turn has come, not when it was wished.
pub(crate) async fn ask_found(state: &Arc<State>, found: Found) -> Result<LegAnswer, NotAsked> {
    let _place = state.quota.place().await.ok_or(NotAsked::Stopping)?;
    if let Err(not_asked) = may_ask(state, &found) {
        state.quota.count_refused(&not_asked);
        return Err(not_asked);
    }
    state.quota.count_asked();
    let (live, goal, ask) = (&found.live, found.goal, &found.ask);
    let target = &live.route.targets[goal];
    let caller = VendorCall {
        state: state.clone(),
        ask: ask.clone(),
        account: found.account.clone().unwrap_or_else(|| "".into()),
        live: live.clone(),
        goal,
    };
    let begun = moment();
    let mut losses = Vec::new();
    let asked = match timeout(live.route.answer, once(caller, &mut losses)).await {
        Ok(asked) => asked,
        Err(_) => Err(Failure::too_late()),
    };
    let total_ms = u32::try_from(moment().since(begun).as_millis()).unwrap_or(u32::MAX);
    let none = LegAnswer {
        answer: None,
        outcome: Outcome::Refused,
        class: None,
        said: None,
        may_differ_later: false,
        usage: None,
        cost: None,
        losses,
        total_ms,
    };
    match asked {
        Ok(FullResponse { body, usage: reported }) => {
            let usage = reported.known();
            let mut none = none;
            if reported == ReportedUsage::Implausible {
                none.losses.push(state.implausible.note(&target.target, ask.id));
            }
            let cost = usage.and_then(|usage| Some(target.price.as_ref()?.cost(&usage)));
            if let (Some(route_move), Some(cost)) = (live.route_move.as_deref(), cost) {
                route_move.budget.spend(cost);
            }
            let answer = serde_json::from_slice(&body).ok();
            Ok(LegAnswer { answer, outcome: Outcome::Answered, usage, cost, ..none })
        }
        Err(failure) => {
            // A later part was held back because the target was left or cut meanwhile: it refused nothing.
            if let Err(not_asked @ (NotAsked::Left(_) | NotAsked::Cut(_))) = may_ask(state, &found) {
                return Err(not_asked);
            }
            if failure.class == Some(ErrorClass::Region) {
                state.reflex(&live.goals[goal].vendor, &target.target, ask.id, failure.vendor_said());
            }
            let said = Some(failure.vendor_said()).filter(|said| !said.is_empty()).unwrap_or(failure.message());
            let said = Some(said.to_owned());
            Ok(LegAnswer { class: failure.class, said, may_differ_later: failure.may_differ_later(), ..none })
        }
    }
}

/// The place that a request came from, as the ledger has it. That it came from there does not age, so it is judged as of now.
fn recorded(place: Place, now: Timestamp) -> NetworkFact {
    NetworkFact { place, agreement: Agreement::Alone, asn: None, source: "the ledger".into(), as_of: now }
}

fn may_ask(state: &State, found: &Found) -> Result<(), NotAsked> {
    let now = state.clock.now();
    let goal = &found.live.goals[found.goal];
    let target = || found.live.route.targets[found.goal].target.clone();
    // The newest course decides, not the one that stood when the leg was wished.
    let world = state.world();
    let live = world.routes.get(found.live.route.name.as_str()).unwrap_or(&found.live);
    let place = live.route.targets.iter().position(|it| it.target == found.live.route.targets[found.goal].target);
    let route_moves = [(&found.live, Some(found.goal)), (live, place)];
    let has_left = |(live, goal): &(&Arc<LiveRoute>, Option<usize>)| {
        live.route_move.as_deref().is_some_and(|route_move| goal.is_some_and(|goal| !route_move.may_ask(goal, now)))
    };
    if goal.border.is_cut() {
        return Err(NotAsked::Cut(target()));
    }
    if route_moves.iter().any(has_left) {
        return Err(NotAsked::Left(target()));
    }
    if goal.vendor.serves.as_ref().is_some_and(|list| !serves(list, &found.facts, now)) {
        return Err(NotAsked::NotServed(target()));
    }
    let allowed = &world.snapshot.capture.config.residency;
    let residency = goal.vendor.residency.as_deref();
    if !allowed.is_empty() && !residency.is_some_and(|place| allowed.iter().any(|it| it == place)) {
        let residency = residency.unwrap_or("an unknown place").to_owned();
        return Err(NotAsked::Residency { target: target(), residency });
    }
    let price = found.live.route.targets[found.goal].price.as_ref();
    let is_spent =
        |price: &banjia_types::Price| live.route_move.as_deref().is_some_and(|it| it.budget.is_empty(price.currency));
    if price.is_some_and(is_spent) {
        return Err(NotAsked::Spent);
    }
    Ok(())
}

/// One request, as a caller's whole answer is made.
async fn once(caller: VendorCall, losses: &mut Vec<Loss>) -> Result<FullResponse, Failure> {
    let mut encoded = caller.encode().map_err(Failure::refusal)?;
    *losses = std::mem::take(&mut encoded.losses);
    let vendor = caller.vendor().clone();
    let made = if caller.ask.endpoint == Operation::Embeddings {
        embeddings::answer(caller, encoded).await
    } else {
        let checks = Checks::of(&encoded.notes, || caller.client_tools())
            .map_err(|BadSchema(message)| Failure::bad_request("response_format", message))?;
        emulate::whole(caller, encoded, checks).await
    };
    made.map_err(|trouble| match trouble {
        AttemptError::Vendor(error) => Failure::vendor(&error, vendor.secret.as_ref()),
        AttemptError::Unfit(failure) | AttemptError::Stopped(failure) => *failure,
    })
}

/// A caller's request as a leg asks it: whole, and without tools that a vendor would run.
pub(crate) fn ask_of(
    mut body: Value,
    route: &RouteName,
    endpoint: Operation,
    clock: &Clock,
) -> Result<InferenceRequest, String> {
    chat::strip_for_copy(&mut body);
    let members = body.as_object_mut().ok_or("it is no JSON object")?;
    members.insert("model".to_owned(), route.as_str().into());
    let body = Bytes::from(body.to_string());
    let head = Head::peek(&body, endpoint, &BodyLimits::default()).map_err(|bad| bad.message)?;
    let RequestContext { id, header, .. } = RequestContext::new(IpAddr::V4(Ipv4Addr::LOCALHOST), clock);
    Ok(InferenceRequest { id, header, endpoint, head, body, tell_cost: false, client: None })
}
