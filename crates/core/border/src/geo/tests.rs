use super::*;
use proptest::prelude::*;

fn country(code: &str) -> Country {
    code.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What the built-in table says of an address.
fn said(text: &str) -> String {
    GeoTable::embedded().country(address(text)).map_or_else(|| "-".to_owned(), |code| code.to_string())
}

#[test]
fn the_built_in_table_is_whole() {
    let (v4, v6) = GeoTable::embedded().blocks();
    assert!(v4 > 300_000 && v6 > 300_000, "{v4} and {v6} blocks");
    assert!(GeoTable::embedded().built().to_string().starts_with("2026-"));
}

/// Each line: an address, the country it must have, whose it is. `data/places.txt` says where the
/// lines come from.
#[test]
fn cloud_addresses_in_hong_kong_are_in_hong_kong() {
    let mut seen = 0;
    for line in include_str!("../../data/places.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let mut words = line.split_whitespace();
        let (text, wanted) = (words.next().unwrap(), words.next().unwrap());
        assert_eq!(said(text), wanted, "{line}");
        seen += 1;
    }
    assert!(seen >= 40);
}

#[test]
fn an_address_is_the_same_in_both_forms() {
    for v4 in ["47.75.0.1", "8.8.8.8", "1.1.1.1", "203.208.60.1"] {
        assert_eq!(said(v4), said(&format!("::ffff:{v4}")), "{v4}");
    }
}

#[test]
fn addresses_without_a_place_have_no_country() {
    for (text, why) in [
        ("127.0.0.1", Placeless::Loopback),
        ("::1", Placeless::Loopback),
        ("::ffff:127.0.0.1", Placeless::Loopback),
        ("10.1.2.3", Placeless::Private),
        ("192.168.0.1", Placeless::Private),
        ("169.254.1.1", Placeless::Private),
        ("fd00::1", Placeless::Private),
        ("fe80::1", Placeless::Private),
        ("100.64.0.1", Placeless::Shared),
        ("203.0.113.9", Placeless::Reserved),
        ("224.0.0.1", Placeless::Reserved),
        ("255.255.255.255", Placeless::Reserved),
        ("0.0.0.0", Placeless::Reserved),
        ("2001:db8::1", Placeless::Reserved),
        ("ff02::1", Placeless::Reserved),
        ("::", Placeless::Reserved),
    ] {
        assert_eq!(placeless(address(text)), Some(why), "{text}");
        assert_eq!(look_up(GeoTable::embedded(), None, address(text)), None, "{text}");
    }
    assert_eq!(placeless(address("100.128.0.1")), None);
}

/// Every form that carries an IPv4 address which can be determined, with this one.
fn forms(v4: &str) -> Vec<String> {
    let [a, b, c, d] = v4.parse::<Ipv4Addr>().unwrap().octets();
    let (high, low) = (format!("{a:02x}{b:02x}"), format!("{c:02x}{d:02x}"));
    let (not_high, not_low) = (format!("{:02x}{:02x}", !a, !b), format!("{:02x}{:02x}", !c, !d));
    vec![
        format!("::ffff:{v4}"),
        format!("::{v4}"),
        format!("::ffff:0:{v4}"),
        format!("64:ff9b::{v4}"),
        format!("2002:{high}:{low}::1"),
        format!("2002:{high}:{low}:12:5678:9abc:def0:1234"),
        // The server's own address (here in the US) says nothing of the client.
        format!("2001:0:808:808:8000:63bf:{not_high}:{not_low}"),
    ]
}

#[test]
fn an_address_is_judged_by_the_ipv4_it_carries() {
    for v4 in ["47.75.0.1", "8.8.8.8", "1.1.1.1", "203.208.60.1"] {
        let wanted = look_up(GeoTable::embedded(), None, address(v4));
        assert!(wanted.is_some(), "{v4}");
        for form in forms(v4) {
            assert_eq!(look_up(GeoTable::embedded(), None, address(&form)), wanted, "{form}");
            assert_eq!(judged(address(&form)), Some(address(v4)), "{form}");
        }
    }
}

#[test]
fn a_carried_address_that_is_not_public_is_unknown() {
    for v4 in ["10.1.2.3", "192.168.0.1", "127.0.0.1", "100.64.0.1", "169.254.1.1", "203.0.113.9", "224.0.0.1"] {
        for form in forms(v4).iter().skip(1) {
            assert_eq!(placeless(address(form)), Some(Placeless::Carried), "{form}");
            assert_eq!(look_up(GeoTable::embedded(), None, address(form)), None, "{form}");
            assert_eq!(judged(address(form)), None, "{form}");
        }
    }
}

#[test]
fn a_carried_address_out_of_reach_is_unknown() {
    for text in [
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1:808:8:800::",
        "64:ff9b:1:fffe::8.8.8.8",
        "64:ff9b:2::8.8.8.8",
        "64:ff9b::1:0:8.8.8.8",
        "2606:4700::5efe:8.8.8.8",
        "2606:4700::200:5efe:8.8.8.8",
        "2406:da1e::300:5efe:8.8.8.8",
    ] {
        assert_eq!(placeless(address(text)), Some(Placeless::Carried), "{text}");
        assert_eq!((judged(address(text)), said(text).as_str()), (None, "-"), "{text}");
        assert_eq!(look_up(GeoTable::embedded(), None, address(text)), None, "{text}");
    }
}

#[test]
fn a_native_address_is_judged_by_itself() {
    for text in
        ["2606:4700::1", "2606:4700::5eff:8.8.8.8", "2606:4700::8200:5efe:8.8.8.8", "2001:4860:4860::8888", "8.8.8.8"]
    {
        assert_eq!(judged(address(text)), Some(address(text)), "{text}");
    }
    assert_eq!(placeless(address("fe80::5efe:10.0.0.1")), Some(Placeless::Private));
}

#[test]
fn the_witness_marks_and_never_answers() {
    let fact = look_up(GeoTable::embedded(), None, address("47.75.0.1")).unwrap();
    assert_eq!(fact.place.to_string(), "HK");
    assert_ne!(fact.agreement, Agreement::Agree, "registered elsewhere than it is used");
    assert_eq!(fact.source, EMBEDDED_NAME);
}

fn ranges() -> impl Strategy<Value = Vec<Range>> {
    let one = (0_u64..1 << 32, 1_u64..5000, prop::sample::select(vec!["HK", "CN", "TW", "US", "SG"]));
    prop::collection::vec(one, 0..40).prop_map(|list| {
        let mut end = 0;
        let mut sorted = list;
        sorted.sort_unstable();
        let mut apart = Vec::new();
        for (first, length, code) in sorted {
            let last = (first + length).min(u64::from(u32::MAX));
            if first >= end {
                apart.push(Range { first, last, country: code.parse().unwrap() });
                end = last + 1;
            }
        }
        apart
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(mut ranges in ranges(), probes in prop::collection::vec(any::<u32>(), 20)) {
        let bytes = encode(Timestamp(7), &mut ranges, &mut []).unwrap();
        let table = GeoTable::decode(&bytes).unwrap();
        let edges = ranges.iter().flat_map(|range| [range.first, range.last]).map(|at| at as u32);
        for probe in probes.into_iter().chain(edges) {
            let wanted = ranges.iter().find(|r| (r.first..=r.last).contains(&u64::from(probe))).map(|r| r.country);
            prop_assert_eq!(table.country(Ipv4Addr::from_bits(probe).into()), wanted);
        }
    }

    #[test]
    fn broken_bytes_are_an_error_and_no_panic(mut ranges in ranges(), at: prop::sample::Index, with: u8) {
        let good = encode(Timestamp(7), &mut ranges, &mut []).unwrap();
        let mut plain = zstd::bulk::decompress(&good, 1 << 20).unwrap();
        let place = at.index(plain.len());
        plain[place] = with;
        drop(GeoTable::decode(&zstd::bulk::compress(&plain, 1).unwrap()));
        prop_assert!(GeoTable::decode(&zstd::bulk::compress(&plain[..place], 1).unwrap()).is_err());
        prop_assert!(GeoTable::decode(&good[..at.index(good.len())]).is_err());
    }
}

#[test]
fn ipv6_for_documents_stands_for_no_place() {
    let found = |text: &str| placeless(text.parse().unwrap());
    for reserved in ["2001:db8::1", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"] {
        assert_eq!(found(reserved), Some(Placeless::Reserved), "{reserved}");
    }
}

#[test]
fn ipv6_beside_the_documents_is_public() {
    for public in ["3fff:1000::", "3fff:ffff::1", "3ffe:ffff::1"] {
        assert_eq!(placeless(public.parse().unwrap()), None, "{public}");
    }
}

#[test]
fn countries_are_real() {
    assert!(GeoTable::embedded().codes.iter().flatten().all(|code| crate::country::country(*code).is_some()));
    assert_eq!(country("HK").index() % 26, 10);
}
