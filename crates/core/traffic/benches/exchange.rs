//! What the decisions of one request cost: `cargo bench -p banjia-traffic`.

use banjia_traffic::{
    Action, BreakerState, Bucket, Candidate, ChooseInput, Event, Exchange, FrameClass, Hints, Plan, PlannedTarget,
    Priority, RetryRules, SessionAffinity, StickyKey, choose,
};
use banjia_types::Moment;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

const NOW: Moment = Moment(86_400_000);

fn plan() -> Plan {
    Plan {
        targets: (0..2).map(|target| PlannedTarget { target, vendor: target, attempts_max: 2 }).collect(),
        retry: RetryRules::default(),
        jitter: 0.5,
        first_content_within: Duration::from_mins(1),
        idle_within: Duration::from_mins(2),
        deadline_within: Duration::from_mins(10),
        held_frames_max: Plan::HELD_FRAMES_MAX,
        held_bytes_max: Plan::HELD_BYTES_MAX,
    }
}

/// One answer of so many content frames; gives what reached the client.
fn live(frames: usize) -> usize {
    let (mut exchange, actions) = Exchange::new(plan(), NOW);
    let mut emitted = usize::from(actions.is_empty());
    let classes = std::iter::repeat_n(FrameClass::Content, frames).chain([FrameClass::Finish, FrameClass::Done]);
    for class in classes {
        let actions = exchange.on(Event::Frame { send: 1, class, bytes: 200, frame: black_box(7_u64) }, NOW);
        emitted += actions.into_iter().filter(|action| matches!(action, Action::Emit(_))).count();
    }
    emitted
}

fn benches(criterion: &mut Criterion) {
    criterion.bench_function("exchange, a whole answer", |b| b.iter(|| live(0)));
    criterion.bench_function("exchange, a 50-chunk stream", |b| b.iter(|| live(50)));
    let candidates =
        [Candidate { is_cut: false, is_excluded: false, priority: Priority::Route, breaker: BreakerState::Closed }; 3];
    criterion.bench_function("choose among three", |b| {
        b.iter(|| choose(&ChooseInput { candidates: black_box(&candidates), sticky: Some(1) }));
    });
    criterion.bench_function("take from a bucket", |b| {
        let mut bucket = Bucket::per_minute(u32::MAX);
        b.iter(|| bucket.take(black_box(1), NOW));
    });
    criterion.bench_function("find a conversation's place", |b| {
        let mut pins = SessionAffinity::new(10_000, Duration::from_hours(1));
        let hints = Hints { user: Some("user-1234"), ..Hints::default() };
        let key = StickyKey::of("acme", "gpt-4o", &hints).expect("a hint was given");
        pins.pin(key, 1_usize, NOW);
        b.iter(|| StickyKey::of("acme", "gpt-4o", black_box(&hints)).and_then(|key| pins.pinned_to(key, NOW).copied()));
    });
}

criterion_group!(exchange, benches);
criterion_main!(exchange);
