//! Messages of `application/vnd.amazon.eventstream`.

use serde_json::Value;

/// Type of a header's value that is text.
const TEXT: u8 = 7;

/// An event of this name.
pub fn event(name: &str, payload: &Value) -> Vec<u8> {
    let headers = [
        (":message-type", "event"),
        (":event-type", name),
        (":content-type", "application/json"),
    ];
    message(&headers, payload.to_string().as_bytes())
}

/// Lengths and their checksum, headers, payload, and the checksum of it all. A header's value has at most 65,535 bytes, its name 255.
fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or_default());
        head.extend_from_slice(name.as_bytes());
        head.push(TEXT);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let word = |n: usize| u32::try_from(n).unwrap_or_default().to_be_bytes();
    let mut whole = Vec::new();
    whole.extend_from_slice(&word(16 + head.len() + payload.len()));
    whole.extend_from_slice(&word(head.len()));
    whole.extend_from_slice(&crc32(&whole).to_be_bytes());
    whole.extend_from_slice(&head);
    whole.extend_from_slice(payload);
    whole.extend_from_slice(&crc32(&whole).to_be_bytes());
    whole
}

/// CRC-32 of IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_the_test_vectors_of_aws_have_it() {
        assert_eq!(
            hex::encode(message(&[], b"")),
            "000000100000000005c248eb7d98c8ff"
        );
        assert_eq!(
            hex::encode(message(&[], b"{'foo':'bar'}")),
            "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936"
        );
    }
}
