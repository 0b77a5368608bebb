use super::*;
use proptest::prelude::*;

const T0: Moment = Moment(86_400_000);
const MS: fn(u64) -> Duration = Duration::from_millis;

fn refused(by: Limit, millis: Option<u64>) -> Admission {
    Admission::Refused { by, retry_after: millis.map(MS) }
}

#[test]
fn a_bucket_grants_its_burst_then_its_rate() {
    let mut bucket = Bucket::per_minute(60);
    for _ in 0..60 {
        assert_eq!(bucket.take(1, T0), Taken::Yes);
    }
    assert_eq!(bucket.take(1, T0), Taken::No { retry_after: Some(MS(1_000)) });
    assert_eq!(bucket.take(1, T0 + MS(999)), Taken::No { retry_after: Some(MS(1)) });
    assert_eq!(bucket.take(1, T0 + MS(1_000)), Taken::Yes);
    assert_eq!(bucket.remaining(T0 + MS(3_500)), Remaining { limit: 60, left: 2, full_in: MS(57_500) });
}

#[test]
fn a_wait_is_rounded_up() {
    let mut bucket = Bucket::per_minute(7);
    assert_eq!(bucket.take(7, T0), Taken::Yes);
    // 60 / 7 = 8.571428571428... seconds.
    assert_eq!(bucket.take(1, T0), Taken::No { retry_after: Some(Duration::from_nanos(8_571_428_572)) });
}

#[test]
fn an_impossible_amount_has_no_retry_time() {
    assert_eq!(Bucket::per_minute(0).take(0, T0), Taken::No { retry_after: None });
    assert_eq!(Bucket::per_minute(5).take(6, T0), Taken::No { retry_after: None });
    assert_eq!(Bucket::per_minute(0).remaining(T0), Remaining { limit: 0, left: 0, full_in: MS(0) });
}

#[test]
fn settling_leaves_a_debt_or_gives_back() {
    let mut bucket = Bucket::per_minute(600);
    assert_eq!(bucket.take(100, T0), Taken::Yes);
    bucket.settle(100, 900, T0);
    assert_eq!(bucket.remaining(T0), Remaining { limit: 600, left: 0, full_in: MS(90_000) });
    assert_eq!(bucket.would_take(0, T0), Taken::No { retry_after: Some(MS(30_000)) }, "a debt stops even nothing");
    assert_eq!(bucket.would_take(0, T0 + MS(30_000)), Taken::Yes);
    bucket.settle(900, 0, T0);
    assert_eq!(bucket.remaining(T0).left, 600);
    bucket.settle(600, 0, T0);
    assert_eq!(bucket.remaining(T0).left, 600, "never fuller than full");
}

#[test]
fn a_limiter_takes_all_or_nothing() {
    let rules = LimitRules { requests_per_minute: Some(2), tokens_per_minute: Some(100), concurrency_max: Some(3) };
    let mut limiter = Limiter::new(rules);
    assert_eq!(limiter.admit(101, T0), refused(Limit::Tokens, None));
    assert_eq!(limiter.admit(80, T0), Admission::Granted);
    assert_eq!(limiter.admit(80, T0), refused(Limit::Tokens, Some(36_000)));
    assert_eq!(limiter.requests(T0).unwrap().left, 1, "a refusal for tokens took no request");
    assert_eq!(limiter.admit(20, T0), Admission::Granted);
    assert_eq!(limiter.admit(0, T0), refused(Limit::Requests, Some(30_000)));
    assert_eq!((limiter.tokens(T0).unwrap().left, limiter.in_flight()), (0, 2));
    limiter.finish(80, 10, T0);
    limiter.undo(20, T0);
    assert_eq!((limiter.tokens(T0).unwrap().left, limiter.requests(T0).unwrap().left), (90, 1));
    assert_eq!(limiter.in_flight(), 0);
}

#[test]
fn concurrency_frees_with_each_end() {
    let mut limiter = Limiter::new(LimitRules { concurrency_max: Some(1), ..LimitRules::default() });
    assert_eq!(limiter.admit(0, T0), Admission::Granted);
    assert_eq!(limiter.admit(0, T0), refused(Limit::Concurrency, None));
    limiter.finish(0, 500, T0);
    assert_eq!(limiter.admit(0, T0), Admission::Granted);
    assert_eq!((limiter.requests(T0), limiter.tokens(T0)), (None, None));
}

