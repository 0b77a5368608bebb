//! Sections to a compiled profile: what serde cannot check is checked here, and a base profile is
//! laid underneath.

use super::models::{EmbeddingFacts, ModelFacts, Pattern};
use super::param::{ParamRule, ValueType, When};
use super::raw::{RawError, RawModel, RawParam, RawPrice, RawQuirk, RawThinking};
use super::read::{Sections, read};
use super::stream::{FinishMeaning, StreamHabits};
use super::thinking::{Effort, ThinkingGroup, ThinkingHabit};
use super::{Auth, Cite, ErrorRule, Host, Limits, MessageRules, Paths, Profile};
use crate::quirks::Quirk;
use banjia_types::{ErrorClass, LossLevel, Price, PriceTier, Problem, VendorName, nearest};
use std::ops::Range;

/// OpenAI's own finish reasons: what a vendor's may be mapped to.
const FINISH_REASONS: [&str; 5] = ["stop", "length", "tool_calls", "content_filter", "function_call"];

/// Efforts that OpenAI's clients send (API document of 2026-08-21).
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Reads, checks and compiles one profile.
pub(super) fn compile(
    file_stem: &str,
    text: &str,
    find_base: &dyn Fn(&str) -> Option<String>,
) -> (Option<Profile>, Vec<Problem>) {
    let mut problems = Vec::new();
    let Some(sections) = read(text, &mut problems) else { return (None, problems) };
    let mut compiler = Compiler { text, problems: &mut problems, cite: None };
    compiler.head(file_stem, &sections);
    let base = sections.extends.as_ref().and_then(|(at, name)| compiler.base(at, name, find_base));
    let profile = compiler.profile(file_stem, sections, base);
    let usable = problems.is_empty();
    (usable.then_some(profile), problems)
}

struct Compiler<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    cite: Option<Cite>,
}

