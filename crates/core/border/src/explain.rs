//! A verdict as data and as a sentence, in English and Chinese.
//!
//! # Rules
//! - An explanation names the rule that decided, the facts with their sources and ages, and when
//!   the verdict may change.
//! - It is made from the verdict and never decides again.

use crate::country::{Lang, name};
use crate::decide::{Question, RuleRef, Verdict, in_words};
use crate::facts::{FactKind, Facts};
use crate::policy::{Phase, Policy};
use banjia_types::calendar;
use banjia_types::{Place, Timestamp, VerdictKind};
use serde::Serialize;

/// The explanation of a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The policy, `id@version`.
    pub policy: String,
    /// The list that it uses.
    pub list: String,
    /// Whether the caller is served.
    pub verdict: VerdictKind,
    /// The rule that decided.
    pub rule: String,
    /// The reason for that rule, in its author's words. May be empty.
    pub reason: String,
    /// The phase of the policy's timetable.
    pub phase: Phase,
    /// The moment of the question.
    pub at: String,
    /// When the block begins, in the policy's zone.
    pub block: Option<String>,
    /// The next moment at which time alone may change the verdict, in the policy's zone.
    pub until: Option<String>,
    /// Every known fact.
    pub facts: Vec<FactSaid>,
    /// The explanation in English.
    pub en: String,
    /// The explanation in Chinese.
    pub zh: String,
}

/// One fact, with its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FactSaid {
    /// The kind of the fact.
    pub fact: FactKind,
    /// The place. `None` for owners.
    pub place: Option<Place>,
    /// Whether the policy's list serves it. `None` for owners.
    pub served: Option<bool>,
    /// The source.
    pub source: String,
    /// The date of the fact.
    pub as_of: String,
    /// Days between that date and the moment of the question.
    pub age_days: u64,
    /// Whether this fact decided.
    pub decided: bool,
}

impl Explanation {
    /// The sentence in a language.
    pub fn sentence(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

/// Explains a verdict that [`crate::decide::decide`] gave to `question`.
pub fn explain(policy: &Policy, question: &Question<'_>, verdict: &Verdict) -> Explanation {
    let deciding = match verdict.rule {
        RuleRef::List(kind) => Some(kind),
        _ => None,
    };
    let show = |at: Timestamp| calendar::show(at, policy.zone());
    let describe = |kind: FactKind| fact_said(policy, question, kind, deciding);
    let rule = verdict.rule.name(policy, question.granted).into_owned();
    let reason = match verdict.rule {
        RuleRef::Rule(at) => policy.rules().get(at).map(|rule| rule.reason.clone()),
        RuleRef::Granted(at) => question.granted.get(at).map(|exemption| exemption.reason.clone()),
        _ => None,
    };
    let sentence = |lang| sentence(policy, question, verdict, &rule, lang);
    Explanation {
        policy: policy.label().to_string(),
        list: policy.list().id.clone(),
        verdict: verdict.kind,
        reason: reason.unwrap_or_default(),
        phase: verdict.phase,
        at: show(question.at),
        block: policy.phases().block.map(show),
        until: verdict.until.map(show),
        facts: FactKind::ALL.into_iter().filter_map(describe).collect(),
        en: sentence(Lang::En),
        zh: sentence(Lang::Zh),
        rule,
    }
}

fn fact_said(policy: &Policy, question: &Question<'_>, kind: FactKind, deciding: Option<FactKind>) -> Option<FactSaid> {
    let (source, as_of) = question.facts.provenance(kind)?;
    let place = question.facts.place(kind);
    Some(FactSaid {
        fact: kind,
        place,
        served: place.map(|place| policy.list().serves(place) == crate::registry::Served::Yes),
        source: source.to_owned(),
        as_of: calendar::date(as_of, chrono_tz::Tz::UTC).to_string(),
        age_days: question.at.since(as_of).as_secs() / 86_400,
        decided: deciding == Some(kind),
    })
}

fn sentence(policy: &Policy, question: &Question<'_>, verdict: &Verdict, rule: &str, lang: Lang) -> String {
    let why = because(policy, question.facts, verdict.rule, rule, lang);
    let verdict_words = in_words(verdict.kind, lang);
    let block = policy.phases().block.filter(|block| *block > question.at).map(|at| calendar::show(at, policy.zone()));
    let is_affected = !matches!(verdict.rule, RuleRef::Served | RuleRef::Exemption(_) | RuleRef::Granted(_));
    let then = block.filter(|_| is_affected && !verdict.kind.refuses());
    let label = policy.label();
    match (lang, then) {
        (Lang::En, None) => format!("{}: {why} (policy {label}, rule {rule}).", capital(verdict_words)),
        (Lang::En, Some(block)) => {
            format!("{} until {block}: {why} (policy {label}, rule {rule}).", capital(verdict_words))
        }
        (Lang::Zh, None) => format!("{verdict_words}：{why}（策略 {label}，规则 {rule}）。"),
        (Lang::Zh, Some(block)) => format!("{verdict_words}，至 {block}：{why}（策略 {label}，规则 {rule}）。"),
    }
}

fn because(policy: &Policy, facts: &Facts, rule: RuleRef, name_of_rule: &str, lang: Lang) -> String {
    let list = &policy.list().id;
    match (rule, lang) {
        (RuleRef::Served, Lang::En) => format!("everything known of this caller is served by the list {list}"),
        (RuleRef::Served, Lang::Zh) => format!("已知信息均在清单 {list} 的服务范围内"),
        (RuleRef::Unknown, Lang::En) => "nothing is known of where this caller is".to_owned(),
        (RuleRef::Unknown, Lang::Zh) => "无法得知调用方所在地".to_owned(),
        (RuleRef::List(FactKind::Owners), Lang::En) => {
            format!("its owners are in places that the list {list} does not serve")
        }
        (RuleRef::List(FactKind::Owners), Lang::Zh) => format!("其所有者所在地不在清单 {list} 的服务范围内"),
        (RuleRef::List(kind), lang) => {
            let place = facts.place(kind).map_or_else(|| "?".into(), |place| name(place, lang));
            let source = facts.provenance(kind).map_or("?", |(source, _)| source);
            match (kind, lang) {
                (FactKind::Network, Lang::En) => {
                    format!("the request comes from {place}, says {source}, and the list {list} does not serve it")
                }
                (FactKind::Network, Lang::Zh) => {
                    format!("请求来自{place}（依据 {source}），不在清单 {list} 的服务范围内")
                }
                (_, Lang::En) => {
                    format!("the account's {kind} is {place}, says {source}, and the list {list} does not serve it")
                }
                (FactKind::Billing, Lang::Zh) => {
                    format!("账户的账单地为{place}（依据 {source}），不在清单 {list} 的服务范围内")
                }
                (_, Lang::Zh) => format!("账户的所在地为{place}（依据 {source}），不在清单 {list} 的服务范围内"),
            }
        }
        (RuleRef::Rule(_), Lang::En) => format!("the policy's rule {name_of_rule:?} is about this caller"),
        (RuleRef::Rule(_), Lang::Zh) => format!("策略规则“{name_of_rule}”适用于该调用方"),
        (RuleRef::Exemption(_) | RuleRef::Granted(_), Lang::En) => "the account is exempted for now".to_owned(),
        (RuleRef::Exemption(_) | RuleRef::Granted(_), Lang::Zh) => "该账户目前获得豁免".to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
