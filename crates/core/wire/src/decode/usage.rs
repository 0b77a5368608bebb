//! Token counts, wherever a vendor puts them and whatever it calls them.
//!
//! Rules:
//! - A count is a whole number from 0 to the bound of its request ([`TokenBounds`]); `12.0` is read
//!   as 12.
//! - One count that is anything else makes the whole usage implausible: a sum with a wrong part is
//!   wrong.
//! - Implausible counts are never stored, priced or added up, and a mended answer does not repeat
//!   them.

use crate::profile::Profile;
use banjia_types::Usage;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::ops::Add;

const TOKENS_MAX: u64 = Usage::ANSWER_TOKENS_MAX;
/// A vendor adds tokens that the request's bytes do not show: its template, search results,
/// pictures, sound and files that the request only names. All of that fits into a context; this is
/// the largest that is common in 2026-09, for profiles that state none.
const CONTEXT_USUAL: u64 = 2_000_000;

/// The most tokens that a vendor can truly count for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBounds {
    /// Of the prompt.
    pub prompt: u64,
    /// Of the answer, reasoning and all choices together.
    pub completion: u64,
}

impl Default for TokenBounds {
    fn default() -> Self {
        Self { prompt: TOKENS_MAX, completion: TOKENS_MAX }
    }
}

impl TokenBounds {
    /// The bounds of a request with a body of `body_bytes`. A token is at least one byte of it,
    /// apart from what the vendor adds. An answer has no such measure, because reasoning is counted
    /// and often not sent.
    pub(crate) fn of(profile: &Profile, body_bytes: usize) -> Self {
        let added = profile.context_max.unwrap_or(0).max(CONTEXT_USUAL);
        let prompt = u64::try_from(body_bytes).unwrap_or(u64::MAX).saturating_add(added);
        Self { prompt: prompt.min(TOKENS_MAX), ..Self::default() }
    }

    fn hold(self, counts: &Counts) -> bool {
        let total = self.prompt.saturating_add(self.completion);
        let prompts = [counts.prompt_tokens, counts.input_tokens, counts.cached_tokens, counts.prompt_cache_hit_tokens];
        let cached = counts.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        let reasoning = counts.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
        let within = |count: Option<u64>, bound: u64| count.is_none_or(|count| count <= bound);
        prompts.into_iter().chain([cached]).all(|count| within(count, self.prompt))
            && [counts.completion_tokens, counts.output_tokens, reasoning]
                .into_iter()
                .all(|count| within(count, self.completion))
            && within(counts.total_tokens, total)
    }
}

/// The token counts that a vendor reported for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportedUsage {
    /// The vendor reported no counts.
    #[default]
    Missing,
    /// Counts that the request can have had.
    Known(Usage),
    /// Counts that cannot be true: more than the request could have had, or no numbers.
    Implausible,
}

impl ReportedUsage {
    /// The counts, if there are any to believe.
    pub const fn known(self) -> Option<Usage> {
        match self {
            Self::Known(usage) => Some(usage),
            Self::Missing | Self::Implausible => None,
        }
    }

    /// This report, or the other one if this one is missing.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match self {
            Self::Missing => other,
            Self::Known(_) | Self::Implausible => self,
        }
    }
}

/// The usage of several answers together. With an implausible part the sum is not known.
impl Add for ReportedUsage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Implausible, _) | (_, Self::Implausible) => Self::Implausible,
            (Self::Known(one), Self::Known(two)) => Self::Known(one + two),
            (one, two) => one.or(two),
        }
    }
}

/// The usage member of a chunk or an answer, unless it is null: at the top, or inside a choice as
/// older Moonshot streams have it (general knowledge of 2024, unconfirmed since).
fn member_in(value: &Value) -> Option<&Value> {
    let own = |value: &'_ Value| value.get("usage").is_some_and(|usage| !usage.is_null());
    let top = Some(value).filter(|value| own(value));
    top.or_else(|| value.get("choices")?.as_array()?.iter().find(|choice| own(choice)))?.get("usage")
}

/// The members of a usage object that are counted, as vendors name them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    prompt_cache_hit_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

/// A count that is no whole number from 0 on.
struct NoCount;