impl Compiler<'_> {
    fn problem(&mut self, at: &Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem::at(self.text, at.clone(), message, hint));
    }

    /// The lines every profile begins with.
    fn head(&mut self, file_stem: &str, sections: &Sections) {
        match &sections.vendor {
            None => self.problem(&(0..0), "`vendor` is missing", Some(format!("write vendor = {file_stem:?}"))),
            Some((at, name)) if name != file_stem => {
                self.problem(at, format!("the file is called {file_stem:?} and its vendor {name:?}"), None);
            }
            Some(_) => {}
        }
        let source = sections.source.clone().filter(|source| !source.trim().is_empty());
        if source.is_none() {
            self.problem(&(0..0), "`source` is missing", Some("name the public document the facts come from".into()));
        }
        match &sections.as_of {
            None => self.problem(&(0..0), "`as_of` is missing", Some("write as_of = \"2026-09\"".into())),
            Some((at, date)) => self.date(at, date),
        }
        let as_of = sections.as_of.as_ref().map(|(_, date)| date.clone()).unwrap_or_default();
        self.cite = Some(Cite { source: source.unwrap_or_default(), as_of, unconfirmed: false });
    }

    fn date(&mut self, at: &Range<usize>, date: &str) {
        let parts: Vec<&str> = date.split('-').collect();
        let digits = |part: &str, len: usize| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
        let good =
            parts.len() <= 3 && parts.iter().enumerate().all(|(i, part)| digits(part, if i == 0 { 4 } else { 2 }));
        if !good {
            self.problem(at, format!("{date:?} is no date"), Some("write 2026, 2026-09 or 2026-09-24".into()));
        }
    }

    fn cite(&mut self, at: &Range<usize>, source: Option<String>, as_of: Option<String>, unconfirmed: bool) -> Cite {
        if let Some(date) = &as_of {
            self.date(at, date);
        }
        let whole = self.cite.clone().unwrap_or(Cite { source: String::new(), as_of: String::new(), unconfirmed });
        Cite { source: source.unwrap_or(whole.source), as_of: as_of.unwrap_or(whole.as_of), unconfirmed }
    }

    /// The profile underneath. Its own problems are reported as one: they are mended in its own
    /// file.
    fn base(&mut self, at: &Range<usize>, name: &str, find_base: &dyn Fn(&str) -> Option<String>) -> Option<Profile> {
        let Some(text) = find_base(name) else {
            self.problem(at, format!("there is no profile {name:?} to extend"), None);
            return None;
        };
        let mut problems = Vec::new();
        let extends = read(&text, &mut problems).and_then(|sections| sections.extends);
        if let Some((_, further)) = extends {
            self.problem(at, format!("{name:?} itself extends {further:?}: one level only"), None);
            return None;
        }
        let (base, problems) = compile(name, &text, &|_| None);
        if base.is_none() {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            self.problem(at, format!("{name:?} cannot be used: {first}"), None);
        }
        base
    }

    fn profile(&mut self, file_stem: &str, sections: Sections, base: Option<Profile>) -> Profile {
        let hosts = self.hosts(&sections);
        let own: Vec<ParamRule> = sections.params.into_iter().map(|(at, raw)| self.param(&at, raw)).collect();
        let messages = sections.messages.map_or_else(Default::default, |(at, raw)| MessageRules {
            roles: raw.roles,
            quirks: raw.quirks.into_iter().filter_map(|quirk| self.message_quirk(&at, quirk)).collect(),
        });
        let stream = sections.stream.map(|(at, raw)| StreamHabits {
            usage: raw.usage.unwrap_or_default(),
            finish: raw.finish.into_iter().filter_map(|(from, to)| Some((from, self.finish(&at, &to)?))).collect(),
            blocked_flag_min: raw.blocked_flag_min,
            reasoning_member: raw.reasoning_member,
        });
        let endpoint = sections.endpoint.map(|raw| raw.0);
        let mut profile = Profile {
            vendor: VendorName::from(file_stem),
            cite: self.cite(&(0..0), None, None, false),
            pass_through: sections.pass_through.unwrap_or(false),
            hosts,
            auth: match sections.auth.and_then(|raw| raw.header) {
                Some(name) => Auth::Header { name },
                None => Auth::Bearer,
            },
            paths: Paths::default(),
            params: own,
            messages,
            thinking: sections.thinking.into_iter().map(|(at, raw)| self.thinking(&at, raw)).collect(),
            reasoning_clients: patterns(&sections.clients.unwrap_or_default().reasoning),
            stream: StreamHabits::default(),
            errors: sections.errors.into_iter().map(|(at, raw)| self.error(&at, raw)).collect(),
            models: sections.models.into_iter().map(|(at, raw)| self.model(&at, raw)).collect(),
            context_max: None,
            limits: sections.limits.map_or_else(Limits::default, |raw| Limits {
                tools_max: raw.tools_max,
                answer_seconds_max: raw.answer_seconds_max,
            }),
        };
        lay_under(&mut profile, base, endpoint, stream);
        profile.context_max = profile.models.iter().filter_map(|model| model.context).max();
        if profile.pass_through && !(profile.params.is_empty() && profile.thinking.is_empty()) {
            self.problem(
                &(0..0),
                "a pass-through profile has no rules",
                Some("remove pass_through or the rules".into()),
            );
        }
        profile
    }

    fn hosts(&mut self, sections: &Sections) -> Vec<Host> {
        sections
            .hosts
            .iter()
            .map(|(at, name, raw)| {
                if !raw.base.starts_with("https://") && !raw.base.starts_with("http://") {
                    self.problem(at, format!("{:?} is no http address", raw.base), None);
                }
                Host {
                    name: name.clone(),
                    base: raw.base.trim_end_matches('/').to_owned(),
                    residency: raw.residency.clone(),
                    cite: self.cite(at, raw.source.clone(), raw.as_of.clone(), raw.unconfirmed),
                }
            })
            .collect()
    }

    fn quirk(&mut self, at: &Range<usize>, name: &str) -> Option<Quirk> {
        let found = Quirk::find(name);
        if found.is_none() {
            let allowed = Quirk::names().collect::<Vec<_>>().join("`, `");
            let message = format!("unknown quirk `{name}`, expected one of `{allowed}`");
            self.problem(at, message, nearest(name, Quirk::names()));
        }
        found
    }

    fn message_quirk(&mut self, at: &Range<usize>, raw: RawQuirk) -> Option<(Quirk, Vec<Pattern>)> {
        let (name, models) = match raw {
            RawQuirk::Always(name) => (name, Vec::new()),
            RawQuirk::For(raw) => (raw.name, patterns(&raw.models)),
        };
        Some((self.quirk(at, &name)?, models))
    }

    fn param(&mut self, at: &Range<usize>, raw: RawParam) -> ParamRule {
        let cite = self.cite(at, raw.source, raw.as_of, raw.unconfirmed);
        let verbs = [
            raw.refuse.is_some(),
            raw.emulate.is_some(),
            raw.quirk.is_some(),
            !raw.map.is_empty(),
            raw.clamp.is_some(),
            raw.max_items.is_some(),
            raw.rename.is_some(),
            raw.drop,
            raw.keep,
            raw.default.is_some(),
        ];
        if !verbs.contains(&true) {
            let verbs = "refuse, emulate, quirk, map, clamp, max_items, rename, drop, default, or keep = true";
            self.problem(
                at,
                format!("the rule on `{}` does nothing", raw.name),
                Some(format!("give it one of {verbs}")),
            );
        }
        ParamRule {
            quirk: raw.quirk.and_then(|name| self.quirk(at, &name)),
            name: raw.name,
            operation: raw.endpoint.0,
            when: When {
                models: patterns(&raw.when.models),
                value_type: raw.when.value_type.map(ValueType),
                thinking: raw.when.thinking,
                stream: raw.when.stream,
            },
            refuse: raw.refuse,
            emulate: raw.emulate,
            map: raw.map,
            clamp: raw.clamp,
            max_items: raw.max_items,
            max_chars: raw.max_chars,
            rename: raw.rename,
            drop: raw.drop,
            keep: raw.keep,
            neutral: raw.neutral,
            default: raw.default,
            loss: raw.loss,
            why: raw.why,
            cite,
        }
    }

    fn thinking(&mut self, at: &Range<usize>, raw: RawThinking) -> ThinkingGroup {
        for effort in raw.effort.keys().filter(|effort| !EFFORTS.contains(&effort.as_str())) {
            let message = format!("`{effort}` is no effort, expected one of `{}`", EFFORTS.join("`, `"));
            self.problem(at, message, nearest(effort, EFFORTS.into_iter()));
        }
        let always = raw.habit == ThinkingHabit::Always;
        ThinkingGroup {
            models: patterns(&raw.models),
            habit: raw.habit,
            off: raw.off,
            on: raw.on,
            own: raw.own,
            effort: raw.effort.into_iter().map(|(from, to)| (from, effort(to))).collect(),
            replay: raw.replay,
            off_loss: raw.off_loss.unwrap_or(if always { LossLevel::Degraded } else { LossLevel::Exact }),
            cite: self.cite(at, raw.source, raw.as_of, raw.unconfirmed),
        }
    }

    fn finish(&mut self, at: &Range<usize>, to: &str) -> Option<FinishMeaning> {
        if FINISH_REASONS.contains(&to) {
            return Some(FinishMeaning::Reason(to.to_owned()));
        }
        let class = to.strip_prefix("error:").and_then(|name| ErrorClass::ALL.into_iter().find(|c| c.as_str() == name));
        if class.is_none() {
            let hint = format!("write one of {} or error:CLASS", FINISH_REASONS.join(", "));
            self.problem(at, format!("`{to}` is no finish reason"), Some(hint));
        }
        class.map(FinishMeaning::Error)
    }

    fn error(&mut self, at: &Range<usize>, raw: RawError) -> ErrorRule {
        if raw.code.is_empty() && raw.kind.is_empty() && raw.status.is_empty() && raw.message.is_empty() {
            self.problem(at, "this error fits every answer", Some("give it code, type, status or message".into()));
        }
        ErrorRule {
            code: patterns(&raw.code),
            kind: patterns(&raw.kind),
            status: raw.status,
            message: raw.message,
            class: raw.class,
            cite: self.cite(at, raw.source, raw.as_of, raw.unconfirmed),
        }
    }

    fn model(&mut self, at: &Range<usize>, raw: RawModel) -> ModelFacts {
        if let Some(date) = &raw.shutdown_date {
            self.date(at, date);
        }
        ModelFacts {
            name: Pattern::new(&raw.name),
            context: raw.context,
            output_max: raw.output_max,
            price: raw.price.map(|price| self.price(at, &price)),
            price_abroad: raw.price_abroad.map(|price| self.price(at, &price)),
            shutdown_date: raw.shutdown_date,
            successor: raw.successor,
            warning: raw.warning,
            images: raw.images,
            embedding: raw.embedding.map(|raw| EmbeddingFacts {
                dimensions: raw.dimensions,
                takes_dimensions: raw.takes_dimensions,
                texts_max: raw.texts_max,
                text_tokens_max: raw.text_tokens_max,
                call_tokens_max: raw.call_tokens_max,
            }),
            cite: self.cite(at, raw.source, raw.as_of, raw.unconfirmed),
        }
    }

    fn price(&mut self, at: &Range<usize>, raw: &RawPrice) -> Price {
        if raw.tiers.last().is_none_or(|tier| tier.input_below.is_some() || tier.output_below.is_some()) {
            self.problem(at, "the last price tier has a bound", Some("end with a tier that fits everything".into()));
        }
        let tier = |tier: &super::raw::RawTier| PriceTier {
            input_below: tier.input_below,
            output_below: tier.output_below,
            input: micros(tier.input),
            output: micros(tier.output),
            cached: tier.cached.map(micros),
        };
        Price { currency: raw.currency, tiers: raw.tiers.iter().map(tier).collect() }
    }
}

