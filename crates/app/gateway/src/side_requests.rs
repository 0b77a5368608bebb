//! Requests to a target outside of a caller's request: repeats, shadows and replays.
//!
//! - Encoding, emulation and decoding are those of callers' requests, so that what is measured is what
//!   callers would get. Nothing is retried, no tool is run, and tools that a vendor would run itself are
//!   taken out.
//! - A side request does not count against the caller's limits or the circuit breaker.
//! - It is sent only if (1) the vendor serves the caller, (2) residency allows it, (3) the vendor is not
//!   blocked, and (4) for a source, its end date has not passed.
//! - It has limits of its own: requests at once, requests a minute, and the money that the move has left.
//! - What is not sent is returned with its reason and counted.
//! - A region block is final here too: the vendor is blocked for everybody.

use crate::answer;
use crate::border::serves;
use crate::call::{AttemptError, FullResponse, VendorCall};
use crate::clock::{Clock, moment};
use crate::error::Failure;
use crate::live::LiveRoute;
use crate::problem::Problem;
use crate::redact::lacks_data;
use crate::request::{InferenceRequest, RequestContext};
use crate::side_request_limiter::SideRequestStats;
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

/// A request to one target.
#[derive(Clone, Debug)]
pub struct SideRequest {
    /// The target's route.
    pub route: RouteName,
    /// One of the route's targets.
    pub target: Target,
    /// `chat` or `embeddings`.
    pub endpoint: String,
    /// The request in OpenAI's form. Its answer is whole, also if it asks for a stream.
    pub body: Value,
    /// The account that sent the request. Its record decides whether the target's vendor serves it.
    pub account: Option<AccountId>,
    /// The place of the end user's network, if it is recorded. It decides as the account's record does.
    pub network: Option<Place>,
}

/// The outcome of a side request.
#[derive(Clone, Debug, PartialEq)]
pub struct SideRequestAnswer {
    /// The answer in OpenAI's form, if there was one.
    pub answer: Option<Value>,
    /// `answered`, or `refused` with a class.
    pub outcome: Outcome,
    /// The class of the error.
    pub class: Option<ErrorClass>,
    /// The error in words for a person.
    pub said: Option<String>,
    /// True for a refusal that may not come again: an authentication, quota, rate-limit, overload or
    /// network error. False if the request or what the model said caused it.
    pub may_differ_later: bool,
    /// Tokens, as the vendor counted them.
    pub usage: Option<Usage>,
    /// Its cost, if the price is known.
    pub cost: Option<Money>,
    /// The parameters that the target could not honour.
    pub losses: Vec<Loss>,
    /// From sending to the end, in milliseconds.
    pub total_ms: u32,
}

/// Why a request was not sent to a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAsked {
    /// No route has this name.
    #[error("there is no route {0:?}")]
    NoRoute(RouteName),
    /// The route does not have this target.
    #[error("{0} is not among the route's targets")]
    NoTarget(Target),
    /// The request cannot be used.
    #[error("the request cannot be asked: {0}")]
    BadRequest(String),
    /// It was recorded without its images or files.
    #[error("what the request held beside texts (images, files) was not kept, so it cannot be asked as it was")]
    DataNotKept,
    /// The source is past its end date.
    #[error("{0} has been left: nothing is sent there any more")]
    Left(Target),
    /// The vendor is blocked because it refused our region.
    #[error("{0} is cut: its vendor does not serve this region")]
    Cut(Target),
    /// The vendor's list does not serve the caller.
    #[error("the vendor of {0} does not serve this caller")]
    NotServed(Target),
    /// The residency rule forbids copies to this target's place.
    #[error("copies may not go to {target}: its host stands in {residency}, and capture.residency does not allow that")]
    Residency {
        /// The target.
        target: Target,
        /// The place of its host, or `an unknown place` if no profile states it.
        residency: String,
    },
    /// The move's budget for copies is used up.
    #[error("the money for copies is used up")]
    Spent,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

/// Sends side requests. Cheap to clone.
#[derive(Clone)]
pub struct SideRequests {
    pub(crate) state: Arc<State>,
}

impl std::fmt::Debug for SideRequests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SideRequests").finish_non_exhaustive()
    }
}

