//! Builds a move from its text and reports every problem at once.

use super::raw::{RawBlackout, RawCanary, RawGates, RawRecord, RawRoute, RawShadow};
use super::{AXES, Blackout, Canary, Gates, MoveSpec, MovedRoute, OnDeadline, Recording, Shadowing, Title, amount};
use crate::read::Reader;
use banjia_types::calendar;
use banjia_types::{Money, Problem, RouteName, Share, Target, Timestamp, nearest};
use chrono::{NaiveTime, Weekday};
use chrono_tz::Tz;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use toml::Spanned;

const MILLION: f64 = 1_000_000.0;
const ROUTES_MAX: usize = 1_000;
const STEPS_MAX: usize = 50;
const BLACKOUTS_MAX: usize = 200;
/// Margins if the text names none: the axes that need neither an embedding nor a judge.
const MARGINS: [(&str, u32); 8] = [
    ("answered", 10_000),
    ("json", 20_000),
    ("schema", 20_000),
    ("tool_choice", 30_000),
    ("tool_arguments", 50_000),
    ("refusal", 20_000),
    ("language", 20_000),
    ("length", 100_000),
];

pub(super) fn parse(text: &str) -> Result<MoveSpec, Vec<Problem>> {
    let mut check = Check { reader: Reader::new(text), zone: Tz::UTC, notes: Vec::new() };
    let spec = check.spec(text);
    let problems = check.reader.finish();
    spec.filter(|_| problems.is_empty()).ok_or(problems)
}

struct Check<'t> {
    reader: Reader<'t>,
    zone: Tz,
    notes: Vec<String>,
}

