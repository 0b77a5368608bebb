use super::*;

fn waiting(attempts: u32) -> Delivery {
    Delivery {
        event: 1,
        id: "msg_1".to_owned(),
        kind: "policy.paused".to_owned(),
        at: Timestamp(0),
        data: serde_json::json!({}),
        state: DeliveryState::Waiting,
        attempts,
        next_at: Timestamp(0),
        said: String::new(),
    }
}

fn answer(status: Option<u16>, retry_after: Option<u64>) -> Answer {
    Answer { status, retry_after: retry_after.map(Duration::from_secs), said: String::new() }
}

#[test]
fn waits_grow_are_spread_by_a_tenth_at_most_and_end() {
    let now = Timestamp(1_720_483_200_000);
    for (attempts, wait) in WAITS.iter().enumerate() {
        let (state, at) = settle(&answer(Some(500), None), &waiting(attempts as u32), now);
        assert_eq!(state, DeliveryState::Waiting);
        assert!(at >= now + *wait && at <= now + wait.mul_f64(1.1), "attempt {attempts}: {at}");
    }
    assert_eq!(settle(&answer(None, None), &waiting(WAITS.len() as u32), now).0, DeliveryState::GivenUp);
    assert_eq!(settle(&answer(Some(500), None), &waiting(u32::MAX), now).0, DeliveryState::GivenUp);
}

#[test]
fn only_2xx_is_taken_and_410_ends_at_once() {
    let now = Timestamp(5);
    for (status, state) in [
        (204, DeliveryState::Delivered),
        (302, DeliveryState::Waiting),
        (404, DeliveryState::Waiting),
        (410, DeliveryState::GivenUp),
    ] {
        assert_eq!(settle(&answer(Some(status), None), &waiting(0), now).0, state, "{status}");
    }
}

#[test]
fn a_receiver_may_ask_for_a_longer_wait_up_to_a_day() {
    let now = Timestamp(0);
    let at = |asked| settle(&answer(Some(503), Some(asked)), &waiting(0), now).1;
    assert_eq!(at(60), now + Duration::from_mins(1));
    assert_eq!(at(u64::MAX), now + ASKED_MAX);
    assert!(at(0) >= now + WAITS[0]);
}
