//! Durations of manifests: `90s`, `15m`, `1h30m`.

/// Why a text is not a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum DurationError {
    /// It is empty.
    #[error("duration is empty")]
    Empty,
    /// It is not hours, minutes and seconds in this order, each a whole number and at most once.
    #[error(
        "duration must be whole hours, minutes and seconds in this order, such as 8h, 15m or 1h30m"
    )]
    Form,
    /// It has more seconds than 32 bits hold.
    #[error("duration is longer than 4294967295s")]
    TooLong,
}

/// Seconds of a duration such as `90s`, `15m` or `1h30m`.
///
/// Units are `h`, `m` and `s`, in this order, each at most once, with whole numbers. The limits of a field (such as 60s
/// to 336h) are not checked here.
pub fn parse_duration(text: &str) -> Result<u32, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = text;
    let mut total = 0_u32;
    for (unit, seconds) in [('h', 3600), ('m', 60), ('s', 1)] {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let Some(tail) = tail.strip_prefix(unit) else {
            continue;
        };
        if number.is_empty() {
            return Err(DurationError::Form);
        }
        let number: u32 = number.parse().map_err(|_| DurationError::TooLong)?;
        total = number
            .checked_mul(seconds)
            .and_then(|more| total.checked_add(more))
            .ok_or(DurationError::TooLong)?;
        rest = tail;
    }
    if rest.is_empty() {
        Ok(total)
    } else {
        Err(DurationError::Form)
    }
}

/// Seconds of a field that the schema has checked; where it says nothing, `otherwise`.
pub fn seconds_or(text: Option<&str>, otherwise: u32) -> u32 {
    text.and_then(|text| parse_duration(text).ok())
        .unwrap_or(otherwise)
}