impl Counts {
    /// The counts as they are booked.
    fn usage(&self, bounds: TokenBounds) -> ReportedUsage {
        if !bounds.hold(self) {
            return ReportedUsage::Implausible;
        }
        let prompt = self.prompt_tokens.or(self.input_tokens);
        let completion = self.completion_tokens.or(self.output_tokens);
        if prompt.is_none() && completion.is_none() && self.total_tokens.is_none() {
            return ReportedUsage::Missing;
        }
        let completion = completion.unwrap_or_default();
        let cached = self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        let reasoning = self.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
        let prompt = prompt.unwrap_or_else(|| self.total_tokens.unwrap_or_default().saturating_sub(completion));
        if prompt > bounds.prompt {
            return ReportedUsage::Implausible;
        }
        ReportedUsage::Known(Usage {
            prompt,
            completion,
            cached: cached.or(self.cached_tokens).or(self.prompt_cache_hit_tokens).unwrap_or_default(),
            reasoning: reasoning.unwrap_or_default(),
        })
    }

    /// The same members out of an object whose numbers may be written in another way.
    fn of(usage: &Map<String, Value>) -> Result<Self, NoCount> {
        let at = |name: &str| count(usage.get(name));
        let inside = |name: &str, member: &str| match usage.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(details)) => count(details.get(member)),
            Some(_) => Err(NoCount),
        };
        Ok(Self {
            prompt_tokens: at("prompt_tokens")?,
            input_tokens: at("input_tokens")?,
            completion_tokens: at("completion_tokens")?,
            output_tokens: at("output_tokens")?,
            total_tokens: at("total_tokens")?,
            cached_tokens: at("cached_tokens")?,
            prompt_cache_hit_tokens: at("prompt_cache_hit_tokens")?,
            prompt_tokens_details: Some(PromptDetails {
                cached_tokens: inside("prompt_tokens_details", "cached_tokens")?,
            }),
            completion_tokens_details: Some(CompletionDetails {
                reasoning_tokens: inside("completion_tokens_details", "reasoning_tokens")?,
            }),
        })
    }
}

fn count(value: Option<&Value>) -> Result<Option<u64>, NoCount> {
    let number = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(NoCount),
    };
    // Whole numbers up to the bound are exact as floats, so nothing is rounded here.
    let as_whole = |number: f64| {
        (number.fract() == 0.0 && (0.0..=TOKENS_MAX as f64 * 2.0).contains(&number)).then_some(number as u64)
    };
    number.as_u64().or_else(|| as_whole(number.as_f64()?)).map(Some).ok_or(NoCount)
}

/// The counts of a usage member as it came. Numbers that are written oddly are read with more
/// patience.
pub(super) fn read(usage: &str, bounds: TokenBounds) -> ReportedUsage {
    // A derived reader takes a list as an object's members in order. No usage that is counted holds
    // one.
    if !usage.contains('[')
        && let Ok(counts) = serde_json::from_str::<Counts>(usage)
    {
        return counts.usage(bounds);
    }
    serde_json::from_str(usage).map_or(ReportedUsage::Implausible, |value| reported(&value, bounds))
}

fn reported(usage: &Value, bounds: TokenBounds) -> ReportedUsage {
    let counts = usage.as_object().ok_or(NoCount).and_then(Counts::of);
    counts.map_or(ReportedUsage::Implausible, |counts| counts.usage(bounds))
}

/// The counts of a chunk or an answer.
pub(super) fn found_in(value: &Value, bounds: TokenBounds) -> ReportedUsage {
    member_in(value).map_or(ReportedUsage::Missing, |usage| reported(usage, bounds))
}

/// The vendor's usage object with OpenAI's required members in front. What else it says stays.
/// `None` if there are no counts to believe.
pub(super) fn regular(value: &Value, bounds: TokenBounds) -> Option<Value> {
    let (usage, from) = (found_in(value, bounds).known()?, member_in(value)?.as_object()?);
    let total = count(from.get("total_tokens")).ok().flatten().unwrap_or_else(|| usage.total());
    let mut regular = Map::new();
    regular.insert("prompt_tokens".into(), usage.prompt.into());
    regular.insert("completion_tokens".into(), usage.completion.into());
    regular.insert("total_tokens".into(), total.into());
    for (name, member) in from {
        if !regular.contains_key(name) && !member.is_null() {
            regular.insert(name.clone(), member.clone());
        }
    }
    if usage.cached > 0 && !regular.contains_key("prompt_tokens_details") {
        regular.insert("prompt_tokens_details".into(), json!({ "cached_tokens": usage.cached }));
    }
    Some(Value::Object(regular))
}
