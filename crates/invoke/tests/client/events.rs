//! The decoder of server-sent events, against the standard's examples and against itself.

use agentcore_invoke::sse::{Decoder, Event, TooLong};
use proptest::prelude::*;

fn data(text: &str) -> Event {
    Event {
        data: text.to_owned(),
        ..Event::default()
    }
}

/// The events of pieces, and what was left at the end.
fn decode(limit: usize, pieces: &[&[u8]]) -> (Vec<Event>, Result<Option<Event>, TooLong>) {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, &mut events) {
            return (events, Err(error));
        }
    }
    (events, Ok(decoder.finish()))
}

fn whole(text: &str) -> Vec<Event> {
    decode(1 << 20, &[text.as_bytes()]).0
}

#[test]
fn lines_end_with_any_of_the_three_endings() {
    for text in [
        "data: a\n\ndata: b\n\n",
        "data: a\r\rdata: b\r\r",
        "data: a\r\n\r\ndata: b\r\n\r\n",
    ] {
        assert_eq!(whole(text), [data("a"), data("b")], "{text:?}");
    }
}

#[test]
fn several_lines_of_data_are_joined() {
    assert_eq!(
        whole("data: YHOO\ndata: +2\ndata: 10\n\n"),
        [data("YHOO\n+2\n10")]
    );
}

#[test]
fn a_long_id_is_counted_and_events_share_it() {
    let id = "i".repeat(600);
    let mut decoder = Decoder::new(1_000);
    let mut events = Vec::new();
    let stream = format!("id: {id}\ndata: a\n\ndata: b\n\n");
    decoder.feed(stream.as_bytes(), &mut events).expect("short");
    let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
    let [Some(first), Some(second)] = &ids[..] else {
        panic!("{events:?}");
    };
    assert!(std::sync::Arc::ptr_eq(first, second) && **first == *id);
    assert!(decoder.held() >= id.len(), "{}", decoder.held());
    let more = format!("data: {}\n\n", "d".repeat(600));
    let refused = decoder.feed(more.as_bytes(), &mut events);
    assert_eq!(refused.map_err(|error| error.limit), Err(1_000));
}

#[test]
fn one_space_after_the_colon_is_not_data() {
    assert_eq!(
        whole("data:test\n\ndata:  test\n\n"),
        [data("test"), data(" test")]
    );
}

#[test]
fn fields_without_a_colon_have_an_empty_value() {
    assert_eq!(whole("data\n\ndata\ndata\n\ndata:"), [data(""), data("\n")]);
}

#[test]
fn comments_and_unknown_fields_are_skipped() {
    assert_eq!(
        whole(": ping\n\nretry: 10\nother: x\ndata: a\n\n"),
        [data("a")]
    );
}

#[test]
fn a_byte_order_mark_is_skipped_at_the_beginning_only() {
    assert_eq!(whole("\u{feff}data: a\n\n\u{feff}data: b\n\n"), [data("a")]);
}

#[test]
fn types_belong_to_one_event_and_ids_to_those_that_follow_too() {
    let id = Some("7".into());
    let first = Event {
        event: Some("error".to_owned()),
        data: "a".to_owned(),
        id: id.clone(),
    };
    let second = Event {
        event: None,
        data: "b".to_owned(),
        id,
    };
    let text = "id: 7\nevent: error\ndata: a\n\nid: bad\0\ndata: b\n\nid\ndata: c\n\n";
    assert_eq!(whole(text), [first, second, data("c")]);
}

#[test]
fn a_type_without_data_is_no_event() {
    assert_eq!(whole("event: gone\n\ndata: a\n\n"), [data("a")]);
}

#[test]
fn an_event_that_was_not_ended_is_given_at_the_end() {
    let (events, left) = decode(1 << 10, &[b"data: a\n\ndata: b\ndata: c"]);
    assert_eq!(events, [data("a")]);
    assert_eq!(left, Ok(Some(data("b\nc"))));
    assert_eq!(decode(1 << 10, &[b"data: a\n\n"]).1, Ok(None));
}

#[test]
fn characters_cut_in_two_come_out_whole_and_broken_ones_are_replaced() {
    let text = "data: né€😀\n\n".as_bytes();
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(decode(1 << 10, &bytes).0, [data("né€😀")]);
    assert_eq!(decode(1 << 10, &[b"data: \xff\n\n"]).0, [data("\u{fffd}")]);
}

#[test]
fn an_event_beyond_the_bound_is_an_error_after_those_before_it() {
    let mut decoder = Decoder::new(16);
    let mut events = Vec::new();
    let error = TooLong {
        what: "event",
        limit: 16,
    };
    let fed = decoder.feed(
        b"data: a\n\ndata: 0123456789\ndata: 0123456789\n\n",
        &mut events,
    );
    assert_eq!((fed, events.as_slice()), (Err(error), &[data("a")][..]));
    assert_eq!(decoder.feed(b"\n\n", &mut events), Err(error));
    assert_eq!(error.to_string(), "server-sent event of more than 16 bytes");
}

proptest! {
    #[test]
    fn where_the_stream_is_cut_makes_no_difference(
        lines in prop::collection::vec(
            prop_oneof![
                Just("\n"), Just("\r"), Just("\r\n"), Just("data: a"), Just("data: é😀"), Just("data"), Just("id: 1"),
                Just("event: x"), Just(": c"), Just("\u{feff}"), Just("id: \0"), Just("0123456789"),
            ],
            0..40,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        limit in 8..64_usize,
    ) {
        let text = lines.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&text[from..cut]);
            from = cut;
        }
        pieces.push(&text[from..]);
        prop_assert_eq!(decode(limit, &pieces), decode(limit, &[&text]));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), limit in 0..100_usize) {
        let _ = decode(limit, &[&bytes]);
    }
}

#[test]
fn an_endless_line_ends_at_its_own_bound_and_what_is_held_is_told() {
    let mut decoder = Decoder::new(1 << 10).with_lines_of(16);
    let mut events = Vec::new();
    assert_eq!(decoder.held(), 0);
    let several = b"data: 01234\ndata: 56789\ndata: ";
    assert_eq!(decoder.feed(several, &mut events), Ok(()));
    assert!(decoder.held() >= 12, "{}", decoder.held());
    assert_eq!(decoder.feed(b"a\n\n", &mut events), Ok(()));
    assert_eq!(events, [data("01234\n56789\na")]);
    let error = TooLong {
        what: "line",
        limit: 16,
    };
    assert_eq!(decoder.feed(b"data: 0123456789", &mut events), Ok(()));
    assert_eq!(decoder.feed(b"0", &mut events), Err(error));
    assert!(decoder.held() <= 16, "{}", decoder.held());
}
