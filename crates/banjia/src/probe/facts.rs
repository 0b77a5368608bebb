//! Which facts of a profile can be asked about, and with which requests.

use banjia_types::Operation;
use banjia_wire::{FinishMeaning, ParamRule, Profile, UsagePlacement};
use serde_json::{Value, json};

/// A parameter's value just outside of its range is this far outside.
const OUTSIDE: f64 = 0.5;

/// One fact to ask about.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// The key opens the door; everything else depends on it.
    KeyWorks { model: String },
    /// The models endpoint lists the profile's models.
    Models { known: Vec<String> },
    /// A whole answer has text, a finish reason that the profile knows, and usage.
    Chat { model: String },
    /// A stream ends with `[DONE]` and has its usage where the profile says.
    Stream { model: String, usage: UsagePlacement },
    /// A value that the profile would change or keep back is refused by the vendor.
    Refused { model: String, param: String, value: Value, because: &'static str, is_certain: bool },
    /// A tool call comes back.
    Tools { model: String },
    /// JSON mode gives an object.
    JsonMode { model: String },
    /// A wrong key is an error of the class `auth`.
    BadKey { model: String },
    /// An unknown model is an error of the class `model_gone`.
    UnknownModel,
    /// Vectors have the length that the profile says.
    Dimensions { model: String, dimensions: Option<u32> },
    /// So many texts fit into one call, and one more does not.
    Batch { model: String, texts_max: usize },
}

impl Fact {
    /// How many requests it takes.
    pub(crate) const fn requests(&self) -> usize {
        match self {
            Self::Batch { .. } => 2,
            _ => 1,
        }
    }
}

/// Every fact of `profile` that can be asked about with `model`.
pub(super) fn plan(profile: &Profile, model: &str) -> Vec<Fact> {
    let name = || model.to_owned();
    let mut facts = vec![Fact::KeyWorks { model: name() }];
    if profile.path(Operation::Models).is_some() {
        let known = profile.models().filter(|facts| facts.name.is_exact()).map(|facts| facts.name.text().to_owned());
        facts.push(Fact::Models { known: known.collect() });
    }
    facts.push(Fact::Chat { model: name() });
    facts.push(Fact::Stream { model: name(), usage: profile.stream().usage });
    let rules =
        profile.params().iter().filter(|rule| rule.operation == Operation::ChatCompletions && applies(rule, model));
    facts.extend(rules.filter_map(|rule| outside(rule, model)));
    facts.push(Fact::Tools { model: name() });
    facts.push(Fact::JsonMode { model: name() });
    facts.push(Fact::BadKey { model: name() });
    facts.push(Fact::UnknownModel);
    facts.extend(embeddings(profile));
    facts
}

/// Whether a rule holds for a plain request to `model`.
fn applies(rule: &ParamRule, model: &str) -> bool {
    let when = &rule.when;
    let fits_model = when.models.is_empty() || when.models.iter().any(|pattern| pattern.matches(model));
    fits_model && when.value_type.is_none() && when.thinking != Some(true) && when.stream != Some(true)
}

/// A value that the vendor should refuse, if the rule is of a kind that says so.
fn outside(rule: &ParamRule, model: &str) -> Option<Fact> {
    let (value, because, is_certain): (Value, _, _) = if let Some(clamp) = rule.clamp {
        let counts = rule.name.starts_with("max_") || clamp.decimals == Some(0);
        let value = if counts {
            clamp.max.map(|max| json!(max as i64 + 1)).or(clamp.min.map(|min| json!(min as i64 - 1)))
        } else {
            clamp.max.map(|max| json!(max + OUTSIDE)).or(clamp.min.map(|min| json!(min - OUTSIDE)))
        };
        (value?, "is out of range", true)
    } else if let Some(most) = rule.max_items {
        let items: Vec<_> = (0..=most).map(|i| format!("stop-{i}")).collect();
        (json!(items), "has too many items", true)
    } else if rule.drop || rule.refuse.is_some() {
        // A vendor may also ignore what it does not know, so that an answer tells nothing.
        (sample(&rule.name)?, "is not known there", false)
    } else {
        return None;
    };
    Some(Fact::Refused { model: model.to_owned(), param: rule.name.clone(), value, because, is_certain })
}

/// An ordinary value of one of OpenAI's parameters.
fn sample(name: &str) -> Option<Value> {
    Some(match name {
        "presence_penalty" | "frequency_penalty" => json!(0.5),
        "logprobs" | "parallel_tool_calls" => json!(true),
        "logit_bias" => json!({ "100": 1 }),
        "seed" => json!(7),
        "n" | "top_logprobs" => json!(2),
        "service_tier" => json!("default"),
        "user" => json!("probe-user-1"),
        _ => return None,
    })
}

fn embeddings(profile: &Profile) -> Vec<Fact> {
    let mut facts = Vec::new();
    if profile.path(Operation::Embeddings).is_none() {
        return facts;
    }
    let first = profile
        .models()
        .find_map(|model| Some((model.name.text(), model.embedding.as_ref()?)).filter(|_| model.name.is_exact()));
    if let Some((name, embedding)) = first {
        let dimensions = embedding.dimensions.first().copied();
        facts.push(Fact::Dimensions { model: name.to_owned(), dimensions });
        if let Some(texts_max) = embedding.texts_max {
            facts.push(Fact::Batch { model: name.to_owned(), texts_max });
        }
    }
    facts
}

/// OpenAI's finish reasons and those that the profile gives a meaning.
pub(super) fn is_known_finish(profile: &Profile, reason: &str) -> bool {
    const OPENAI: [&str; 5] = ["stop", "length", "tool_calls", "content_filter", "function_call"];
    OPENAI.contains(&reason)
        || matches!(profile.stream().finish.get(reason), Some(FinishMeaning::Reason(_) | FinishMeaning::Error(_)))
}
