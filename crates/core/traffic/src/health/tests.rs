use super::*;
use proptest::prelude::*;

const T0: Moment = Moment(86_400_000);
const S: fn(u64) -> Duration = Duration::from_secs;
const FINE: Observation = Observation::Answered { first_content: Duration::from_millis(300) };
const SERVER: Observation = Observation::Failed { class: ErrorClass::Server, retry_after: None };

fn rules() -> HealthRules {
    HealthRules {
        failures_in_row: 3,
        failure_percent: 50,
        window_requests_min: 10,
        window: S(30),
        open_first: S(5),
        open_max: S(15),
        slow_first_content: Some(S(8)),
        probe_within: S(60),
        rest: S(10),
        rest_max: S(60),
    }
}

fn after(observations: &[Observation]) -> Breaker {
    let mut breaker = Breaker::new();
    for &observation in observations {
        breaker.observe(observation, &rules(), T0);
    }
    breaker
}

#[test]
fn failures_in_a_row_open_the_breaker() {
    assert_eq!(after(&[SERVER, SERVER]).state(&rules(), T0), BreakerState::Closed);
    assert_eq!(after(&[SERVER, SERVER, FINE, SERVER, SERVER]).state(&rules(), T0), BreakerState::Closed);
    assert_eq!(after(&[SERVER; 3]).state(&rules(), T0), BreakerState::Open { until: T0 + S(5) });
}

#[test]
fn a_failure_rate_opens_only_with_enough_requests() {
    let pairs = [FINE, SERVER].repeat(4);
    assert_eq!(after(&pairs).state(&rules(), T0), BreakerState::Closed);
    assert!(matches!(after(&[FINE, SERVER].repeat(5)).state(&rules(), T0), BreakerState::Open { .. }));
    let mut apart = after(&pairs);
    apart.observe(FINE, &rules(), T0 + S(30));
    apart.observe(SERVER, &rules(), T0 + S(30));
    assert_eq!(apart.state(&rules(), T0 + S(30)), BreakerState::Closed, "an old window does not count");
}

#[test]
fn broken_and_late_streams_count_as_failures() {
    let late = Observation::Answered { first_content: S(9) };
    assert!(matches!(after(&[Observation::Broken, late, SERVER]).state(&rules(), T0), BreakerState::Open { .. }));
    let patient = HealthRules { slow_first_content: None, ..rules() };
    let mut breaker = Breaker::new();
    (0..5).for_each(|_| breaker.observe(late, &patient, T0));
    assert_eq!(breaker.state(&patient, T0), BreakerState::Closed);
}

#[test]
fn a_bad_request_does_not_count() {
    for class in [ErrorClass::BadRequest, ErrorClass::Content, ErrorClass::Context] {
        let wrong = Observation::Failed { class, retry_after: None };
        assert_eq!(after(&[wrong; 9]).state(&rules(), T0), BreakerState::Closed);
    }
    assert_eq!(after(&[Observation::Abandoned; 9]).state(&rules(), T0), BreakerState::Closed);
}

#[test]
fn a_successful_probe_closes_the_breaker() {
    let mut breaker = after(&[SERVER; 3]);
    let later = T0 + S(5);
    assert_eq!(breaker.state(&rules(), later), BreakerState::Probe);
    breaker.begin(&rules(), later);
    assert!(matches!(breaker.state(&rules(), later), BreakerState::Open { .. }), "one probe at a time");
    breaker.observe(FINE, &rules(), later + S(1));
    assert_eq!(breaker.state(&rules(), later + S(1)), BreakerState::Closed);
}