impl Check<'_> {
    fn spec(&mut self, text: &str) -> Option<MoveSpec> {
        let id = self.reader.need::<String>("id", "say id = \"leave-by-spring\"");
        if let Some(id) = &id {
            self.name(id);
        }
        let title = self.reader.take::<Title>("title").map(Spanned::into_inner).unwrap_or_default();
        if let Some(zone) = self.reader.take::<String>("zone") {
            self.zone(&zone);
        }
        let deadline =
            self.reader.need::<String>("deadline", "say deadline = \"2027-01-15T00:00\", in the move's zone");
        let deadline_at = deadline.as_ref().and_then(|text| self.moment("deadline", text));
        let source_until = self.reader.take::<String>("source_until");
        let source_until_at = source_until.as_ref().map(|text| self.moment("source_until", text));
        if let (Some(deadline), Some(Some(until)), Some(text)) = (deadline_at, source_until_at, &source_until)
            && until < deadline
        {
            let hint = "the deadline is when the move must be done; name a later date, or an earlier deadline";
            self.reader.problem(text.span(), "the source ends before the deadline", hint);
        }
        let on_deadline = self.reader.take::<OnDeadline>("on_deadline").map(Spanned::into_inner).unwrap_or_default();
        let routes = self.routes();
        let gates = self.gates();
        let canary = self.canary(gates.window);
        let blackouts = self.blackouts();
        let record = self.record();
        let shadow = self.shadow();
        let deadline = deadline_at?;
        Some(MoveSpec {
            id: id?.into_inner(),
            title,
            zone: self.zone,
            deadline,
            source_until: source_until_at.unwrap_or(Some(deadline))?,
            on_deadline,
            routes,
            gates,
            canary,
            blackouts,
            record,
            shadow,
            notes: std::mem::take(&mut self.notes),
            text: text.into(),
            hash: hex(&Sha256::digest(text.as_bytes())),
        })
    }

    fn name(&mut self, text: &Spanned<String>) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = text.get_ref();
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            let message = format!("id {name:?} is not a name");
            self.reader.problem(text.span(), message, "use letters, digits, dashes, dots; at most 64");
        }
    }

    fn zone(&mut self, text: &Spanned<String>) {
        if let Ok(zone) = text.get_ref().parse() {
            self.zone = zone;
            return;
        }
        let hint = nearest(text.get_ref(), chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()))
            .unwrap_or_else(|| "use a name of the IANA database, for example \"Asia/Shanghai\"".to_owned());
        self.reader.problem(text.span(), format!("there is no zone {:?}", text.get_ref()), hint);
    }

    fn moment(&mut self, key: &str, text: &Spanned<String>) -> Option<Timestamp> {
        match calendar::read(text.get_ref()) {
            Ok(local) => {
                let at = calendar::moment(local, self.zone);
                self.notes.extend(calendar::oddity(local, self.zone).map(|odd| format!("{key}: {odd}")));
                Some(at)
            }
            Err(message) => {
                self.reader.problem(text.span(), message, "");
                None
            }
        }
    }

    fn routes(&mut self) -> Vec<MovedRoute> {
        let is_named = self.reader.has("routes");
        let raws = self.reader.list::<RawRoute>("routes");
        if raws.len() > ROUTES_MAX {
            self.reader.problem(0..0, format!("the move has more than {ROUTES_MAX} routes"), "split it");
        }
        if raws.is_empty() && !is_named {
            self.reader.lacks("the move has no routes", "begin with [[routes]] and say route, source and destination");
        } else if raws.is_empty() && self.reader.problems.is_empty() {
            self.reader.lacks("routes is empty", "begin with [[routes]] and say route, source and destination");
        }
        let mut routes: Vec<MovedRoute> = Vec::new();
        for raw in raws {
            let at = raw.span();
            let raw = raw.into_inner();
            let targets = [Some(&raw.source), Some(&raw.destination), raw.second.as_ref()]
                .map(|text| text.and_then(|text| self.target(text)));
            let [Some(source), Some(destination), second] = targets else { continue };
            self.pair(&raw, &source, &destination, second.as_ref());
            let route = RouteName::from(raw.route.get_ref());
            if raw.route.get_ref().is_empty() {
                self.reader.problem(raw.route.span(), "the route has no name", "name it as clients ask for it");
            }
            if routes.iter().any(|other| other.route == route) {
                self.reader.problem(raw.route.span(), format!("the route {route} moves twice"), "take one out");
            }
            if let Some(first) = routes.first()
                && first.source.vendor != source.vendor
            {
                let message = format!("the move leaves {} and {}", first.source.vendor, source.vendor);
                self.reader.problem(at, message, "a deadline is one vendor's date; write a move for each");
            }
            routes.push(MovedRoute { route, source, destination, second });
        }
        routes
    }

    fn pair(&mut self, raw: &RawRoute, source: &Target, destination: &Target, second: Option<&Target>) {
        for (text, target) in [(Some(&raw.destination), Some(destination)), (raw.second.as_ref(), second)] {
            if let (Some(text), Some(target)) = (text, target)
                && target.vendor == source.vendor
            {
                let message = format!("{target} is of the vendor that is left");
                self.reader.problem(text.span(), message, "when that vendor refuses, it refuses there too");
            }
        }
        if let (Some(text), true) = (&raw.second, second == Some(destination)) {
            self.reader.problem(text.span(), "the second destination is the first one", "name another, or none");
        }
    }

    fn target(&mut self, text: &Spanned<String>) -> Option<Target> {
        text.get_ref().parse().map_err(|message: String| self.reader.problem(text.span(), message, "")).ok()
    }

    fn gates(&mut self) -> Gates {
        let raw = self.reader.take::<RawGates>("gates").map(Spanned::into_inner).unwrap_or_default();
        let window = self.span(raw.window, "15m", 1);
        let ratio = raw.latency_ratio_max.map_or(1_500_000, |ratio| self.millionths(&ratio, 0.1, 100.0));
        Gates {
            parity: raw.parity.map_or_else(
                || MARGINS.map(|(axis, margin)| (axis.to_owned(), margin)).into(),
                |margins| self.margins(margins),
            ),
            parity_age_max: self.span(raw.parity_age_max, "7d", 60),
            error_rate_max: raw.error_rate_max.map_or(20_000, |rate| self.millionths(&rate, 0.0, 1.0)),
            window,
            requests_min: raw.requests_min.unwrap_or(100),
            latency_ratio_max: ratio,
            spend_max_per_day: raw.spend_max_per_day.and_then(|text| self.money(&text)),
            spend_max_total: raw.spend_max_total.and_then(|text| self.money(&text)),
        }
    }

    fn margins(&mut self, raw: BTreeMap<Spanned<String>, Spanned<f64>>) -> BTreeMap<String, u32> {
        let mut margins = BTreeMap::new();
        for (axis, margin) in raw {
            if !AXES.contains(&axis.get_ref().as_str()) {
                let hint = nearest(axis.get_ref(), AXES.into_iter())
                    .unwrap_or_else(|| format!("known are: {}", AXES.join(", ")));
                self.reader.problem(axis.span(), format!("there is no axis {:?}", axis.get_ref()), hint);
            }
            let margin = self.millionths(&margin, 0.0, 10.0);
            margins.insert(axis.into_inner(), margin);
        }
        margins
    }

    fn canary(&mut self, window: Duration) -> Canary {
        let section = self.reader.take::<RawCanary>("canary");
        let place = section.as_ref().map_or(0..0, Spanned::span);
        let raw = section.map(Spanned::into_inner).unwrap_or_default();
        let hold_place = raw.hold.as_ref().map_or(place, Spanned::span);
        let steps =
            raw.steps.map_or_else(|| [100, 500, 2_500, 5_000].map(Share::of).to_vec(), |steps| self.steps(&steps));
        let hold = self.span(raw.hold, "30m", 1);
        if hold < window {
            let hint = "the numbers of a step would be those of the step before; lengthen hold or shorten gates.window";
            self.reader.problem(hold_place, "canary.hold is shorter than gates.window", hint);
        }
        Canary { steps, hold, cooldown: self.span(raw.cooldown, "1h", 60) }
    }

    fn steps(&mut self, raw: &Spanned<Vec<Spanned<f64>>>) -> Vec<Share> {
        let mut steps = Vec::new();
        for step in raw.get_ref().iter().take(STEPS_MAX) {
            let share = Share::of_fraction(*step.get_ref()).filter(|share| *share > Share::NONE && *share < Share::ALL);
            match share {
                Some(share) if steps.last().is_none_or(|before| *before < share) => steps.push(share),
                Some(_) => self.reader.problem(step.span(), "the steps do not grow", "write them from small to large"),
                None => {
                    let hint = "0.05 is one caller in twenty; everybody is the stage live";
                    self.reader.problem(step.span(), "a canary's step is more than 0 and less than 1", hint);
                }
            }
        }
        if raw.get_ref().is_empty() || raw.get_ref().len() > STEPS_MAX {
            let message = format!("a canary has 1 to {STEPS_MAX} steps");
            self.reader.problem(raw.span(), message, "for example steps = [0.01, 0.05, 0.25, 0.5]");
        }
        steps
    }

    fn blackouts(&mut self) -> Vec<Blackout> {
        let raws = self.reader.list::<RawBlackout>("blackouts");
        if raws.len() > BLACKOUTS_MAX {
            self.reader.problem(0..0, format!("there are more than {BLACKOUTS_MAX} blackouts"), "join some");
        }
        raws.into_iter().filter_map(|raw| self.blackout(raw.into_inner())).collect()
    }

    fn blackout(&mut self, raw: RawBlackout) -> Option<Blackout> {
        let Some(days) = raw.days else {
            let from = self.moment("blackout", &raw.from);
            let until = self.moment("blackout", &raw.until);
            let (from, until) = (from?, until?);
            if from >= until {
                self.reader.problem(raw.until.span(), "the blackout ends before it begins", "swap the two");
            }
            return Some(Blackout::Dated { from, until, reason: raw.reason });
        };
        let mut on = Vec::new();
        for day in &days {
            if let Ok(read) = day.get_ref().parse::<Weekday>() {
                on.push(read);
            } else {
                let message = format!("there is no day {:?}", day.get_ref());
                self.reader.problem(day.span(), message, "write mon, tue, wed, thu, fri, sat or sun");
            }
        }
        if days.is_empty() {
            self.reader.problem(raw.from.span(), "the blackout has no days", "say days = [\"sat\", \"sun\"]");
        }
        let from = self.time(&raw.from);
        let until = if raw.until.get_ref() == "24:00" { None } else { Some(self.time(&raw.until)?) };
        let from = from?;
        if until == Some(from) {
            self.reader.problem(raw.until.span(), "the blackout ends when it begins", "a whole day is 00:00 to 24:00");
        }
        Some(Blackout::Weekly { days: on, from, until, reason: raw.reason })
    }

    fn time(&mut self, text: &Spanned<String>) -> Option<NaiveTime> {
        let read = NaiveTime::parse_from_str(text.get_ref(), "%H:%M").ok();
        if read.is_none() {
            let message = format!("{:?} is no time of the day", text.get_ref());
            let hint = "with days, write from = \"18:00\"; without days, write dates such as \"2027-01-15T18:00\"";
            self.reader.problem(text.span(), message, hint);
        }
        read
    }

    fn record(&mut self) -> Recording {
        let raw = self.reader.take::<RawRecord>("record").map(Spanned::into_inner).unwrap_or_default();
        Recording {
            share: raw.share.map_or(Share::ALL, |share| self.share(&share)),
            repeat: raw.repeat.map_or(Share::of(500), |share| self.share(&share)),
            captures_min: raw.captures_min.unwrap_or(200),
        }
    }

    fn shadow(&mut self) -> Shadowing {
        let raw = self.reader.take::<RawShadow>("shadow").map(Spanned::into_inner).unwrap_or_default();
        Shadowing {
            share: raw.share.map_or(Share::of(1_000), |share| self.share(&share)),
            spend_max: raw.spend_max.and_then(|text| self.money(&text)),
        }
    }

    fn share(&mut self, text: &Spanned<f64>) -> Share {
        Share::of_fraction(*text.get_ref()).unwrap_or_else(|| {
            self.reader.problem(text.span(), "a share is between 0 and 1", "0.2 is one in five");
            Share::NONE
        })
    }

    fn millionths(&mut self, number: &Spanned<f64>, min: f64, max: f64) -> u32 {
        if (min..=max).contains(number.get_ref()) {
            return (number.get_ref() * MILLION).round() as u32;
        }
        self.reader.problem(
            number.span(),
            format!("the number must be between {min} and {max}"),
            "0.02 is two per cent",
        );
        0
    }

    fn span(&mut self, text: Option<Spanned<String>>, default: &str, seconds_min: u64) -> Duration {
        let floor = Duration::from_secs(seconds_min);
        let Some(text) = text else { return amount::span(default).unwrap_or(floor) };
        amount::span(text.get_ref()).filter(|span| *span >= floor).unwrap_or_else(|| {
            let message = format!("{:?} is no span of time from {seconds_min} s to a year", text.get_ref());
            self.reader.problem(
                text.span(),
                message,
                format!("write \"90s\", \"30m\", \"2h\" or \"7d\"; {default} is usual"),
            );
            Duration::MAX
        })
    }

    fn money(&mut self, text: &Spanned<String>) -> Option<Money> {
        let read = text.get_ref().parse::<Money>();
        if read.is_err() {
            let message = format!("{:?} is no amount of money", text.get_ref());
            self.reader.problem(text.span(), message, "write \"200 CNY\" or \"12.50 USD\"");
        }
        read.ok()
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").expect("a String takes all text");
        text
    })
}
