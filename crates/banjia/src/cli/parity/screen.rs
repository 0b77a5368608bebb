//! A parity report at the terminal.

use crate::cli::{Printer, table};
use banjia_parity::axis::Unit;
use banjia_parity::{AxisReport, Report};

/// The report at a terminal.
pub(crate) fn show(report: &Report, printer: &mut Printer) {
    let about = &report.about;
    printer.line(&format!("{} pairs, {} -> {}", report.pairs, about.source, about.destination));
    let header = ["axis", "pairs>", "source>", "destination>", "difference>", "interval>", "margin>", "verdict"];
    let rows: Vec<_> = report.axes.iter().map(row).collect();
    printer.line(&table(&header, &rows, printer.width()));
    for axis in report.axes.iter().filter(|axis| !axis.verdict.passes()) {
        let needed =
            axis.needed_pairs.map(|pairs| format!("; about {pairs} pairs would decide it")).unwrap_or_default();
        printer.line(&format!("{}: {}{needed}.", axis.axis, axis.why));
    }
    printer.line(&format!("verdict: {}", report.verdict));
}

/// What was not compared, and why.
pub(super) fn note_left_out(report: &Report, printer: &mut Printer) {
    for left in &report.left_out {
        printer.note(&format!("left out: {}: {}", left.axis, left.why.as_str()));
    }
}

fn row(axis: &AxisReport) -> Vec<String> {
    let is_empty = axis.pairs == 0;
    let value = |value: f64| match axis.unit {
        _ if is_empty => String::new(),
        Unit::Rate => format!("{:.1}%", value * 100.0),
        Unit::Milliseconds => format!("{value:.0} ms"),
        Unit::MicroMoney => format!("{:.6}", value / 1e6),
    };
    let signed = |value: f64| format!("{:+.1}%", value * 100.0);
    vec![
        axis.axis.to_string(),
        axis.pairs.to_string(),
        value(axis.source),
        value(axis.destination),
        if is_empty { String::new() } else { signed(axis.difference) },
        axis.interval.map(|i| format!("{:+.1}..{}", i.lower * 100.0, signed(i.upper))).unwrap_or_default(),
        axis.margin.map(|margin| signed(-margin)).unwrap_or_default(),
        axis.verdict.to_string(),
    ]
}
