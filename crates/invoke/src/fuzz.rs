//! Fuzz targets: what an agent says, streams of events, and the signature.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};
use testfuzz::{fuzz, prop_assert, prop_assert_eq};

use crate::agent_message::{AgentMessage, Reader, answer};
use crate::sign::{Cover, NOTHING, Signable, sign_generally};
use crate::sigv4_fast;
use crate::sse::{Decoder, Event, TooLong};

/// An answer, an event's data or a frame: the same however its JSON is written, and no longer than it was.
#[test]
fn chat() {
    fuzz("chat", |input| {
        let text = String::from_utf8_lossy(input);
        let tree = serde_json::from_str::<Value>(&text).ok();
        if let Some(tree) = &tree {
            let short = tree.to_string();
            for other in [format!("{tree:#}"), reversed(tree)] {
                for read in [whole, piece] {
                    prop_assert_eq!(comparable(read(&short)), comparable(read(&other)));
                }
            }
        }
        let said = [vec![answer(input), piece(&text)], frame(&text)].concat();
        let length: usize = said.iter().map(|said| words(said).len()).sum();
        prop_assert!(
            length <= 3 * (text.len() + "the agent failed".len()),
            "{length} bytes"
        );
        if let Some(data) = text
            .strip_prefix("data:")
            .and_then(|rest| rest.strip_suffix("\n\n"))
            && !data.contains(['\n', '\r'])
        {
            prop_assert_eq!(
                frame(&text),
                [piece(data.strip_prefix(' ').unwrap_or(data))]
            );
        }
        Ok(tree.is_some_and(|tree| tree.is_object()) || text.starts_with("data:"))
    });
}

fn whole(text: &str) -> AgentMessage {
    answer(text.as_bytes())
}

fn piece(text: &str) -> AgentMessage {
    Reader::default().piece(text)
}

fn frame(text: &str) -> Vec<AgentMessage> {
    Reader::default().frame(text)
}

