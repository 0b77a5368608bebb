//! Months of moves in seconds: ten thousand seeded histories with vendor faults, clocks that step,
//! processes that crash between any two actions, two replicas that tick, people who pause, override
//! and re-date, and a deadline that passes at every stage.
//!
//! The rules are written down a second time, in `rules`, and know nothing of how the crate keeps
//! them. A failure prints its seed; `one_history(SEED)` then runs it alone.

mod dice;
mod rules;
mod world;

use rules::ObservedExchange;
use std::collections::BTreeMap;
use world::Simulation;

const HISTORIES: u64 = 10_000;

fn one_history(seed: u64) -> BTreeMap<String, u64> {
    let mut world = Simulation::new(seed);
    for _ in 0..world.length {
        world.turn();
    }
    world.end()
}

#[test]
fn ten_thousand_histories_keep_the_rules() {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let run = |part: u64| {
        let mut seen = ObservedExchange::new();
        for seed in (part..HISTORIES).step_by(threads as usize) {
            let kept = std::panic::catch_unwind(|| one_history(seed));
            let counts = kept.unwrap_or_else(|_| panic!("the history of seed {seed} breaks a rule"));
            for (what, count) in counts {
                *seen.entry(what).or_insert(0) += count;
            }
        }
        seen
    };
    let parts: Vec<ObservedExchange> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|part| scope.spawn(move || run(part))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut seen = ObservedExchange::new();
    for (what, count) in parts.into_iter().flatten() {
        *seen.entry(what).or_insert(0) += count;
    }
    println!("{seen:#?}");
    // Rules that nothing ever tested would be kept by nobody.
    for what in rules::MUST_BE_SEEN {
        let count = seen.get(what).copied().unwrap_or(0);
        assert!(count >= 20, "{what:?} was seen {count} times in {HISTORIES} histories: {seen:#?}");
    }
}
