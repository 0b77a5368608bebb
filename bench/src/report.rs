//! The table: for each case both proxies and their ratio, round by round.

use crate::cases::Case;
use crate::load::Measured;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One round of a case: the floor and the gateway, one right after the other.
#[derive(Clone, Debug)]
pub struct Round {
    /// The floor: the bare proxy, or another build of the gateway.
    pub floor: Measured,
    /// The gateway.
    pub gateway: Measured,
}

impl Round {
    /// What the gateway costs, as a multiple of the floor.
    pub fn ratio(&self) -> f64 {
        self.gateway.cpu_micros / self.floor.cpu_micros
    }
}

/// Median, smallest and largest. Zeros when there is nothing.
pub fn spread(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let Some((&smallest, &largest)) = sorted.first().zip(sorted.last()) else { return [0.0; 3] };
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
    [median, smallest, largest]
}

/// One case in words.
pub fn case(case: &Case, floor: &str, rounds: &[Round]) -> String {
    let mut text = format!("{} — {}, {} connections\n", case.name, case.what, case.connections);
    let [ratio, least, most] = spread(rounds.iter().map(Round::ratio));
    for (name, of) in [(floor, Round::of_floor as fn(&Round) -> &Measured), ("banjia", Round::of_gateway)] {
        let [cpu, least, most] = spread(rounds.iter().map(|round| of(round).cpu_micros));
        let [rate, ..] = spread(rounds.iter().map(|round| of(round).per_second));
        let [share, ..] = spread(rounds.iter().map(|round| of(round).core_share));
        let [p50, ..] = spread(rounds.iter().map(|round| of(round).latency[0].as_secs_f64() * 1e3));
        let [p99, ..] = spread(rounds.iter().map(|round| of(round).latency[1].as_secs_f64() * 1e3));
        writeln!(
            text,
            "  {name:<7} {cpu:8.1} us CPU/request ({least:.1}-{most:.1})  {rate:8.0}/s  p50 {p50:.2} ms  p99 {p99:.2} ms  core {:.0} %",
            share * 100.0
        )
        .expect("a string takes every write");
    }
    let [others, ..] = spread(rounds.iter().flat_map(|round| [round.floor.others, round.gateway.others]));
    let aim = case
        .aim
        .filter(|_| floor == "bare")
        .map_or(String::new(), |aim| format!("; aim {aim:.1}: {}", if ratio <= aim { "met" } else { "missed" }));
    writeln!(text, "  ratio   {ratio:8.2} ({least:.2}-{most:.2}){aim}  [others used {others:.2} cores]")
        .expect("as above");
    text
}

impl Round {
    fn of_floor(&self) -> &Measured {
        &self.floor
    }

    fn of_gateway(&self) -> &Measured {
        &self.gateway
    }
}

/// The same for programs.
pub fn case_json(case: &Case, floor: &str, rounds: &[Round]) -> Value {
    let one = |measured: &Measured| {
        json!({
            "cpu_micros": measured.cpu_micros, "per_second": measured.per_second, "core_share": measured.core_share,
            "others": measured.others, "p50_micros": measured.latency[0].as_micros() as u64,
            "p99_micros": measured.latency[1].as_micros() as u64, "requests": measured.requests, "errors": measured.errors,
        })
    };
    let [ratio, least, most] = spread(rounds.iter().map(Round::ratio));
    let rounds: Vec<Value> = rounds
        .iter()
        .map(|round| json!({floor: one(&round.floor), "banjia": one(&round.gateway), "ratio": round.ratio()}))
        .collect();
    json!({"case": case.name, "connections": case.connections, "ratio": ratio, "ratio_min": least, "ratio_max": most, "rounds": rounds})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_median_between_the_ends() {
        assert_eq!(spread([3.0, 1.0, 2.0]).map(f64::to_bits), [2.0_f64, 1.0, 3.0].map(f64::to_bits));
        assert_eq!(spread([4.0, 1.0]).map(f64::to_bits), [2.5_f64, 1.0, 4.0].map(f64::to_bits));
        assert_eq!(spread([]).map(f64::to_bits), [0; 3]);
    }
}