/// A tree with the members of its objects in the other order.
fn reversed(tree: &Value) -> String {
    match tree {
        Value::Object(members) => {
            let members = members.iter().rev();
            let members =
                members.map(|(name, value)| format!("{}:{}", json!(name), reversed(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(reversed).collect();
            format!("[{}]", values.join(","))
        }
        other => other.to_string(),
    }
}

/// Without the ways in which the same JSON can be written.
fn comparable(said: AgentMessage) -> AgentMessage {
    let written =
        |text: String| serde_json::from_str::<Value>(&text).map_or(text, |tree| tree.to_string());
    match said {
        AgentMessage::Text(text) => AgentMessage::Text(written(text)),
        AgentMessage::Failed(text) => AgentMessage::Failed(written(text)),
        other => other,
    }
}

fn words(said: &AgentMessage) -> &str {
    match said {
        AgentMessage::Text(text) | AgentMessage::Failed(text) => text,
        AgentMessage::Nothing | AgentMessage::Done | AgentMessage::Unknown => "",
    }
}

/// A stream after a line with its two bounds: wherever it is cut it is what the standard says, and takes no more memory than the bounds allow.
#[test]
fn sse() {
    fuzz("sse", |input| {
        let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let (bounds, stream) = input.split_at(line);
        let bounds = String::from_utf8_lossy(bounds);
        let mut bounds = bounds
            .split(' ')
            .map(|bound| bound.parse::<usize>().unwrap_or(256).min(4096));
        let limits = (bounds.next().unwrap_or(256), bounds.next().unwrap_or(256));
        let stream = &stream[stream.len().min(1)..];
        let (events, end) = decoded(limits, stream, stream.len().max(1));
        for size in [1, 2, 3, 7] {
            prop_assert_eq!(
                decoded(limits, stream, size),
                (events.clone(), end),
                "cut into {}",
                size
            );
        }
        let standard = by_standard(stream);
        if end.is_ok() {
            prop_assert_eq!(&events, &standard);
        } else {
            prop_assert!(standard.starts_with(&events));
        }
        Ok(!events.is_empty())
    });
}

/// The events of a stream that comes in pieces of this size.
fn decoded(
    (limit, line): (usize, usize),
    stream: &[u8],
    size: usize,
) -> (Vec<Event>, Result<(), TooLong>) {
    let mut decoder = Decoder::new(limit).with_lines_of(line);
    let mut events = Vec::new();
    for piece in stream.chunks(size) {
        if let Err(error) = decoder.feed(piece, &mut events) {
            return (events, Err(error));
        }
        // Vectors grow by doubling, and a byte that is not UTF-8 becomes three.
        let held = decoder.held();
        assert!(held <= 6 * limit + 64, "{held} bytes held");
    }
    let kept = kept(&events);
    assert!(
        kept <= 3 * stream.len(),
        "{kept} bytes out of {}",
        stream.len()
    );
    events.extend(decoder.finish());
    (events, Ok(()))
}

/// Bytes that events keep, an id that several share once.
fn kept(events: &[Event]) -> usize {
    let (mut bytes, mut last) = (0, None);
    for Event { event, data, id } in events {
        bytes += data.len() + event.as_ref().map_or(0, String::len);
        let shared = id.as_ref().map(Arc::as_ptr) == last;
        bytes += id.as_ref().filter(|_| !shared).map_or(0, |id| id.len());
        last = id.as_ref().map(Arc::as_ptr);
    }
    bytes
}

/// The events of a whole stream by WHATWG HTML, section 9.2.6, and what its end leaves unfinished as one more.
fn by_standard(stream: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = format!("{text}\n\n")
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let (mut events, mut event, mut data) = (Vec::new(), Event::default(), Vec::new());
    for line in text.split('\n') {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let given = !value.is_empty();
        match name {
            "" if line.is_empty() => {
                let id = event.id.clone();
                let mut ended = std::mem::replace(
                    &mut event,
                    Event {
                        id,
                        ..Event::default()
                    },
                );
                if !data.is_empty() {
                    ended.data = std::mem::take(&mut data).join("\n");
                    events.push(ended);
                }
            }
            "data" => data.push(value.to_owned()),
            "event" => event.event = given.then(|| value.to_owned()),
            "id" if !value.contains('\0') => event.id = given.then(|| value.into()),
            _ => {}
        }
    }
    events
}

/// A request, where and when it is signed, a token and headers, line by line: what the short way signs, aws-sigv4 signs the same.
#[test]
fn signature() {
    fuzz("signature", |input| {
        let text = String::from_utf8_lossy(input);
        let mut lines = text.split('\n');
        let mut words = |count| {
            lines
                .next()
                .unwrap_or_default()
                .splitn(count, ' ')
                .collect::<Vec<_>>()
        };
        let (request, scope, token) = (words(2), words(3), words(1));
        let (&[method, uri], &[region, seconds, cover]) = (request.as_slice(), scope.as_slice())
        else {
            return Ok(false);
        };
        let uri = uri
            .parse::<Uri>()
            .ok()
            .filter(|uri| uri.authority().is_some());
        let seconds = seconds.parse::<u64>().ok();
        // What a clock can say, up to the year 9999.
        let (Some(uri), Some(seconds @ ..253_402_300_800)) = (uri, seconds) else {
            return Ok(false);
        };
        let at = UNIX_EPOCH + Duration::from_secs(seconds);
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(value))
            {
                headers.append(name, value);
            }
        }
        let cover = if cover == "session" {
            Cover::Session
        } else {
            Cover::Nothing
        };
        let request = Signable {
            method,
            uri: &uri,
            region,
            sha256: NOTHING,
            cover,
        };
        let token = token
            .first()
            .filter(|token| !token.is_empty())
            .map(|token| (*token).to_owned());
        let credentials = Credentials::new("AKIDEXAMPLE", "secret/+of=nobody", token, None, "test");
        let (mut short, mut general) = (headers.clone(), headers.clone());
        if !sigv4_fast::sign(
            &request,
            &credentials,
            &sigv4_fast::Keys::default(),
            at,
            &mut short,
        ) {
            prop_assert_eq!(short, headers);
            return Ok(false);
        }
        let signed = sign_generally(&request, &Identity::from(credentials), at, &mut general);
        prop_assert_eq!(signed.map(|()| general), Ok(short));
        Ok(true)
    });
}