#[test]
fn a_failed_probe_doubles_the_open_time() {
    let (mut breaker, mut now) = (after(&[SERVER; 3]), T0);
    for open in [5, 10, 15, 15] {
        assert_eq!(breaker.state(&rules(), now), BreakerState::Open { until: now + S(open) });
        breaker.observe(SERVER, &rules(), now + S(1));
        assert_eq!(breaker.state(&rules(), now + S(1)), BreakerState::Open { until: now + S(open) }, "a late report");
        now = now + S(open);
        assert_eq!(breaker.state(&rules(), now), BreakerState::Probe);
        breaker.begin(&rules(), now);
        breaker.observe(SERVER, &rules(), now);
    }
}

#[test]
fn a_lost_or_abandoned_probe_allows_another() {
    let mut lost = after(&[SERVER; 3]);
    lost.begin(&rules(), T0 + S(5));
    assert_eq!(lost.state(&rules(), T0 + S(64)), BreakerState::Open { until: T0 + S(65) });
    assert_eq!(lost.state(&rules(), T0 + S(65)), BreakerState::Probe);
    let mut abandoned = after(&[SERVER; 3]);
    abandoned.begin(&rules(), T0 + S(5));
    abandoned.observe(Observation::Abandoned, &rules(), T0 + S(6));
    assert_eq!(abandoned.state(&rules(), T0 + S(6)), BreakerState::Probe);
}

#[test]
fn a_requested_pause_rests_within_bounds() {
    let rate = |seconds: Option<u64>| Observation::Failed { class: ErrorClass::Rate, retry_after: seconds.map(S) };
    for (asked, until) in [(Some(3), 3), (None, 10), (Some(9_999), 60)] {
        let breaker = after(&[rate(asked)]);
        assert_eq!(breaker.state(&rules(), T0), BreakerState::Resting { until: T0 + S(until) });
        assert_eq!(breaker.state(&rules(), T0 + S(until)), BreakerState::Closed);
    }
    assert_eq!(after(&[rate(Some(30)), FINE]).state(&rules(), T0), BreakerState::Closed, "it answers again");
    for class in [ErrorClass::Quota, ErrorClass::Auth, ErrorClass::ModelGone] {
        let out_of_order = Observation::Failed { class, retry_after: None };
        assert_eq!(after(&[out_of_order]).state(&rules(), T0), BreakerState::Resting { until: T0 + S(10) });
    }
    let busy = Observation::Failed { class: ErrorClass::Overload, retry_after: Some(S(2)) };
    assert_eq!(after(&[busy]).state(&rules(), T0), BreakerState::Resting { until: T0 + S(2) });
}

fn observation() -> impl Strategy<Value = Observation> {
    let class = (0..ErrorClass::ALL.len()).prop_map(|place| ErrorClass::ALL[place]);
    prop_oneof![
        (0_u64..20).prop_map(|seconds| Observation::Answered { first_content: S(seconds) }),
        (class, prop::option::of(0_u64..1_000))
            .prop_map(|(class, seconds)| Observation::Failed { class, retry_after: seconds.map(S) }),
        Just(Observation::Broken),
        Just(Observation::Abandoned),
    ]
}

proptest! {
    /// Reports may arrive in any order, and no target is locked out for longer than the rules say.
    #[test]
    fn no_target_is_locked_out_for_ever(steps in prop::collection::vec((observation(), -100_000_i64..100_000, any::<bool>()), 0..60)) {
        let (rules, mut breaker, mut now) = (rules(), Breaker::new(), T0);
        for (observation, jump, begin) in steps {
            now = Moment(now.0 + jump);
            if begin {
                breaker.begin(&rules, now);
            }
            breaker.observe(observation, &rules, now);
            let (BreakerState::Open { until } | BreakerState::Resting { until }) = breaker.state(&rules, now) else { continue };
            prop_assert!(until > now && until <= now + rules.rest_max.max(rules.open_max).max(rules.probe_within) * 2);
        }
        let end = now + S(600);
        prop_assert!(matches!(breaker.state(&rules, end), BreakerState::Closed | BreakerState::Probe));
        breaker.observe(FINE, &rules, end);
        prop_assert_eq!(breaker.state(&rules, end), BreakerState::Closed);
    }
}
