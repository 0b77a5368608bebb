//! What a verdict costs: `cargo bench -p banjia-border`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot begin has failed")]

use banjia_border::decide::{Question, decide};
use banjia_border::facts::{AccountFacts, Fact, Facts};
use banjia_border::geo::{GeoTable, look_up};
use banjia_border::policy::Policy;
use banjia_border::registry::embedded;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

fn benches(criterion: &mut Criterion) {
    let policy = Policy::parse(include_str!("../policies/openai-2024.toml"), embedded()).unwrap();
    let table = GeoTable::embedded();
    let at = policy.phases().block.unwrap();
    let fact = Fact { value: "SG".parse().unwrap(), source: "form".to_owned(), as_of: at };
    let account = Some(Arc::new(AccountFacts { residence: Some(fact), ..AccountFacts::of("acme".into()) }));
    // Addresses all over the table, so that no look-up is in the cache because of the one before.
    let addresses: Vec<IpAddr> = (0..65_536_u32)
        .map(|n| {
            let n = n.wrapping_mul(2_654_435_761);
            if n % 2 == 0 {
                IpAddr::from(n.to_be_bytes())
            } else {
                IpAddr::from((0x2400_u128 << 112 | u128::from(n) << 80).to_be_bytes())
            }
        })
        .collect();
    let known = Facts { network: look_up(table, None, "47.75.0.1".parse().unwrap()), account: account.clone() };
    criterion.bench_function("verdict, facts known", |b| {
        b.iter(|| decide(black_box(&policy), black_box(&Question::of(&known, at))));
    });
    let mut next = addresses.iter().cycle();
    criterion.bench_function("verdict, with the address looked up", |b| {
        b.iter(|| {
            let network = look_up(table, None, *next.next().unwrap());
            let facts = Facts { network, account: account.clone() };
            decide(black_box(&policy), &Question::of(&facts, at))
        });
    });
}

criterion_group!(all, benches);
criterion_main!(all);
