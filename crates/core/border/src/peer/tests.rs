use super::*;
use proptest::prelude::*;

fn rules(header: &str) -> PeerRules {
    let trusted =
        ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8", "::1/128"].iter().map(|net| net.parse().unwrap()).collect();
    PeerRules { trusted, header: header.to_owned().try_into().unwrap(), ..PeerRules::default() }
}

fn client(header: &str, peer: &str, lines: &[&str]) -> Result<String, PeerError> {
    let lines = lines.iter().map(|line| line.as_bytes());
    rules(header).client(peer.parse().unwrap(), lines).map(|client| client.address.to_string())
}

fn check(header: &str, peer: &str, lines: &[&str], wanted: Result<&str, PeerError>) {
    assert_eq!(client(header, peer, lines), wanted.map(str::to_owned), "{header} from {peer}: {lines:?}");
}

#[test]
fn headers_of_those_who_are_not_trusted_are_not_read() {
    for header in ["none", "forwarded", "x-forwarded-for", "cf-connecting-ip"] {
        check(header, "47.75.0.1", &["8.8.8.8"], Ok("47.75.0.1"));
        check(header, "2408:8000::1", &["2001:4860::1"], Ok("2408:8000::1"));
        check(header, "::ffff:47.75.0.1", &["8.8.8.8"], Ok("47.75.0.1"));
    }
    check("none", "10.0.0.1", &["8.8.8.8"], Ok("10.0.0.1"));
}

#[test]
fn the_rightmost_hop_that_is_not_ours_is_the_client() {
    for (peer, honest, forged, ours) in
        [("10.0.0.1", "47.75.0.1", "8.8.8.8", "10.9.9.9"), ("fd00::1", "2408:8000::1", "2001:4860::1", "fd00::9")]
    {
        let xff = "x-forwarded-for";
        check(xff, peer, &[honest], Ok(honest));
        check(xff, peer, &[&format!("{forged}, {honest}")], Ok(honest));
        check(xff, peer, &[&format!("{forged},{honest} , {ours}")], Ok(honest));
        check(xff, peer, &[forged, honest], Ok(honest));
        check(xff, peer, &[honest, ours], Ok(honest));
        check(xff, peer, &[&format!("nonsense, {honest}")], Ok(honest));
        check(xff, peer, &[ours], Err(PeerError::AllTrusted));
        check(xff, peer, &[], Err(PeerError::Missing));
        let quoted = |ip: &str| if ip.contains(':') { format!("\"[{ip}]\"") } else { ip.to_owned() };
        let (h, f, o) = (quoted(honest), quoted(forged), quoted(ours));
        let fwd = "forwarded";
        check(fwd, peer, &[&format!("for={h}")], Ok(honest));
        check(fwd, peer, &[&format!("for={f}, For={h};proto=https;by={o}")], Ok(honest));
        check(fwd, peer, &[&format!("for={f}"), &format!("proto=http; FOR={h} , for={o}")], Ok(honest));
        check(fwd, peer, &[&format!("for=\"un,closed, for={h}")], Err(PeerError::Malformed));
        check("cf-connecting-ip", peer, &[honest], Ok(honest));
        check("cf-connecting-ip", peer, &[honest, forged], Err(PeerError::Twice));
        check("cf-connecting-ip", peer, &[], Err(PeerError::Missing));
        check("cf-connecting-ip", peer, &[&format!("{forged}, {honest}")], Err(PeerError::Malformed));
    }
}

#[test]
fn ports_and_brackets_are_understood() {
    let xff = "x-forwarded-for";
    check(xff, "10.0.0.1", &["47.75.0.1:4711"], Ok("47.75.0.1"));
    check(xff, "10.0.0.1", &["[2408:8000::1]:4711"], Ok("2408:8000::1"));
    check(xff, "10.0.0.1", &["[2408:8000::1]"], Ok("2408:8000::1"));
    check(xff, "10.0.0.1", &["::ffff:47.75.0.1"], Ok("47.75.0.1"));
    check(xff, "10.0.0.1", &["47.75.0.1, ::ffff:10.0.0.7"], Ok("47.75.0.1"));
    check("forwarded", "10.0.0.1", &["for=\"47.75.0.1:80\""], Ok("47.75.0.1"));
    check("forwarded", "10.0.0.1", &["for=\"[2408:8000::1]:80\""], Ok("2408:8000::1"));
    check("forwarded", "10.0.0.1", &["for=\"47\\.75.0.1\""], Ok("47.75.0.1"));
}

