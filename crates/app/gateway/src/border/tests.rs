use super::*;

#[test]
fn addresses_are_cut_to_their_network() {
    let cut = |text: &str| truncated(text.parse().unwrap()).into_string();
    assert_eq!(cut("47.75.1.9"), "47.75.1.0/24");
    assert_eq!(cut("2408:8000:12:34::5"), "2408:8000:12::/48");
}

/// The facts and the note of a caller that connects from an address, with a home for private ones.
fn crossing(peer: &str) -> BorderCheck {
    let rules = ActivePolicies::default();
    let config = BorderConfig { home: Some("SG".parse().unwrap()), ..BorderConfig::default() };
    let headers = HeaderMap::new();
    let caller = BorderSubject {
        peer: peer.parse().unwrap(),
        headers: &headers,
        account: None,
        id: RequestId(uuid::Uuid::nil()),
    };
    check(Arc::new(rules), &config, caller, Timestamp(0))
}

fn place(peer: &str) -> Option<String> {
    crossing(peer).facts.network.map(|fact| fact.place.to_string())
}

#[test]
fn a_private_address_is_at_home() {
    for peer in ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1", "::1"] {
        assert_eq!(place(peer).as_deref(), Some("SG"), "{peer}");
    }
}

#[test]
fn a_carried_private_address_is_not_at_home() {
    for peer in ["64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1", "2002:a00:1::1", "2001::f5ff:fffe", "::10.0.0.1"] {
        assert_eq!(place(peer), None, "{peer}");
        assert!(crossing(peer).note().is_none(), "{peer}");
    }
}

#[test]
fn the_ledger_keeps_the_network_of_a_carried_address() {
    for peer in ["47.75.1.9", "64:ff9b::47.75.1.9", "2002:2f4b:109::1", "2001:0:808:808::d0b4:fef6", "::47.75.1.9"] {
        let note = crossing(peer).note().unwrap();
        assert_eq!(note.address.as_deref(), Some("47.75.1.0/24"), "{peer}");
        assert_eq!(note.network.map(|place| place.to_string()).as_deref(), Some("HK"), "{peer}");
    }
}
