use super::*;

#[test]
fn addresses_are_cut_to_their_network() {
    let cut = |text: &str| truncated(text.parse().unwrap()).into_string();
    assert_eq!(cut("47.75.1.9"), "47.75.1.0/24");
    assert_eq!(cut("2408:8000:12:34::5"), "2408:8000:12::/48");
}