/// Forms in which a client could write the address of a proxy at 10.0.0.7.
const CARRIED: [&str; 7] = [
    "::10.0.0.7",
    "::ffff:0:10.0.0.7",
    "64:ff9b::10.0.0.7",
    "64:ff9b:1::10.0.0.7",
    "2002:a00:7::1",
    "2001:0:808:808:8000:63bf:f5ff:fff8",
    "2408:8000::5efe:10.0.0.7",
];

#[test]
fn a_carried_proxy_address_in_a_header_is_the_client() {
    for carried in CARRIED {
        let carried: IpAddr = carried.parse().unwrap();
        let lines = format!("8.8.8.8, {carried}");
        check("x-forwarded-for", "10.0.0.1", &[&lines], Ok(&carried.to_string()));
        check("forwarded", "10.0.0.1", &[&format!("for=8.8.8.8, for=\"[{carried}]\"")], Ok(&carried.to_string()));
    }
}

#[test]
fn a_carried_proxy_address_is_no_trusted_peer() {
    for carried in CARRIED {
        assert!(!rules("x-forwarded-for").trusts(carried.parse().unwrap()), "{carried}");
        let carried: IpAddr = carried.parse().unwrap();
        check("x-forwarded-for", &carried.to_string(), &["8.8.8.8"], Ok(&carried.to_string()));
    }
}

#[test]
fn a_counting_hop_without_address_is_an_error() {
    for bad in [
        "",
        " ",
        "8.8.8",
        "8.8.8.8.8",
        "256.1.1.1",
        "08.8.8.8",
        "8.8.8.8/32",
        "::g",
        "host.example",
        "8.8.8.8;",
        "\u{ff18}.8.8.8",
    ] {
        check("x-forwarded-for", "10.0.0.1", &[&format!("47.75.0.1, {bad}")], Err(PeerError::Malformed));
        check("x-real-ip", "10.0.0.1", &[bad], Err(PeerError::Malformed));
    }
    for hidden in ["unknown", "_secret", "UNKNOWN"] {
        check("x-forwarded-for", "10.0.0.1", &[&format!("47.75.0.1, {hidden}")], Err(PeerError::Hidden));
        check("forwarded", "10.0.0.1", &[&format!("for=47.75.0.1, for={hidden}")], Err(PeerError::Hidden));
    }
    for bad in
        ["proto=https", "for", "for=", "for=8.8.8.8;for=47.75.0.1", "for=2408:8000::1", "for=\"8.8.8.8", "by=10.0.0.1"]
    {
        check("forwarded", "10.0.0.1", &[bad], Err(PeerError::Malformed));
    }
}

#[test]
fn floods_are_refused() {
    let many = vec!["10.0.0.2"; 40].join(",");
    check("x-forwarded-for", "10.0.0.1", &[&many], Err(PeerError::Flood));
    let long = "8.8.8.8,".repeat(2000);
    check("x-forwarded-for", "10.0.0.1", &[&long], Err(PeerError::Flood));
    check("forwarded", "10.0.0.1", &[&long], Err(PeerError::Flood));
    let lines = vec!["10.0.0.2"; 5000];
    check("x-forwarded-for", "10.0.0.1", &lines, Err(PeerError::Flood));
}

proptest! {
    #[test]
    fn nothing_left_of_the_client_counts(forged in "[^\"\n]{0,60}", header in prop::sample::select(vec!["x-forwarded-for", "forwarded"])) {
        let honest = if header == "forwarded" { "for=47.75.0.1;proto=https" } else { "47.75.0.1" };
        let line = format!("{forged}, {honest}");
        prop_assert_eq!(client(header, "10.0.0.1", &[&line]), Ok("47.75.0.1".to_owned()));
        prop_assert_eq!(client(header, "10.0.0.1", &[&forged, honest]), Ok("47.75.0.1".to_owned()));
    }

    #[test]
    fn no_bytes_make_it_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4), header in prop::sample::select(vec!["x-forwarded-for", "forwarded", "x-real-ip"])) {
        let found = rules(header).client("10.0.0.1".parse().unwrap(), lines.iter().map(Vec::as_slice));
        prop_assert!(found.is_ok_and(|client| !client.is_direct) || found.is_err());
    }
}