#[test]
fn changed_rules_keep_unchanged_limits() {
    let rules = LimitRules { requests_per_minute: Some(2), tokens_per_minute: Some(100), concurrency_max: None };
    let mut limiter = Limiter::new(rules);
    assert_eq!(limiter.admit(60, T0), Admission::Granted);
    let changed = limiter.with_rules(LimitRules { requests_per_minute: Some(10), ..rules });
    assert_eq!((changed.requests(T0).unwrap().left, changed.tokens(T0).unwrap().left), (10, 40));
    assert_eq!((changed.in_flight(), changed.rules().requests_per_minute), (1, Some(10)));
}

#[test]
fn resets_are_written_in_the_clients_format() {
    let text = |full_in: Duration| Remaining { limit: 1, left: 0, full_in }.reset_text();
    for (full_in, expected) in [
        (MS(0), "0s"),
        (Duration::from_nanos(1), "1ms"),
        (MS(17), "17ms"),
        (MS(1_000), "1s"),
        (MS(1_500), "1.5s"),
        (MS(1_020), "1.02s"),
        (MS(60_000), "1m0s"),
        (MS(360_017), "6m0.017s"),
    ] {
        assert_eq!(text(full_in), expected);
    }
}

proptest! {
    /// Over any span no more passes than the rate times the span plus the burst.
    #[test]
    fn no_more_passes_than_rate_plus_burst(
        limit in 1_u32..5_000, steps in prop::collection::vec((0_u64..3_000, 1_u32..300), 1..120),
    ) {
        let (mut bucket, mut now) = (Bucket::per_minute(limit), T0);
        let mut taken: Vec<(Moment, u64)> = Vec::new();
        for (pause, amount) in steps {
            now = now + MS(pause);
            match bucket.take(amount, now) {
                Taken::Yes => taken.push((now, u64::from(amount))),
                Taken::No { retry_after: Some(wait) } => {
                    prop_assert!(wait > Duration::ZERO);
                    let later = now + wait + MS(1);
                    prop_assert_eq!(bucket.would_take(amount, later), Taken::Yes, "waiting as told helps");
                }
                Taken::No { retry_after: None } => prop_assert!(amount > limit),
            }
        }
        for (first, &(from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for &(to, amount) in &taken[first..] {
                sum += amount;
                let span = to.since(from).as_millis() as u64;
                prop_assert!(sum * 60_000 <= u64::from(limit) * (60_000 + span), "{sum} in {span} ms at {limit}");
            }
        }
    }

    /// A steady client below the rate is never refused.
    #[test]
    fn a_client_within_its_rate_is_never_refused(limit in 1_u32..2_000, requests in 1_usize..200) {
        let mut bucket = Bucket::per_minute(limit);
        let pause = MS(u64::from(60_000_u32.div_ceil(limit)));
        let mut now = T0;
        for _ in 0..requests {
            prop_assert_eq!(bucket.take(1, now), Taken::Yes);
            now = now + pause;
        }
    }

    /// Requests under way are what was granted and not ended, and the bucket never holds more than
    /// its limit.
    #[test]
    fn granted_requests_are_in_flight(
        steps in prop::collection::vec((0_u8..3, 0_u32..200, -5_000_i64..5_000), 0..100),
    ) {
        let rules = LimitRules { requests_per_minute: Some(50), tokens_per_minute: Some(1_000), concurrency_max: Some(4) };
        let (mut limiter, mut now) = (Limiter::new(rules), T0);
        let mut open: Vec<u32> = Vec::new();
        for (kind, tokens, jump) in steps {
            now = Moment(now.0 + jump);
            match (kind, open.last().copied()) {
                (0, _) | (_, None) => {
                    if limiter.admit(tokens, now) == Admission::Granted {
                        open.push(tokens);
                    }
                }
                (1, Some(reserved)) => {
                    limiter.finish(reserved, u64::from(tokens), now);
                    open.pop();
                }
                (_, Some(reserved)) => {
                    limiter.undo(reserved, now);
                    open.pop();
                }
            }
            prop_assert_eq!(limiter.in_flight() as usize, open.len());
            prop_assert!(open.len() <= 4);
            let (requests, tokens) = (limiter.requests(now).unwrap(), limiter.tokens(now).unwrap());
            prop_assert!(requests.left <= 50 && tokens.left <= 1_000);
        }
    }
}
