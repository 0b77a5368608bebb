//! Headers and first lines that tell addresses, from bytes nobody chose.
//!
//! The input: its first byte says which way an address is told; the rest are lines of the header,
//! or the beginning of a connection. What must hold: the address is never one that stands left of
//! the rightmost hop which is not ours, whatever is put before it.

#![no_main]

use banjia_border::peer::{Client, PeerError, PeerHeader, PeerRules};
use banjia_border::proxy_protocol::{HEADER_BYTES_MAX, ProxyRead, read};
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr};

const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
/// What a forger puts in front.
const FORGED: IpAddr = IpAddr::V4(Ipv4Addr::new(18, 204, 0, 1));

fn rules(header: PeerHeader) -> PeerRules {
    PeerRules {
        trusted: ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network")).to_vec(),
        header,
        hops_max: 8,
        ..PeerRules::default()
    }
}

fn client(rules: &PeerRules, peer: IpAddr, lines: &[&[u8]]) -> Result<Client, PeerError> {
    rules.client(peer, lines.iter().copied())
}

/// Lines of a list of hops: what a forger adds on the left changes nothing about a caller that is
/// known, and a caller that is not known becomes known only where nothing but our own proxies stood
/// in the text.
fn list(header: PeerHeader, forged: &str, own: &str, lines: &[&[u8]]) {
    let rules = rules(header);
    let found = client(&rules, OURS, lines);
    assert_eq!(found, client(&rules, OURS, lines));
    if let Ok(client) = found {
        assert!(!client.is_direct && !rules.trusts(client.address), "{client:?} is ours");
        assert_eq!(client.address, client.address.to_canonical());
    }
    // A whole line of the forger's before the others, and the same as the first hops of the first
    // line.
    let mut before = vec![forged.as_bytes()];
    before.extend(lines);
    let first = [forged.as_bytes(), b", ", lines.first().copied().unwrap_or_default()].concat();
    let mut joined = lines.to_vec();
    if let Some(line) = joined.first_mut() {
        *line = &first;
    }
    for longer in [before, joined] {
        let again = client(&rules, OURS, &longer);
        match (found, again) {
            (Ok(known), again) => assert!(again == Ok(known) || again == Err(PeerError::Flood), "{known:?} {again:?}"),
            // Hops of our own proxies only: what is left of them is theirs to vouch for.
            (Err(PeerError::AllTrusted | PeerError::Missing), _) => {}
            (Err(_), Ok(client)) => panic!("{:?} came from a line that no proxy of ours wrote", client.address),
            (Err(_), Err(_)) => {}
        }
    }
    // One more of our own proxies to the right changes nothing either.
    let mut after = lines.to_vec();
    after.push(own.as_bytes());
    let again = client(&rules, OURS, &after);
    assert!(again == found || matches!(again, Err(PeerError::Flood | PeerError::AllTrusted)), "{found:?} {again:?}");
    // And to a stranger's connection no header says anything.
    assert_eq!(client(&rules, STRANGER, lines), Ok(Client { address: STRANGER, is_direct: true }));
}

/// Whatever a client writes, and however its text and the words of our own proxy are put together:
/// the address is the one that the proxy wrote, or unknown.
fn forged(header: PeerHeader, honest: &[&str], text: &[u8]) {
    let is_plain = header == PeerHeader::XForwardedFor;
    let rules = rules(header);
    for honest in honest {
        let known = client(&rules, OURS, &[honest.as_bytes()]).expect("our own proxy's words").address;
        let (one, inner) = ([text, b", ", honest.as_bytes()].concat(), [text, b",", honest.as_bytes()].concat());
        for lines in
            [vec![one.as_slice()], vec![inner.as_slice()], vec![text, honest.as_bytes()], vec![text, text, &one]]
        {
            match client(&rules, OURS, &lines) {
                Ok(client) => assert_eq!(client.address, known, "a client chose its own address"),
                Err(error) => assert!(!is_plain || error == PeerError::Flood, "{error:?}"),
            }
        }
    }
}

fn single(lines: &[&[u8]]) {
    let rules = rules(PeerHeader::Named("x-real-ip".to_owned()));
    let found = client(&rules, OURS, lines);
    assert!(found.is_err() || lines.len() == 1, "two lines, and one was believed");
    assert_eq!(client(&rules, STRANGER, lines), Ok(Client { address: STRANGER, is_direct: true }));
}

/// The first bytes of a connection: the same whatever follows, and more is asked for only until the
/// longest header.
fn first_bytes(bytes: &[u8]) {
    let found = read(bytes);
    match found {
        ProxyRead::More => assert!(bytes.len() < HEADER_BYTES_MAX, "it asks for more than it ever reads"),
        ProxyRead::Header { length, client } => {
            assert!(length <= bytes.len() && length <= HEADER_BYTES_MAX);
            assert_eq!(read(&bytes[..length]), found, "what follows the header changes it");
            assert_eq!(read(&[bytes, b"GET / HTTP/1.1\r\n"].concat()), found);
            assert!((1..length).all(|part| read(&bytes[..part]) == ProxyRead::More), "a part of it is a whole");
            assert!(client.is_none_or(|client| client.ip() == client.ip().to_canonical()));
        }
        ProxyRead::Bad(why) => {
            assert!(!why.is_empty());
            assert_eq!(read(&[bytes, b"\r\n"].concat()), found, "more bytes make it good");
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    match kind % 6 {
        0 => list(PeerHeader::XForwardedFor, &FORGED.to_string(), &OURS.to_string(), &lines),
        1 => list(PeerHeader::Forwarded, &format!("for={FORGED}"), &format!("for={OURS}"), &lines),
        2 => single(&lines),
        3 => forged(
            PeerHeader::XForwardedFor,
            &["47.75.0.1", "[2408:8000::1]:80, 10.0.0.2", "47.75.0.1:80,fd00::2"],
            rest,
        ),
        4 => forged(
            PeerHeader::Forwarded,
            &["for=47.75.0.1;proto=https", "for=\"[2408:8000::1]:80\", for=10.0.0.2", "by=10.0.0.3;FOR=\"47.75.0.1\""],
            rest,
        ),
        _ => first_bytes(rest),
    }
});
