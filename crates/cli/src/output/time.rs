//! Times as people read them: how long ago, in at most two units.

use jiff::Timestamp;

/// How long ago a time (RFC 3339) was, such as `5d3h`; empty where there is none.
pub fn ago(time: Option<&str>, now: Timestamp) -> String {
    let Some(at) = time.and_then(|text| text.parse::<Timestamp>().ok()) else {
        return String::new();
    };
    span(now.as_second() - at.as_second())
}

/// Seconds in the two largest units that matter, as kubectl shortens them.
pub fn span(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: char, small: i64, below: char| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{below}")
        }
    };
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, 'y', days % 365, 'd'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shortened_as_kubectl_does() {
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (130, "2m10s"),
            (3600, "60m"),
            (11_000, "3h3m"),
            (100_000, "27h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
            (70_000_000, "2y80d"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
        assert_eq!(ago(Some("no time"), Timestamp::UNIX_EPOCH), "");
    }
}