/// A side request whose route and target exist.
pub(crate) struct Found {
    pub(crate) route: Arc<LiveRoute>,
    pub(crate) target_ix: usize,
    pub(crate) request: Arc<InferenceRequest>,
    pub(crate) account: Option<AccountId>,
    pub(crate) facts: Facts,
}

impl SideRequests {
    /// Sends a request. Waits for a place among those in flight, and for the pace of the minute.
    ///
    /// # Errors
    /// [`NotAsked`]: nothing was sent.
    pub async fn ask(&self, request: SideRequest) -> Result<SideRequestAnswer, NotAsked> {
        let runtime = self.state.runtime();
        let route = runtime.routes.get(request.route.as_str()).ok_or(NotAsked::NoRoute(request.route))?.clone();
        let target_ix = route.targets.iter().position(|live| live.target == request.target);
        let target_ix = target_ix.ok_or(NotAsked::NoTarget(request.target))?;
        let operation = request.endpoint.parse::<Operation>();
        let operation = operation.map_err(|unknown| NotAsked::BadRequest(unknown.to_string()))?;
        if lacks_data(&request.body) {
            return Err(NotAsked::DataNotKept);
        }
        let prepared = request_of(request.body, &route.route.name, operation, &self.state.clock);
        let prepared = Arc::new(prepared.map_err(NotAsked::BadRequest)?);
        let account = request.account.as_ref().and_then(|account| runtime.snapshot.accounts.get(account).cloned());
        let now = self.state.clock.now();
        let facts = Facts { network: request.network.map(|place| recorded(place, now)), account };
        drop(runtime);
        ask_found(&self.state, Found { route, target_ix, request: prepared, account: request.account, facts }).await
    }

    /// Sets the moves of all routes. Only for use without a gateway: with one, call
    /// [`crate::Handle::set_route_moves`].
    ///
    /// # Errors
    /// The moves that do not fit their route. All other moves take effect.
    pub fn set_route_moves(&self, route_moves: BTreeMap<RouteName, RouteMove>) -> Result<(), Vec<Problem>> {
        self.state.live.set_route_moves(route_moves)
    }

    /// Blocks the vendors that another process of ours has recorded as blocked.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn take_cuts(&self) -> Result<(), StoreError> {
        self.state.take_cuts().await
    }

    /// Returns the counts since the start.
    pub fn stats(&self) -> SideRequestStats {
        self.state.side_request_limiter.stats()
    }

    /// Waits until the blocks of vendors that refused our region are written. Only for use without a
    /// gateway: with one, its drain does it.
    pub async fn finish(&self) {
        self.state.after.close();
        self.state.after.wait().await;
    }
}

/// Sends a request within all limits. They are checked when it is sent, not when it was queued.
pub(crate) async fn ask_found(state: &Arc<State>, found: Found) -> Result<SideRequestAnswer, NotAsked> {
    let _place = state.side_request_limiter.place().await.ok_or(NotAsked::Stopping)?;
    if let Err(not_asked) = may_ask(state, &found) {
        state.side_request_limiter.count_refused(not_asked == NotAsked::Spent);
        return Err(not_asked);
    }
    state.side_request_limiter.count_asked();
    let (route, request) = (&found.route, &found.request);
    let target = &route.targets[found.target_ix];
    let call = VendorCall {
        state: state.clone(),
        request: request.clone(),
        account: found.account.clone().unwrap_or_else(|| "".into()),
        route: route.clone(),
        target_ix: found.target_ix,
    };
    let begun = moment();
    let mut losses = Vec::new();
    let asked = match timeout(route.route.answer, once(call, &mut losses)).await {
        Ok(asked) => asked,
        Err(_) => Err(Failure::too_late()),
    };
    let total_ms = u32::try_from(moment().since(begun).as_millis()).unwrap_or(u32::MAX);
    let unanswered = SideRequestAnswer {
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
            let mut unanswered = unanswered;
            if reported == ReportedUsage::Implausible {
                unanswered.losses.push(state.implausible.note(&target.target, request.id));
            }
            let cost = usage.and_then(|usage| Some(target.price.as_ref()?.cost(&usage)));
            if let (Some(route_move), Some(cost)) = (route.route_move.as_deref(), cost) {
                route_move.budget.spend(cost);
            }
            let answer = serde_json::from_slice(&body).ok();
            Ok(SideRequestAnswer { answer, outcome: Outcome::Answered, usage, cost, ..unanswered })
        }
        Err(failure) => {
            // The target was left or blocked after the first part was sent, so a later part was not sent.
            // The vendor refused nothing.
            if let Err(not_asked @ (NotAsked::Left(_) | NotAsked::Cut(_))) = may_ask(state, &found) {
                return Err(not_asked);
            }
            if failure.class == Some(ErrorClass::Region) {
                state.block_vendor(&target.vendor, &target.target, request.id, failure.vendor_said());
            }
            let said = Some(failure.vendor_said()).filter(|said| !said.is_empty()).unwrap_or(failure.message());
            let said = Some(said.to_owned());
            Ok(SideRequestAnswer {
                class: failure.class,
                said,
                may_differ_later: failure.may_differ_later(),
                ..unanswered
            })
        }
    }
}

