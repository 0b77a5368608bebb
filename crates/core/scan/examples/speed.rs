//! How fast source trees are scanned: writes a tree of a million lines into a temporary folder and scans it on all processors.
//!
//! One file in five is a sample of this crate's tests (calls, clients, decoys); the others are ordinary code that concerns
//! nobody, as most code does. `cargo run --release -p banjia-scan --example speed -- all` makes every file a sample: the worst case.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may stop")]
#![expect(clippy::disallowed_methods, reason = "a program that measures needs files and a clock")]
#![expect(clippy::print_stdout, reason = "a program says what it measured")]

use banjia_scan::{ScanRules, State, find};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

const LINES: usize = 1_000_000;

fn main() {
    let step = if std::env::args().nth(1).as_deref() == Some("all") { 1 } else { 5 };
    let folder = tempfile::tempdir().unwrap();
    let files = write_tree(folder.path(), step);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, lines, parsed, found) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (start, cpu) = (Instant::now(), cpu_seconds());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let text = std::fs::read(path).unwrap();
                    let scan = find(path.to_str().unwrap(), &text, ScanRules::embedded());
                    lines.fetch_add(scan.lines, Ordering::Relaxed);
                    let is_parsed = matches!(scan.state, State::Parsed | State::ParsedWithErrors);
                    parsed.fetch_add(u64::from(is_parsed), Ordering::Relaxed);
                    found.fetch_add(scan.findings.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    let wall = start.elapsed().as_secs_f64();
    let used = cpu_seconds().zip(cpu).map(|(after, before)| after - before);
    let lines = lines.into_inner();
    println!(
        "{lines} lines in {} files, {} parsed, {} findings, {workers} threads",
        files.len(),
        parsed.into_inner(),
        found.into_inner()
    );
    println!("wall {wall:.2} s, {:.0} lines a second", lines as f64 / wall);
    match used.filter(|used| *used > 0.0) {
        Some(used) => println!("CPU {used:.2} s, {:.0} lines a second of one processor", lines as f64 / used),
        None => println!("CPU time is not known on this system"),
    }
}

/// Writes files until there are enough lines; every `step`th is a sample.
fn write_tree(folder: &Path, step: usize) -> Vec<PathBuf> {
    let samples = samples();
    let (mut files, mut lines) = (Vec::new(), 0);
    while lines < LINES {
        let number = files.len();
        let (name, text) = if number.is_multiple_of(step) {
            let (name, text) = &samples[number / step % samples.len()];
            (format!("{number}_{name}"), text.clone())
        } else {
            ordinary(number)
        };
        let below = folder.join(format!("{}", number / 200));
        std::fs::create_dir_all(&below).unwrap();
        let path = below.join(name);
        lines += text.lines().count();
        std::fs::write(&path, text).unwrap();
        files.push(path);
    }
    files
}

fn samples() -> Vec<(String, String)> {
    let mut samples = Vec::new();
    for language in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")).unwrap() {
        for file in std::fs::read_dir(language.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|end| end != "expected") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                samples.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    samples.sort();
    samples
}

/// Two hundred lines of code about orders.
fn ordinary(number: usize) -> (String, String) {
    let mut text = String::new();
    for part in 0..25 {
        let id = number * 100 + part;
        match number % 4 {
            0 => writeln!(
                text,
                "def price_{id}(order, rate=0.{part}):\n    \"\"\"Price of one order.\"\"\"\n    total = 0\n    for line in order.lines:\n        total += line.count * line.price  # before tax\n    if order.customer.is_known and total > {id}:\n        total *= 1 - rate\n    return {{\"order\": order.id, \"total\": round(total, 2)}}\n"
            ),
            1 => writeln!(
                text,
                "export async function price{id}(order, rate = 0.{part}) {{\n  const lines = await order.load(\"lines\");\n  let total = lines.reduce((sum, line) => sum + line.count * line.price, 0);\n  if (order.customer?.known && total > {id}) {{\n    total *= 1 - rate; // known customers\n  }}\n  return {{ order: order.id, total: `${{total.toFixed(2)}} EUR` }};\n}}\n"
            ),
            2 => writeln!(
                text,
                "// Price{id} is the price of one order.\nfunc Price{id}(order *Order, rate float64) (float64, error) {{\n\ttotal := 0.0\n\tfor _, line := range order.Lines {{\n\t\ttotal += float64(line.Count) * line.Price\n\t}}\n\treturn total * (1 - rate), order.Check(\"price\", {id})\n}}\n"
            ),
            _ => writeln!(
                text,
                "class Price{id} {{\n    private final double rate = 0.{part};\n    double of(Order order) {{\n        double total = order.lines().stream().mapToDouble(line -> line.count() * line.price()).sum();\n        return order.customer().isKnown() && total > {id} ? total * (1 - rate) : total;\n    }}\n    String name() {{ return \"price {id}\"; }}\n}}\n"
            ),
        }
        .unwrap();
    }
    (format!("order_{number}.{}", ["py", "ts", "go", "java"][number % 4]), text)
}

/// Processor time of this process so far, where the system tells it in the way of Linux.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    // The kernel's unit for programs, 100 a second on all common systems.
    Some(ticks / 100.0)
}
