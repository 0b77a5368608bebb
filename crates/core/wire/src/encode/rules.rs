//! The verbs, applied to one parameter after the other.

use super::{Draft, Refusal, emulate};
use crate::profile::{Clamp, ParamRule};
use banjia_types::{LossLevel, Operation};
use serde_json::Value;

/// Applies every rule of the profile that holds for this request, in the profile's order.
pub(super) fn apply(draft: &mut Draft<'_>, operation: Operation) -> Result<(), Refusal> {
    let profile = draft.profile;
    let mut kept: Vec<&str> = Vec::new();
    for rule in profile.params.iter().filter(|rule| rule.operation == operation) {
        if !kept.contains(&rule.name.as_str()) && holds(draft, rule) {
            one(draft, rule)?;
            if rule.keep {
                kept.push(&rule.name);
            }
        }
    }
    Ok(())
}

fn holds(draft: &mut Draft<'_>, rule: &ParamRule) -> bool {
    let when = &rule.when;
    (when.models.is_empty() || when.models.iter().any(|pattern| pattern.matches(draft.model)))
        && when.thinking.is_none_or(|thinking| thinking == draft.thinking)
        && when.stream.is_none_or(|stream| stream == draft.stream)
        && when.value_type.as_ref().is_none_or(|wanted| draft.body.get(&rule.name).is_some_and(|v| wanted.matches(v)))
}

fn one(draft: &mut Draft<'_>, rule: &ParamRule) -> Result<(), Refusal> {
    let name = rule.name.as_str();
    if !draft.body.has(name) {
        if let Some(quirk) = rule.quirk.filter(|quirk| quirk.adds) {
            quirk.apply(draft, name)?;
        }
        if let Some(value) = &rule.default {
            draft.body.set(name, value.clone());
        }
        return Ok(());
    }
    if let Some(message) = rule.refuse.as_ref().filter(|_| !rule.cite.unconfirmed && !is_neutral(draft, rule)) {
        return Err(Refusal::new(name, message));
    }
    if let Some(emulation) = rule.emulate {
        emulate::apply(draft, rule, emulation)?;
    }
    if let Some(quirk) = rule.quirk {
        quirk.apply(draft, name)?;
    }
    if !rule.map.is_empty() {
        map(draft, rule);
    }
    if let Some(limits) = rule.clamp.filter(|_| !rule.cite.unconfirmed) {
        clamp(draft, rule, limits);
    }
    if let Some(count) = rule.max_items {
        max_items(draft, rule, count);
    }
    if let Some(to) = rule.rename.as_ref().filter(|_| draft.body.has(name)) {
        draft.body.rename(name, to);
        draft.lose(name, rule.level(LossLevel::Exact), why(rule, &format!("called `{to}` here")));
    }
    if rule.drop {
        drop(draft, rule);
    }
    Ok(())
}

fn why(rule: &ParamRule, otherwise: &str) -> String {
    rule.why.clone().unwrap_or_else(|| otherwise.to_owned())
}

fn is_neutral(draft: &mut Draft<'_>, rule: &ParamRule) -> bool {
    draft.body.get(&rule.name).is_some_and(|value| rule.neutral.iter().any(|neutral| same(value, neutral)))
}

/// Equal, where 0 and 0.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

fn map(draft: &mut Draft<'_>, rule: &ParamRule) {
    let Some(value) = draft.body.get(&rule.name) else { return };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(to) = rule.map.get(&text) {
        draft.body.set(&rule.name, to.clone());
        draft.lose(&rule.name, rule.level(LossLevel::Degraded), why(rule, &format!("`{text}` became {to}")));
    }
}

fn clamp(draft: &mut Draft<'_>, rule: &ParamRule, limits: Clamp) {
    let output_max = draft.facts.filter(|facts| limits.to_output_max && !facts.cite.unconfirmed);
    let max = output_max.and_then(|facts| facts.output_max).map(|tokens| tokens as f64).or(limits.max);
    let Some(value) = draft.body.get(&rule.name).cloned() else { return };
    let Some(asked) = value.as_f64() else { return };
    let mut sent = limits.min.map_or(asked, |min| asked.max(min));
    sent = max.map_or(sent, |max| sent.min(max));
    if let Some(decimals) = limits.decimals {
        let scale = 10_f64.powi(i32::from(decimals));
        sent = (sent * scale).round() / scale;
    }
    if (sent - asked).abs() < f64::EPSILON {
        return;
    }
    let number = if value.is_f64() || sent.fract() != 0.0 { Value::from(sent) } else { Value::from(sent as i64) };
    let reason = format!("{value} became {number}, the nearest that is taken");
    draft.body.set(&rule.name, number);
    draft.lose(&rule.name, rule.level(LossLevel::Degraded), why(rule, &reason));
}

fn max_items(draft: &mut Draft<'_>, rule: &ParamRule, count: usize) {
    let Some(items) = draft.body.list(&rule.name) else { return };
    let found = items.len();
    if found > count {
        items.truncate(count);
        let reason = format!("only the first {count} of {found} were sent");
        draft.lose(&rule.name, rule.level(LossLevel::Dropped), why(rule, &reason));
    }
}

fn drop(draft: &mut Draft<'_>, rule: &ParamRule) {
    if !draft.body.has(&rule.name) {
        return;
    }
    let neutral = is_neutral(draft, rule);
    draft.body.remove(&rule.name);
    if neutral {
        draft.lose(&rule.name, LossLevel::Exact, "not sent: it asks for what happens anyway");
    } else {
        draft.lose(&rule.name, rule.level(LossLevel::Dropped), why(rule, "not sent: unknown to this vendor"));
    }
}
