//! Compares a vendor's profile with the live vendor, fact by fact.
//!
//! Rules: nothing is sent before its number is known and, unless the vendor is on this machine, agreed to; answers are asked
//! to be short; a vendor that answers something else than the profile says is "differs", one that answers nothing that
//! tells is "could not tell", never the other way round. A key goes to the vendor's host and nowhere else.

mod ask;
mod facts;
mod judge;

use crate::clock;
use anyhow::Context;
use ask::Asker;
use banjia_types::Secret;
use banjia_upstream::Upstream;
use banjia_wire::{ModelFacts, Profile};
pub(crate) use facts::Fact;
use std::sync::Arc;

/// What a probe is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) profile: Arc<Profile>,
    /// The vendor's base URL.
    pub(crate) base: String,
    pub(crate) key: Secret,
    /// The model for chat; the cheapest that the profile knows when not said.
    pub(crate) model: Option<String>,
}

/// How a fact of the profile stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The vendor does what the profile says.
    Confirmed,
    /// It does something else.
    Differs,
    /// Its answer does not tell.
    Unclear,
}

impl Standing {
    /// As the table shows it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Differs => "DIFFERS",
            Self::Unclear => "could not tell",
        }
    }
}

/// One line of the result.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The fact, in words.
    pub(crate) fact: String,
    pub(crate) standing: Standing,
    /// What the vendor did.
    pub(crate) seen: String,
}

/// A probe that is ready: its requests are known, none is sent.
#[derive(Debug)]
pub(crate) struct Probe {
    asker: Asker,
    facts: Vec<Fact>,
    /// So that no finding shows a part of it.
    key: Secret,
}

impl Probe {
    /// Plans a probe.
    ///
    /// # Errors
    /// A base URL or key that cannot be used; a profile without a chat model and none given.
    pub(crate) fn plan(settings: &Settings) -> anyhow::Result<Self> {
        let model = settings.model.clone().or_else(|| cheapest(&settings.profile));
        let model = model.context("the profile knows no chat model; name one with --model")?;
        let upstream = Upstream::new(&banjia_upstream::Config::default())?;
        let facts = facts::plan(&settings.profile, &model);
        Ok(Self { asker: Asker::new(settings, upstream)?, facts, key: settings.key.clone() })
    }

    /// How many requests will be sent.
    pub(crate) fn requests(&self) -> usize {
        self.facts.iter().map(Fact::requests).sum()
    }

    /// Sends them, one after the other, and tells each finding as it comes.
    pub(crate) async fn run(&self, mut tell: impl FnMut(&Finding)) -> Vec<Finding> {
        let mut findings = Vec::with_capacity(self.facts.len());
        for fact in &self.facts {
            let mut finding = judge::judge(&self.asker, fact).await;
            finding.seen = banjia_wire::mask_key(&finding.seen, self.key.expose());
            tell(&finding);
            let is_locked_out = matches!(fact, Fact::KeyWorks { .. }) && finding.standing == Standing::Differs;
            findings.push(finding);
            if is_locked_out {
                break;
            }
        }
        findings
    }
}

/// The cheapest chat model that is still served, by the price of its first tier.
fn cheapest(profile: &Profile) -> Option<String> {
    let today = clock::today().to_string();
    let serves = |facts: &&ModelFacts| {
        facts.name.is_exact()
            && facts.embedding.is_none()
            && facts.shutdown_date.as_ref().is_none_or(|date| *date > today)
    };
    let price = |facts: &&ModelFacts| {
        let tier = facts.price.as_ref().and_then(|price| price.tiers.first());
        tier.map_or(i64::MAX, |tier| tier.input.saturating_add(tier.output))
    };
    profile.models().filter(serves).min_by_key(price).map(|facts| facts.name.text().to_owned())
}
