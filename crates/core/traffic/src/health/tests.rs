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

fn seen(observations: &[Observation]) -> Breaker {
    let mut breaker = Breaker::new();
    for &it in observations {
        breaker.observe(it, &rules(), T0);
    }
    breaker
}

#[test]
fn a_run_of_failures_opens_and_a_success_breaks_the_run() {
    assert_eq!(seen(&[SERVER, SERVER]).standing(&rules(), T0), Standing::Closed);
    assert_eq!(seen(&[SERVER, SERVER, FINE, SERVER, SERVER]).standing(&rules(), T0), Standing::Closed);
    assert_eq!(seen(&[SERVER; 3]).standing(&rules(), T0), Standing::Open { until: T0 + S(5) });
}

#[test]
fn a_share_of_failures_opens_only_over_enough_requests() {
    let pairs = [FINE, SERVER].repeat(4);
    assert_eq!(seen(&pairs).standing(&rules(), T0), Standing::Closed);
    assert!(matches!(seen(&[FINE, SERVER].repeat(5)).standing(&rules(), T0), Standing::Open { .. }));
    let mut apart = seen(&pairs);
    apart.observe(FINE, &rules(), T0 + S(30));
    apart.observe(SERVER, &rules(), T0 + S(30));
    assert_eq!(apart.standing(&rules(), T0 + S(30)), Standing::Closed, "an old window says nothing");
}

#[test]
fn broken_streams_and_late_first_contents_count_as_failures() {
    let late = Observation::Answered { first_content: S(9) };
    assert!(matches!(seen(&[Observation::Broken, late, SERVER]).standing(&rules(), T0), Standing::Open { .. }));
    let patient = HealthRules { slow_first_content: None, ..rules() };
    let mut breaker = Breaker::new();
    (0..5).for_each(|_| breaker.observe(late, &patient, T0));
    assert_eq!(breaker.standing(&patient, T0), Standing::Closed);
}

#[test]
fn a_request_that_was_wrong_says_nothing_about_the_vendor() {
    for class in [ErrorClass::BadRequest, ErrorClass::Content, ErrorClass::Context] {
        let wrong = Observation::Failed { class, retry_after: None };
        assert_eq!(seen(&[wrong; 9]).standing(&rules(), T0), Standing::Closed);
    }
    assert_eq!(seen(&[Observation::Abandoned; 9]).standing(&rules(), T0), Standing::Closed);
}

#[test]
fn one_probe_is_let_through_and_its_success_closes() {
    let mut breaker = seen(&[SERVER; 3]);
    let later = T0 + S(5);
    assert_eq!(breaker.standing(&rules(), later), Standing::Probe);
    breaker.begin(&rules(), later);
    assert!(matches!(breaker.standing(&rules(), later), Standing::Open { .. }), "one probe at a time");
    breaker.observe(FINE, &rules(), later + S(1));
    assert_eq!(breaker.standing(&rules(), later + S(1)), Standing::Closed);
}

#[test]
fn a_probe_that_fails_opens_for_longer_up_to_the_ceiling() {
    let (mut breaker, mut now) = (seen(&[SERVER; 3]), T0);
    for open in [5, 10, 15, 15] {
        assert_eq!(breaker.standing(&rules(), now), Standing::Open { until: now + S(open) });
        breaker.observe(SERVER, &rules(), now + S(1));
        assert_eq!(breaker.standing(&rules(), now + S(1)), Standing::Open { until: now + S(open) }, "late news");
        now = now + S(open);
        assert_eq!(breaker.standing(&rules(), now), Standing::Probe);
        breaker.begin(&rules(), now);
        breaker.observe(SERVER, &rules(), now);
    }
}

#[test]
fn a_probe_that_is_lost_or_abandoned_makes_room_for_another() {
    let mut lost = seen(&[SERVER; 3]);
    lost.begin(&rules(), T0 + S(5));
    assert_eq!(lost.standing(&rules(), T0 + S(64)), Standing::Open { until: T0 + S(65) });
    assert_eq!(lost.standing(&rules(), T0 + S(65)), Standing::Probe);
    let mut abandoned = seen(&[SERVER; 3]);
    abandoned.begin(&rules(), T0 + S(5));
    abandoned.observe(Observation::Abandoned, &rules(), T0 + S(6));
    assert_eq!(abandoned.standing(&rules(), T0 + S(6)), Standing::Probe);
}

#[test]
fn a_target_that_asks_for_a_pause_rests_within_bounds() {
    let rate = |seconds: Option<u64>| Observation::Failed { class: ErrorClass::Rate, retry_after: seconds.map(S) };
    for (asked, until) in [(Some(3), 3), (None, 10), (Some(9_999), 60)] {
        let breaker = seen(&[rate(asked)]);
        assert_eq!(breaker.standing(&rules(), T0), Standing::Resting { until: T0 + S(until) });
        assert_eq!(breaker.standing(&rules(), T0 + S(until)), Standing::Closed);
    }
    assert_eq!(seen(&[rate(Some(30)), FINE]).standing(&rules(), T0), Standing::Closed, "it answers again");
    for class in [ErrorClass::Quota, ErrorClass::Auth, ErrorClass::ModelGone] {
        let out_of_order = Observation::Failed { class, retry_after: None };
        assert_eq!(seen(&[out_of_order]).standing(&rules(), T0), Standing::Resting { until: T0 + S(10) });
    }
    let busy = Observation::Failed { class: ErrorClass::Overload, retry_after: Some(S(2)) };
    assert_eq!(seen(&[busy]).standing(&rules(), T0), Standing::Resting { until: T0 + S(2) });
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
    /// Reports may arrive in any order: no target is locked out for longer than the rules say.
    #[test]
    fn nobody_is_locked_out_for_ever(steps in prop::collection::vec((observation(), -100_000_i64..100_000, any::<bool>()), 0..60)) {
        let (rules, mut breaker, mut now) = (rules(), Breaker::new(), T0);
        for (seen, jump, begin) in steps {
            now = Moment(now.0 + jump);
            if begin {
                breaker.begin(&rules, now);
            }
            breaker.observe(seen, &rules, now);
            let (Standing::Open { until } | Standing::Resting { until }) = breaker.standing(&rules, now) else { continue };
            prop_assert!(until > now && until <= now + rules.rest_max.max(rules.open_max).max(rules.probe_within) * 2);
        }
        let end = now + S(600);
        prop_assert!(matches!(breaker.standing(&rules, end), Standing::Closed | Standing::Probe));
        breaker.observe(FINE, &rules, end);
        prop_assert_eq!(breaker.standing(&rules, end), Standing::Closed);
    }
}