/// What the file does not say comes from its base. A parameter of which the file speaks is the
/// file's alone: its rules replace the base's, they are not added to them.
fn lay_under(profile: &mut Profile, base: Option<Profile>, endpoint: Option<Paths>, stream: Option<StreamHabits>) {
    let Some(base) = base else {
        profile.paths = endpoint.unwrap_or_default();
        profile.stream = stream.unwrap_or_default();
        return;
    };
    profile.paths = endpoint.unwrap_or(base.paths);
    profile.stream = stream.unwrap_or(base.stream);
    let own = std::mem::take(&mut profile.params);
    let spoken = |rule: &ParamRule| own.iter().any(|mine| mine.name == rule.name && mine.operation == rule.operation);
    profile.params = base.params.into_iter().filter(|rule| !spoken(rule)).collect();
    profile.params.extend(own);
    for (from, to) in base.messages.roles {
        profile.messages.roles.entry(from).or_insert(to);
    }
    let mut quirks = base.messages.quirks;
    quirks.append(&mut profile.messages.quirks);
    profile.messages.quirks = quirks;
    profile.thinking.extend(base.thinking);
    if profile.reasoning_clients.is_empty() {
        profile.reasoning_clients = base.reasoning_clients;
    }
    profile.errors.extend(base.errors);
}

fn patterns(names: &[String]) -> Vec<Pattern> {
    names.iter().map(|name| Pattern::new(name)).collect()
}

fn effort(to: String) -> Effort {
    match to.as_str() {
        "off" => Effort::Off,
        "on" => Effort::On,
        _ => Effort::Value(to),
    }
}

fn micros(units: f64) -> i64 {
    (units * 1_000_000.0).round() as i64
}
