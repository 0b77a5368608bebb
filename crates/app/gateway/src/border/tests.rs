use super::*;

#[test]
fn addresses_are_cut_to_their_network() {
    let cut = |text: &str| truncated(text.parse().unwrap()).into_string();
    assert_eq!(cut("47.75.1.9"), "47.75.1.0/24");
    assert_eq!(cut("2408:8000:12:34::5"), "2408:8000:12::/48");
}

#[test]
fn a_clock_that_is_set_goes_on_from_there() {
    let clock = Clock::default();
    clock.set(Timestamp(1_720_483_200_000));
    let now = clock.now();
    assert!(now >= Timestamp(1_720_483_200_000) && now < Timestamp(1_720_483_260_000));
}