/// The place that a request came from, as the ledger has it. This fact does not age, so it is dated now.
fn recorded(place: Place, now: Timestamp) -> NetworkFact {
    NetworkFact { place, agreement: Agreement::Alone, asn: None, source: "the ledger".into(), as_of: now }
}

fn may_ask(state: &State, found: &Found) -> Result<(), NotAsked> {
    let now = state.clock.now();
    let live = &found.route.targets[found.target_ix];
    let target = || live.target.clone();
    // The newest move decides, not the one that was there when the request was queued.
    let runtime = state.runtime();
    let newest = runtime.routes.get(found.route.route.name.as_str()).unwrap_or(&found.route);
    let newest_ix = newest.targets.iter().position(|other| other.target == live.target);
    let may_ask = |route: &LiveRoute, target_ix| {
        route.route_move.as_deref().is_none_or(|route_move| route_move.may_ask(target_ix, now))
    };
    if live.block.is_blocked() {
        return Err(NotAsked::Cut(target()));
    }
    if !may_ask(&found.route, found.target_ix) || newest_ix.is_some_and(|target_ix| !may_ask(newest, target_ix)) {
        return Err(NotAsked::Left(target()));
    }
    if live.vendor.serves.as_ref().is_some_and(|list| !serves(list, &found.facts, now)) {
        return Err(NotAsked::NotServed(target()));
    }
    let allowed = &runtime.snapshot.capture.config.residency;
    let residency = live.vendor.residency.as_deref();
    if !allowed.is_empty() && !residency.is_some_and(|residency| allowed.iter().any(|place| place == residency)) {
        let residency = residency.unwrap_or("an unknown place").to_owned();
        return Err(NotAsked::Residency { target: target(), residency });
    }
    let budget = newest.route_move.as_deref().map(|route_move| &route_move.budget);
    if let (Some(price), Some(budget)) = (&live.price, budget)
        && budget.is_empty(price.currency)
    {
        return Err(NotAsked::Spent);
    }
    Ok(())
}

/// Sends one request, in the way that a caller's whole answer is made.
async fn once(call: VendorCall, losses: &mut Vec<Loss>) -> Result<FullResponse, Failure> {
    let mut encoded = call.encode().map_err(Failure::refusal)?;
    *losses = std::mem::take(&mut encoded.losses);
    let vendor = call.vendor().clone();
    answer::whole(call, encoded)?.await.map_err(|error| match error {
        AttemptError::Vendor(error) => Failure::vendor(&error, vendor.secret.as_ref()),
        AttemptError::Unfit(failure) | AttemptError::Stopped(failure) => *failure,
    })
}

/// A caller's request as a side request: whole, and without tools that a vendor would run.
pub(crate) fn request_of(
    mut body: Value,
    route: &RouteName,
    operation: Operation,
    clock: &Clock,
) -> Result<InferenceRequest, String> {
    chat::strip_for_copy(&mut body);
    let members = body.as_object_mut().ok_or("it is no JSON object")?;
    members.insert("model".to_owned(), route.as_str().into());
    let body = Bytes::from(body.to_string());
    let head = Head::peek(&body, operation, &BodyLimits::default()).map_err(|bad| bad.message)?;
    let RequestContext { id, header, at, .. } = RequestContext::new(IpAddr::V4(Ipv4Addr::LOCALHOST), clock);
    Ok(InferenceRequest { id, header, accepted_at: at.wall, operation, head, body, tell_cost: false, client: None })
}
