//! Builds a policy from its text and reports every problem at once.

use super::raw::{RawBrownout, RawExemption, RawOwners, RawPolicy, RawRule, RawWhen};
use super::rule::{OwnersTest, Rule, When};
use super::{Brownout, BrownoutShare, Exemption, Phases, Policy, Streams};
use crate::owners::Share;
use crate::read::{Reader, did_you_mean};
use crate::registry::{List, PlaceSet, Registry, find, read_except, read_places};
use banjia_types::calendar;
use banjia_types::{AccountId, Problem, Timestamp, VerdictKind};
use chrono_tz::Tz;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

/// Names of built-in rules. A policy's own rules must have other names.
const BUILT_IN: [&str; 6] = ["served", "unknown", "list", "exemption", "paused", "observe"];
const DAY: Duration = Duration::from_hours(24);

pub(super) fn parse(text: &str, registries: &[Registry]) -> Result<Policy, Vec<Problem>> {
    let mut check = Check { reader: Reader::new(text), zone: Tz::UTC };
    match check.policy(text, registries) {
        Some(policy) if check.reader.problems.is_empty() => Ok(policy),
        _ => {
            check.reader.problems.sort_by_key(|problem| problem.span.start);
            Err(check.reader.problems)
        }
    }
}

struct Check<'t> {
    reader: Reader<'t>,
    zone: Tz,
}

