use super::*;

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Gives the bytes in two parts, the second with what was held back, and returns how many passed
/// and why not all did.
fn checked(wire: &[u8], split: usize) -> (usize, Option<BadRequest>) {
    let mut framing = Framing::default();
    let mut passed = 0;
    for end in [split, wire.len()] {
        match framing.check(&wire[passed..end]) {
            Checked::Pass(count) => passed += count,
            Checked::Refuse { pass, why, .. } => return (passed + pass, Some(why)),
        }
    }
    (passed, None)
}

#[track_caller]
fn all_splits(wire: &str, expected: (usize, Option<BadRequest>)) {
    for split in 0..=wire.len() {
        assert_eq!(checked(wire.as_bytes(), split), expected, "{wire:?} split at {split}");
    }
}

fn with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: x\r\n{fields}\r\n")
}

#[test]
fn clear_requests_pass_however_they_are_split() {
    let chunked = "transfer-encoding: Chunked\r\n";
    for wire in [
        GET.to_owned(),
        GET.repeat(3),
        format!("\r\n{GET}"),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        with("content-length: 3\r\n") + "a\nb" + GET,
        with("content-length: 0\r\n") + GET,
        with(chunked) + "3;a=b\r\na\nb\r\n0\r\n\r\n" + GET,
        with(chunked) + "A\r\n0123456789\r\n0\r\nx: y\r\n\r\n" + GET,
    ] {
        all_splits(&wire, (wire.len(), None));
    }
}

#[test]
fn an_incomplete_head_is_held_back() {
    all_splits(&format!("{GET}GET / HTTP/1.1\r\nho"), (GET.len(), None));
}

#[test]
fn unclear_heads_are_refused_before_any_byte_passes() {
    for (wire, why) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), BadRequest::NoHost),
        (with("Host: y\r\n"), BadRequest::TwoHosts),
        ("GET / HTTP/1.1\r\nhost: a, b\r\n\r\n".to_owned(), BadRequest::BadHost),
        (with("content-length: 3\r\ncontent-length: 3\r\n"), BadRequest::TwoLengths),
        (with("content-length: 3\r\nContent-Length: 4\r\n"), BadRequest::TwoLengths),
        (with("content-length: 3, 3\r\n"), BadRequest::BadLength),
        (with("content-length: +3\r\n"), BadRequest::BadLength),
        (with("content-length: -3\r\n"), BadRequest::BadLength),
        (with("content-length: 0x3\r\n"), BadRequest::BadLength),
        (with("content-length: 18446744073709551616\r\n"), BadRequest::BadLength),
        (with("content-length:\r\n"), BadRequest::BadLength),
        (with("transfer-encoding: gzip, chunked\r\n"), BadRequest::Encoding),
        (with("transfer-encoding: chunked, chunked\r\n"), BadRequest::Encoding),
        (with("transfer-encoding: xchunked\r\n"), BadRequest::Encoding),
        (with("transfer-encoding: identity\r\n"), BadRequest::Encoding),
        (with("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"), BadRequest::Encoding),
        (with("transfer-encoding: \x0bchunked\r\n"), BadRequest::Encoding),
        (with("content-length: 3\r\ntransfer-encoding: chunked\r\n"), BadRequest::LengthAndEncoding),
        (with("transfer-encoding: chunked\r\ncontent-length: 3\r\n"), BadRequest::LengthAndEncoding),
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), BadRequest::EncodingInHttp10),
        ("GET / HTTP/1.1\nhost: x\n\n".to_owned(), BadRequest::BareLineFeed),
        (with("a: b\n"), BadRequest::BareLineFeed),
        (with("a: b\r\n c\r\n"), BadRequest::Folded),
        (with("a: b\r\n\tc: d\r\n"), BadRequest::Folded),
        (with("content-length : 3\r\n"), BadRequest::SpaceBeforeColon),
        (with("transfer-encoding\t: chunked\r\n"), BadRequest::SpaceBeforeColon),
        (with("nothing\r\n"), BadRequest::NoColon),
        (with(": nothing\r\n"), BadRequest::NoColon),
        ("GET / HTTP/2.0\r\n\r\n".to_owned(), BadRequest::RequestLine),
        ("GET /\r\n\r\n".to_owned(), BadRequest::RequestLine),
    ] {
        all_splits(&wire, (0, Some(why)));
        all_splits(&format!("{GET}{wire}"), (GET.len(), Some(why)));
    }
}

#[test]
fn malformed_chunks_are_refused_inside_the_body() {
    for chunks in ["x\r\n", "\r\n", "3\n", "3\r\nabcd", "3\r\nabc0\r\n", "11111111111111111\r\n", "-1\r\n", "3 \r\n"] {
        let head = with("transfer-encoding: chunked\r\n");
        let mut framing = Framing::default();
        let seen = framing.check(format!("{head}{chunks}\r\n").as_bytes());
        assert!(matches!(seen, Checked::Refuse { is_in_body: true, .. }), "{chunks:?}: {seen:?}");
    }
}

#[test]
fn a_head_beyond_the_bounds_is_refused() {
    let many = "a: b\r\n".repeat(101);
    assert_eq!(checked(with(&many).as_bytes(), 0).1, Some(BadRequest::HeadTooLarge));
    let long = format!("a: {}", "b".repeat(HEAD_BYTES_MAX));
    assert_eq!(checked(with(&long).as_bytes(), 0).1, Some(BadRequest::HeadTooLarge));
    assert_eq!(checked(long.as_bytes(), 10).1, Some(BadRequest::HeadTooLarge));
}
