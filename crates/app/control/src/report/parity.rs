//! The parity report as one HTML page.

use super::words;
use banjia_border::country::Lang;
use banjia_parity::axis::Unit;
use banjia_parity::compare::{LeftOut, Times, WorstPair};
use banjia_parity::{Axis, AxisReport, Finding, Report};
use banjia_types::visible::visible;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde::Serialize;
use std::fmt::Write as _;

const PAGE: &str = include_str!("../../templates/parity.html");
/// The drawing of an interval, in units of its own.
const WIDTH: f64 = 320.0;
/// The drawing of times.
const TIMES: (f64, f64) = (640.0, 200.0);
const WRITES: &str = "writing to a String cannot fail";

/// The page of a report.
pub fn parity_html(report: &Report, lang: Lang) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let page = environment.template_from_named_str("parity.html", PAGE).expect("the built-in page is well formed");
    let axes: Vec<Row> = report.axes.iter().map(|axis| Row::of(axis, lang)).collect();
    let left_out: Vec<_> = report.left_out.iter().map(|left| left_line(*left, lang)).collect();
    let worst: Vec<_> = report.worst.iter().map(|pair| Shown::of(pair, lang)).collect();
    let times: Vec<_> = report.times.iter().map(|times| Curves::of(times, lang)).collect();
    let filled = context! {
        zh => lang == Lang::Zh,
        about => Value::from(Serde(&report.about)),
        pairs => report.pairs,
        verdict => verdict(report.verdict, lang),
        class => class(report.verdict),
        both => percent(1.0 - 2.0 * report.alpha),
        each => percent(1.0 - report.alpha),
        axes => Value::from(Serde(&axes)),
        left_out => Value::from(Serde(&left_out)),
        worst => Value::from(Serde(&worst)),
        times => Value::from(Serde(&times)),
    };
    let filled = page.render(filled).expect("the built-in page uses only names that are given");
    visible(&filled).into_owned()
}

fn verdict(verdict: Finding, lang: Lang) -> &'static str {
    if lang == Lang::Zh { words::verdict(verdict) } else { verdict.as_str() }
}

fn axis_name(axis: Axis, lang: Lang) -> String {
    if lang == Lang::Zh { words::axis(axis).to_owned() } else { axis.as_str().replace('_', " ") }
}

fn class(verdict: Finding) -> &'static str {
    match verdict {
        Finding::Better | Finding::Equal => "good",
        Finding::Worse => "bad",
        Finding::NotEnoughData => "open",
        Finding::NotJudged => "none",
    }
}

fn percent(part: f64) -> String {
    let text = format!("{:.1}", part * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

fn left_line(left: LeftOut, lang: Lang) -> (String, &'static str) {
    (axis_name(left.axis, lang), if lang == Lang::Zh { words::absent(left.why) } else { left.why.as_str() })
}

/// One axis as the page shows it.
#[derive(Serialize)]
struct Row {
    name: String,
    pairs: u64,
    source: String,
    destination: String,
    difference: String,
    interval: String,
    margin: String,
    noise: String,
    verdict: &'static str,
    class: &'static str,
    why: &'static str,
    needed: Option<u64>,
    drawing: Option<Drawing>,
}

/// Places of an interval's parts from left to right.
#[derive(Serialize)]
struct Drawing {
    lower: String,
    upper: String,
    difference: String,
    zero: String,
    margin: Option<String>,
}

impl Row {
    fn of(axis: &AxisReport, lang: Lang) -> Self {
        let value = |value: f64| match axis.unit {
            _ if axis.pairs == 0 => "–".to_owned(),
            Unit::Rate => percent(value),
            Unit::Milliseconds => format!("{value:.0} ms"),
            Unit::MicroMoney => format!("{:.6}", value / 1e6),
        };
        let signed = |value: f64| format!("{:+.1} %", value * 100.0);
        let known = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        Self {
            name: axis_name(axis.axis, lang),
            pairs: axis.pairs,
            source: value(axis.source),
            destination: value(axis.destination),
            difference: if axis.pairs == 0 { "–".to_owned() } else { signed(axis.difference) },
            interval: known(axis.interval.map(|i| format!("{} … {}", signed(i.lower), signed(i.upper)))),
            margin: known(axis.margin.map(|margin| signed(-margin))),
            noise: known(axis.noise.map(percent)),
            verdict: verdict(axis.verdict, lang),
            class: class(axis.verdict),
            why: if lang == Lang::Zh { words::reason(axis.reason) } else { axis.reason.as_str() },
            needed: axis.needed_pairs,
            drawing: Drawing::of(axis),
        }
    }
}

impl Drawing {
    fn of(axis: &AxisReport) -> Option<Self> {
        let interval = axis.interval?;
        let margin = axis.margin.map(|margin| -margin);
        let low = interval.lower.min(margin.unwrap_or(0.0)).min(0.0);
        let high = interval.upper.max(0.0);
        let span = (high - low).max(1e-9);
        let place = |value: f64| format!("{:.1}", 10.0 + (value - low) / span * (WIDTH - 20.0));
        Some(Self {
            lower: place(interval.lower),
            upper: place(interval.upper),
            difference: place(axis.difference),
            zero: place(0.0),
            margin: margin.map(place),
        })
    }
}

/// The share of answers that had come after a time, of both sides.
#[derive(Serialize)]
struct Curves {
    name: String,
    source: String,
    destination: String,
    last: String,
    middle: String,
}

impl Curves {
    fn of(times: &Times, lang: Lang) -> Self {
        // The last percent may be a single answer that took minutes; it would press the rest flat.
        let end = |percentiles: &[f64]| percentiles.get(99).copied().unwrap_or(1.0);
        let last = end(&times.source).max(end(&times.destination)).max(1.0);
        let line = |percentiles: &[f64]| {
            let mut points = String::new();
            for (percent, time) in percentiles.iter().enumerate().take(100) {
                let (x, y) = (time / last * TIMES.0, TIMES.1 * (1.0 - percent as f64 / 100.0));
                write!(points, "{x:.1},{y:.1} ").expect(WRITES);
            }
            points
        };
        Self {
            name: axis_name(times.axis, lang),
            source: line(&times.source),
            destination: line(&times.destination),
            last: format!("{last:.0} ms"),
            middle: format!("{:.0} ms", last / 2.0),
        }
    }
}

/// A pair side by side.
#[derive(Serialize)]
struct Shown<'r> {
    id: &'r str,
    prompt: &'r str,
    lost: Vec<(String, String)>,
    likeness: String,
    source: &'r [banjia_parity::diff::TextPart],
    destination: &'r [banjia_parity::diff::TextPart],
}

impl<'r> Shown<'r> {
    fn of(pair: &'r WorstPair, lang: Lang) -> Self {
        Self {
            id: &pair.id,
            prompt: &pair.prompt,
            lost: pair.lost.iter().map(|lost| (axis_name(lost.axis, lang), percent(lost.by))).collect(),
            likeness: percent(pair.likeness),
            source: &pair.source,
            destination: &pair.destination,
        }
    }
}

#[cfg(test)]
mod tests;
