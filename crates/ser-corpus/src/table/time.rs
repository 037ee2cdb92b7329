//! Times as tables write them.

use std::time::Duration;

use crate::segment::parse_seconds;

/// Reads seconds (`1.5`), a clock (`00:01:02.5`, `1:02.5`) or what pandas writes for a time (`0 days 00:00:01.5`);
/// nothing where it is none of these or negative.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (days, clock) = match text.split_once(" day") {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock.strip_prefix('s').unwrap_or(clock).trim()),
        None => (0, text),
    };
    // A column of whole days is written without a clock.
    let clock = if days_alone(text, clock) { "0" } else { clock.trim_start_matches('+') };
    let mut parts = clock.rsplit(':');
    let seconds = parse_seconds(parts.next()?)?;
    let mut whole = |limit: u64| match parts.next() {
        Some(part) => part.parse::<u64>().ok().filter(|&part| part <= limit),
        None => Some(0),
    };
    let (minutes, hours) = (whole(59)?, whole(1_000_000)?);
    if parts.next().is_some() {
        return None;
    }
    let minutes = days.checked_mul(24)?.checked_add(hours)?.checked_mul(60)?.checked_add(minutes)?;
    Duration::from_secs(minutes.checked_mul(60)?).checked_add(seconds)
}

fn days_alone(text: &str, clock: &str) -> bool {
    clock.is_empty() && text.contains(" day")
}

/// Whether a table leaves this time open, as pandas does with `NaT`.
pub(super) fn is_open(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "" | "nat" | "nan" | "none" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_clocks_and_pandas_times_are_read() {
        for (text, seconds) in [
            ("1.5", 1.5),
            ("0", 0.0),
            (" 12 ", 12.0),
            ("00:00:01.5", 1.5),
            ("1:02.25", 62.25),
            ("01:00:00", 3600.0),
            ("0 days 00:00:01.523437500", 1.5234375),
            ("1 days 00:00:00", 86400.0),
            ("0 days", 0.0),
            ("0 days +00:00:02", 2.0),
        ] {
            assert_eq!(parse(text).map(|time| time.as_secs_f64()), Some(seconds), "{text}");
        }
        for wrong in [
            "",
            "-1",
            "x",
            "1:60:00",
            "1:2:3:4",
            "-1 days +23:59:59",
            "1.5s",
            "1,5",
            "18446744073709551615 days 1",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert!(is_open("NaT") && is_open("") && !is_open("0"));
    }
}
