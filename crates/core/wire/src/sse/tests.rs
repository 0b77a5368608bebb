use super::*;
use proptest::prelude::*;

fn events(chunks: &[&[u8]], event_bytes_max: usize) -> Vec<Result<RawEvent, TooLong>> {
    let mut framer = Framer::new(event_bytes_max);
    let mut found = Vec::new();
    for chunk in chunks {
        framer.feed(&Bytes::copy_from_slice(chunk));
        while let Some(event) = framer.next() {
            found.push(event);
        }
    }
    framer.end();
    while let Some(event) = framer.next() {
        found.push(event);
    }
    found
}

/// (event, data) of each event.
fn check(text: &str, wanted: &[(Option<&str>, Option<&str>)]) {
    let found: Vec<_> = events(&[text.as_bytes()], 1000)
        .into_iter()
        .map(|event| {
            let event = event.unwrap();
            let text = |bytes: Option<Bytes>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            (text(event.event), text(event.data))
        })
        .collect();
    let found: Vec<_> = found.iter().map(|(event, data)| (event.as_deref(), data.as_deref())).collect();
    assert_eq!(found, wanted, "{text:?}");
}

#[test]
fn events_are_read_as_the_standard_says() {
    check(
        "data: a\n\ndata:b\r\n\r\ndata: c\r\rdata:  d\n\n",
        &[(None, Some("a")), (None, Some("b")), (None, Some("c")), (None, Some(" d"))],
    );
    check("event: error\nid: 1\ndata: a\ndata: b\ndata\nretry: 3\n\n", &[(Some("error"), Some("a\nb\n"))]);
    check("\u{feff}data: a\n\n", &[(None, Some("a"))]);
    check(": keep-alive\n\n\ndata: a\n\n", &[(None, None), (None, None), (None, Some("a"))]);
    check("data: [DONE]", &[(None, Some("[DONE]"))]);
    check("data: a\r\n\r", &[(None, Some("a"))]);
    check("{\"error\":\n1}\n", &[(None, None)]);
    check("", &[]);
}

#[test]
fn a_status_in_a_comment_is_told() {
    let event = events(&[b"id:1\nevent:error\n:HTTP_STATUS/429\ndata:{}\n\n"], 100).remove(0).unwrap();
    assert_eq!(event.status, Some(429));
}

#[test]
fn an_endless_line_ends_the_framer() {
    let mut framer = Framer::new(1000);
    framer.feed(&Bytes::from_static(b"data: a\n\n"));
    assert!(framer.next().unwrap().is_ok());
    let mut errors = 0;
    for _ in 0..10_000 {
        framer.feed(&Bytes::from_static(b"data: endless "));
        errors += usize::from(framer.next().is_some_and(|event| event.is_err()));
        assert!(framer.held.capacity() < 10_000);
    }
    assert_eq!(errors, 1);
}

#[test]
fn an_event_that_lies_in_one_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut framer = Framer::new(1000);
    framer.feed(&chunk);
    let event = framer.next().unwrap().unwrap();
    assert_eq!(event.raw.as_ptr(), chunk.as_ptr());
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "data: ",
        "data:x",
        "event: e",
        ":c",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\u{feff}",
        "id: 1",
        "春",
        "data",
        ":HTTP_STATUS/400",
        "{}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(text in stream(), cuts in prop::collection::vec(0_usize..200, 0..8), max in 5_usize..60) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
        let single: Vec<&[u8]> = text.chunks(1).collect();
        let whole = events(&[&text], max);
        prop_assert_eq!(&events(&chunks, max), &whole);
        prop_assert_eq!(&events(&single, max), &whole);
        if whole.iter().all(Result::is_ok) {
            let bytes: Vec<u8> = whole.into_iter().flat_map(|event| event.unwrap().raw).collect();
            prop_assert_eq!(bytes, text);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        events(&[&bytes], 50);
    }
}