impl Check<'_> {
    fn policy(&mut self, text: &str, registries: &[Registry]) -> Option<Policy> {
        let (raw, elements) = self.reader.top::<RawPolicy>(&["rule", "exemption"])?;
        self.name("id", &raw.id);
        self.zone(&raw.zone);
        let list = match &raw.places {
            Some(places) => Some(self.own_list(&raw.list, places, &raw.except, registries)),
            None => self.list(&raw.list, registries),
        };
        if let (None, Some(first)) = (&raw.places, raw.except.first()) {
            self.reader.problem(
                first.span(),
                "except belongs to places of its own",
                "a list of the registry has its exceptions",
            );
        }
        let phases = self.phases(&raw);
        let (mut rules, mut exemptions) = (Vec::new(), Vec::new());
        for element in elements {
            if element.list == "rule" {
                let Some(raw) = self.reader.one::<RawRule>(element.value) else { continue };
                let at = raw.id.span();
                let rule = self.rule(raw);
                self.is_reached(&rule, &rules, at);
                rules.push(rule);
            } else {
                let Some(raw) = self.reader.one::<RawExemption>(element.value) else { continue };
                exemptions.extend(self.exemption(raw));
            }
        }
        let owners = raw.owners.map(|raw| self.owners(raw));
        let streams = raw.streams.map_or(Streams::Finish, |text| self.streams(&text));
        let appeal = self.words("appeal", raw.appeal);
        let link = self.words("link", raw.link);
        let (id, version) = (raw.id.into_inner(), raw.version.into_inner());
        let moments = moments(&phases, &rules, &exemptions);
        Some(Policy {
            label: format!("{id}@{version}").into(),
            id: id.into(),
            version,
            set: raw.kind,
            title: raw.title,
            zone: self.zone,
            list: list?,
            phases,
            unknown: raw.unknown,
            differ: raw.differ,
            fact_age_max: raw.fact_age_days_max.map(|days| DAY * days),
            owners,
            streams,
            demand: raw.legal_demand,
            appeal,
            link,
            rules,
            exemptions,
            moments,
            text: text.into(),
            hash: Sha256::digest(text.as_bytes()).into(),
        })
    }

    /// Checks a name. Names go into headers and the ledger.
    fn name(&mut self, what: &str, text: &Spanned<String>) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = text.get_ref();
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            let message = format!("{what} {name:?} is not a name");
            self.reader.problem(text.span(), message, "use letters, digits, dashes, dots; at most 64");
        }
    }

    /// Checks a text that goes into a header.
    fn words(&mut self, key: &str, text: Option<Spanned<String>>) -> Option<String> {
        let text = text?;
        if text.get_ref().is_empty() || !text.get_ref().bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'>')
        {
            self.reader.problem(
                text.span(),
                format!("{key} must be an address without spaces"),
                "for example \"https://example.com/appeal\"",
            );
        }
        Some(text.into_inner())
    }

    fn zone(&mut self, text: &Spanned<String>) {
        if let Ok(zone) = text.get_ref().parse() {
            self.zone = zone;
            return;
        }
        let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let hint = banjia_types::nearest(text.get_ref(), known)
            .unwrap_or_else(|| "use a name of the IANA database, for example \"Asia/Shanghai\"".to_owned());
        self.reader.problem(text.span(), format!("there is no zone {:?}", text.get_ref()), hint);
    }

    fn list(&mut self, id: &Spanned<String>, registries: &[Registry]) -> Option<Arc<List>> {
        let Some(list) = find(registries, id.get_ref()) else {
            let known = registries.iter().flat_map(|registry| &registry.lists).map(|list| list.id.as_str());
            let hint = did_you_mean(id.get_ref(), known);
            self.reader.problem(id.span(), format!("there is no list {:?}", id.get_ref()), hint);
            return None;
        };
        if !list.is_complete {
            self.reader.problem(
                id.span(),
                format!("the list {:?} is not whole", list.id),
                "it would block whom it merely does not show; name a whole list",
            );
        }
        Some(list.clone())
    }

    /// A list that the policy brings along.
    fn own_list(
        &mut self,
        id: &Spanned<String>,
        places: &Spanned<Vec<Spanned<String>>>,
        except: &[Spanned<String>],
        registries: &[Registry],
    ) -> Arc<List> {
        self.name("list", id);
        if find(registries, id.get_ref()).is_some() {
            let message = format!("{:?} is a list of the registry", id.get_ref());
            self.reader.problem(id.span(), message, "give your own list another name, or leave places out");
        }
        if places.get_ref().is_empty() {
            self.reader.problem(places.span(), "the list is empty: nobody would be served", "name its places");
        }
        let served = self.places(places.get_ref());
        let except = read_except(&mut self.reader, except, &served);
        Arc::new(List {
            id: id.get_ref().clone(),
            provider: "own".to_owned(),
            as_of: chrono::NaiveDate::default(),
            source: "the policy itself".to_owned(),
            confidence: "high".to_owned(),
            note: String::new(),
            is_complete: true,
            places: served,
            except,
            disputed: Vec::new(),
            follow_parent: false,
        })
    }

    fn moment(&mut self, text: &Spanned<String>) -> Option<Timestamp> {
        match calendar::read(text.get_ref()) {
            Ok(local) => Some(calendar::moment(local, self.zone)),
            Err(message) => {
                self.reader.problem(text.span(), message, "");
                None
            }
        }
    }

    fn moments<const N: usize>(&mut self, texts: [Option<&Spanned<String>>; N]) -> [Option<Timestamp>; N] {
        texts.map(|text| text.and_then(|text| self.moment(text)))
    }

    fn phases(&mut self, raw: &RawPolicy) -> Phases {
        let [notice, block] = self.moments([raw.notice.as_ref(), raw.block.as_ref()]);
        if let (Some(from), Some(to), Some(text)) = (notice, block, raw.block.as_ref())
            && from >= to
        {
            self.reader.problem(text.span(), "the block is not after the notice", "give people time between them");
        }
        if notice.is_none() && block.is_none() && raw.notice.is_none() && raw.block.is_none() {
            self.reader.problem(
                raw.id.span(),
                "the policy has no dates: it would only observe",
                "say notice = \"...\" and block = \"...\"",
            );
        }
        let mut brownouts: Vec<Brownout> = Vec::new();
        for raw in &raw.brownouts {
            let Some(brownout) = self.brownout(raw) else { continue };
            let is_outside = notice.is_some_and(|notice| brownout.from < notice)
                || block.is_some_and(|block| brownout.until > block);
            if is_outside {
                self.reader.problem(
                    raw.span(),
                    "the brownout is not between notice and block",
                    "nobody may meet one who was not told before",
                );
            }
            if brownouts.iter().any(|other| other.from < brownout.until && brownout.from < other.until) {
                self.reader.problem(raw.span(), "two brownouts overlap", "join them or set them apart");
            }
            brownouts.push(brownout);
        }
        if let (Some(first), None) = (raw.brownouts.first(), notice) {
            self.reader.problem(
                first.span(),
                "there are brownouts and no notice",
                "say notice = \"...\": nobody may meet one who was not told before",
            );
        }
        brownouts.sort_by_key(|brownout| brownout.from);
        Phases { notice, brownouts, block }
    }

    fn brownout(&mut self, raw: &Spanned<RawBrownout>) -> Option<Brownout> {
        let [from, until] = self.moments([Some(&raw.get_ref().from), Some(&raw.get_ref().until)]);
        let (from, until) = (from?, until?);
        if from >= until {
            self.reader.problem(raw.get_ref().until.span(), "the brownout ends before it begins", "swap the two");
        }
        let share = match (raw.get_ref().share_of_requests, raw.get_ref().share_of_time) {
            (Some(share), None) => (share, BrownoutShare::Requests as fn(u32) -> BrownoutShare),
            (None, Some(share)) => (share, BrownoutShare::Time as fn(u32) -> BrownoutShare),
            _ => {
                self.reader.problem(
                    raw.span(),
                    "a brownout has one share",
                    "say share_of_requests = 0.2 or share_of_time = 0.5",
                );
                return None;
            }
        };
        match Share::try_from(share.0) {
            Ok(read) if read.millionths() > 0 => Some(Brownout { from, until, share: share.1(read.millionths()) }),
            _ => {
                self.reader.problem(
                    raw.span(),
                    "a brownout's share is more than 0 and at most 1",
                    "0.2 refuses one in five",
                );
                None
            }
        }
    }

    fn owners(&mut self, raw: Spanned<RawOwners>) -> OwnersTest {
        let at = raw.span();
        let raw = raw.into_inner();
        let mut share = |share: Option<f64>| {
            share.and_then(|share| {
                Share::try_from(share).map_err(|message| self.reader.problem(at.clone(), message, "")).ok()
            })
        };
        let (over, at_least) = (share(raw.over), share(raw.at_least));
        if raw.over.is_some() == raw.at_least.is_some() {
            self.reader.problem(
                at,
                "owners are judged by one threshold",
                "say over = 0.5 (more than half) or at_least = 0.5",
            );
        }
        OwnersTest { over, at_least, places: raw.places.map(|texts| self.places(&texts)) }
    }

    fn places(&mut self, texts: &[Spanned<String>]) -> PlaceSet {
        PlaceSet::from(read_places(&mut self.reader, texts))
    }

    fn streams(&mut self, text: &Spanned<String>) -> Streams {
        let value = text.get_ref().as_str();
        let after = |count: &str, seconds: u64| count.parse::<u64>().ok().and_then(|count| count.checked_mul(seconds));
        let seconds = match value {
            "finish" => return Streams::Finish,
            "end" => Some(0),
            _ => value
                .strip_suffix('s')
                .map(|count| after(count, 1))
                .or_else(|| value.strip_suffix('m').map(|count| after(count, 60)))
                .or_else(|| value.strip_suffix('h').map(|count| after(count, 3600)))
                .flatten(),
        };
        if let Some(seconds) = seconds.filter(|seconds| *seconds <= DAY.as_secs()) {
            return Streams::EndAfter(Duration::from_secs(seconds));
        }
        let hint = "say \"finish\", \"end\", or a time up to a day such as \"10m\"";
        self.reader.problem(text.span(), format!("streams cannot be {value:?}"), hint);
        Streams::Finish
    }

    fn rule(&mut self, raw: RawRule) -> Rule {
        self.name("rule", &raw.id);
        if BUILT_IN.contains(&raw.id.get_ref().as_str()) {
            self.reader.problem(
                raw.id.span(),
                format!("{:?} is the name of a rule that is built in", raw.id.get_ref()),
                "choose another name",
            );
        }
        let [from, until] = self.moments([raw.from.as_ref(), raw.until.as_ref()]);
        if let (Some(from), Some(until), Some(text)) = (from, until, raw.until.as_ref())
            && from >= until
        {
            self.reader.problem(text.span(), "the rule ends before it begins", "swap the two");
        }
        let at = raw.when.span();
        let when = self.when(raw.when.into_inner());
        if when == When::default() {
            self.reader.problem(
                at,
                "the rule is for everybody",
                "say for whom: network, residence, billing, asn, account, owners or unknown",
            );
        }
        if raw.legal_demand.is_some() && raw.verdict.is_some_and(|verdict| !verdict.refuses()) {
            self.reader.problem(
                raw.id.span(),
                "a legal demand is recorded for a rule that refuses nobody",
                "take it out or say verdict = \"block\"",
            );
        }
        if raw.verdict == Some(VerdictKind::Brownout) {
            self.reader.problem(
                raw.id.span(),
                "a rule cannot be a brownout for ever",
                "brownouts have their dates in `brownouts`",
            );
        }
        Rule {
            id: raw.id.into_inner(),
            reason: raw.reason,
            when,
            verdict: raw.verdict,
            from,
            until,
            demand: raw.legal_demand,
        }
    }

    fn when(&mut self, raw: RawWhen) -> When {
        let [network, residence, billing] =
            [raw.network, raw.residence, raw.billing].map(|texts| texts.map(|texts| self.places(&texts)));
        When {
            network,
            residence,
            billing,
            asn: raw.asn,
            account: raw.account.into_iter().map(AccountId::from).collect(),
            owners: raw.owners.map(|owners| self.owners(owners)),
            unknown: raw.unknown,
        }
    }

    fn is_reached(&mut self, rule: &Rule, before: &[Rule], at: std::ops::Range<usize>) {
        if before.iter().any(|other| other.id == rule.id) {
            self.reader.problem(at, format!("there are two rules {:?}", rule.id), "each rule has a name of its own");
            return;
        }
        let covers = |other: &&Rule| {
            other.when.covers(&rule.when)
                && other.from.is_none_or(|from| rule.from.is_some_and(|mine| from <= mine))
                && other.until.is_none_or(|until| rule.until.is_some_and(|mine| until >= mine))
        };
        if let Some(other) = before.iter().find(covers) {
            let message = format!("the rule {:?} is never reached: {:?} before it covers it", rule.id, other.id);
            self.reader.problem(at, message, "rules are tried in order; put the narrower one first");
        }
    }

    fn exemption(&mut self, raw: RawExemption) -> Option<Exemption> {
        self.name("exemption", &raw.id);
        if raw.owner.get_ref().trim().is_empty() {
            self.reader.problem(raw.owner.span(), "an exemption needs an owner", "name the person who answers for it");
        }
        let [from, until] = self.moments([raw.from.as_ref(), Some(&raw.until)]);
        let (from, until) = (from.unwrap_or(Timestamp(i64::MIN)), until?);
        if from >= until {
            self.reader.problem(raw.until.span(), "the exemption ends before it begins", "swap the two");
        }
        Some(Exemption {
            id: raw.id.into_inner(),
            account: raw.account.into(),
            owner: raw.owner.into_inner(),
            reason: raw.reason,
            from,
            until,
        })
    }
}

fn moments(phases: &Phases, rules: &[Rule], exemptions: &[Exemption]) -> Vec<Timestamp> {
    let brownouts = phases.brownouts.iter().flat_map(|brownout| [brownout.from, brownout.until]);
    let rules = rules.iter().flat_map(|rule| [rule.from, rule.until]).flatten();
    let exemptions = exemptions.iter().flat_map(|exemption| [exemption.from, exemption.until]);
    let mut moments: Vec<_> =
        phases.notice.into_iter().chain(phases.block).chain(brownouts).chain(rules).chain(exemptions).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}
