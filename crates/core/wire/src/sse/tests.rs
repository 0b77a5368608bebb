use super::*;
use proptest::prelude::*;

fn all(framer: &mut Framer, chunks: &[&[u8]]) -> Vec<Result<RawEvent, TooLong>> {
    let mut events = Vec::new();
    for chunk in chunks {
        framer.feed(&Bytes::copy_from_slice(chunk));
        while let Some(event) = framer.next_event() {
            events.push(event);
        }
    }
    events.extend(framer.rest().map(Ok));
    events
}

fn whole(text: &[u8]) -> Vec<Result<RawEvent, TooLong>> {
    all(&mut Framer::new(1_000), &[text])
}

fn data(text: &str) -> Vec<Option<String>> {
    let text_of =
        |event: Result<RawEvent, TooLong>| event.unwrap().data.map(|data| String::from_utf8(data.to_vec()).unwrap());
    whole(text.as_bytes()).into_iter().map(text_of).collect()
}

#[test]
fn reads_events_however_their_lines_end() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(data("data: a\n\ndata:b\r\n\r\ndata:  c\r\rdata: d\n\n"), [some("a"), some("b"), some(" c"), some("d")]);
    assert_eq!(data("data: a\ndata: b\ndata\n\n"), [some("a\nb\n")]);
    assert_eq!(data(": keep-alive\n\ndata: x\n\n"), [None, some("x")]);
    assert_eq!(data("\u{feff}data: x\n\n"), [some("x")]);
    assert_eq!(data("data: x"), [some("x")]);
}

#[test]
fn a_vendors_extra_lines_are_kept_and_its_event_is_told() {
    let text = b"id:1\nevent:error\n:HTTP_STATUS/400\ndata:{}\n\n";
    let event = whole(text)[0].clone().unwrap();
    assert_eq!(event.raw, Bytes::from_static(text));
    assert_eq!(event.event, Some(Bytes::from_static(b"error")));
    assert_eq!(event.data, Some(Bytes::from_static(b"{}")));
}

#[test]
fn an_endless_line_ends_the_stream_with_bounded_memory() {
    let mut framer = Framer::new(100);
    framer.feed(&Bytes::from_static(b"data: ok\n\ndata: "));
    assert!(framer.next_event().unwrap().is_ok());
    let mut error = None;
    for _ in 0..20 {
        framer.feed(&Bytes::from_static(&[b'x'; 64]));
        if let Some(event) = framer.next_event() {
            error = Some(event);
            break;
        }
    }
    assert_eq!(error, Some(Err(TooLong { event_bytes_max: 100 })));
    framer.feed(&Bytes::from_static(b"\n\ndata: y\n\n"));
    assert_eq!(framer.next_event(), None);
    assert_eq!(framer.rest(), None);
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        text in "(data: ?[a-z\r\n:]{0,6}|[\r\n]|: ?x|event:e|\u{feff}){0,30}",
        mut cuts in proptest::collection::vec(0_usize..200, 0..12),
    ) {
        let bytes = text.as_bytes();
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(bytes.len()));
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let split = all(&mut Framer::new(1_000), &chunks);
        prop_assert_eq!(&split, &whole(bytes));
        let joined: Vec<u8> = split.into_iter().flat_map(|event| event.unwrap().raw.to_vec()).collect();
        prop_assert_eq!(joined, bytes, "no byte is lost or moved");
    }

    #[test]
    fn nothing_panics(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10)) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        for event in all(&mut Framer::new(50), &chunks).into_iter().flatten() {
            prop_assert!(event.raw.len() <= 50 + 40, "an event within its bound");
        }
    }
}
