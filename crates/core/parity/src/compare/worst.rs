//! The pairs that a person should read first.

use super::ComparisonRules;
use super::rates::Scores;
use crate::axis::Axis;
use crate::diff::{self, TextPart};
use crate::pair::{Answer, Pair};
use crate::similarity::chrf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pair on which the destination loses, with both responses in parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstPair {
    /// The request's id.
    pub id: String,
    /// The user's last message. A long one is cut.
    pub prompt: String,
    /// The judged axes on which the destination scored lower in this pair, and by how much.
    pub lost: Vec<Lost>,
    /// The similarity of the responses in their letters.
    pub likeness: f64,
    /// The response of the source.
    pub source: Vec<TextPart>,
    /// The response of the destination.
    pub destination: Vec<TextPart>,
}

/// What a pair loses on one axis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    /// The axis.
    pub axis: Axis,
    /// The source's score minus the destination's.
    pub by: f64,
}

/// The pairs that lose most over the judged axes, then the least similar ones. Pairs that lose
/// nothing are left out.
pub(super) fn worst(pairs: &[Pair], scores: &BTreeMap<Axis, Scores>, rules: &ComparisonRules) -> Vec<WorstPair> {
    let mut ranked: Vec<(f64, f64, usize, Vec<Lost>)> = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let lost: Vec<Lost> = scores
            .iter()
            .filter(|(axis, _)| rules.margins.contains_key(axis))
            .filter_map(|(axis, scores)| {
                let scored = scores.of[index]?;
                let by = scored.source.score() - scored.destination.score();
                (by > 0.0).then_some(Lost { axis: *axis, by })
            })
            .collect();
        if !lost.is_empty() {
            let likeness = chrf(&pair.source.text(), &pair.destination.text());
            ranked.push((lost.iter().map(|lost| lost.by).sum(), likeness, index, lost));
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    ranked.truncate(rules.worst);
    ranked.into_iter().map(|(_, likeness, index, lost)| shown(&pairs[index], likeness, lost)).collect()
}

fn shown(pair: &Pair, likeness: f64, lost: Vec<Lost>) -> WorstPair {
    let (source, destination) = diff::side_by_side(&answer_text(&pair.source), &answer_text(&pair.destination));
    WorstPair { id: pair.id.clone(), prompt: diff::cut(&pair.prompt()), lost, likeness, source, destination }
}

/// A response as people read it: its text, its calls, or why there is none.
fn answer_text(answer: &Answer) -> String {
    if let Some(class) = answer.class {
        return format!("[{class}]");
    }
    let mut answer_text = answer.text();
    for call in answer.calls() {
        if !answer_text.is_empty() {
            answer_text.push('\n');
        }
        answer_text.extend([&call.name, "(", &call.arguments, ")"]);
    }
    if answer_text.is_empty() {
        answer_text = answer.refusal().map_or_else(|| "[nothing]".to_owned(), |text| format!("[refusal] {text}"));
    }
    answer_text
}
