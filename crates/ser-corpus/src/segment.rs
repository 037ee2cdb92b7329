//! A part of a longer recording: where it begins and ends, and how it is named in a manifest.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use ser_core::{Error, ErrorKind, Result};

/// What separates a recording's path from its segment, as in the W3C's Media Fragments URI 1.0: `a.wav#t=1.25,3.5`.
const MARK: &str = "#t=";

/// How far a segment may end after its recording: tables round times, to hundredths of a second at worst.
const OVERSHOOT: Duration = Duration::from_millis(50);

/// A part of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    start: Duration,
    end: Option<Duration>,
}

impl Segment {
    /// From `start` to `end`, counted from the beginning of the recording; without an end, to that of the recording.
    ///
    /// # Errors
    /// When it does not end after it starts.
    pub fn new(start: Duration, end: Option<Duration>) -> Result<Self> {
        match end {
            Some(end) if end <= start => Err(Error::new(
                ErrorKind::Unusable,
                format!("the segment from {} s to {} s is empty", Seconds(start), Seconds(end)),
            )),
            _ => Ok(Self { start, end }),
        }
    }

    /// When it starts.
    pub fn start(&self) -> Duration {
        self.start
    }

    /// When it ends, unless that is where the recording does.
    pub fn end(&self) -> Option<Duration> {
        self.end
    }

    /// Its samples, of a recording that has `samples` at `sample_rate` Hz. Both ends are rounded to the nearest sample.
    ///
    /// # Errors
    /// When the recording ends before it does, by more than the 50 ms that tables are rounded by, or before it starts.
    pub fn samples(&self, samples: usize, sample_rate: u32) -> Result<Range<usize>> {
        let start = sample_at(self.start, sample_rate);
        let end = self.end.map_or(samples, |end| sample_at(end, sample_rate));
        let beyond = end.saturating_sub(samples) > sample_at(OVERSHOOT, sample_rate);
        if beyond || start >= samples {
            let whole = samples as f64 / f64::from(sample_rate.max(1));
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!("the segment {self} is not inside the recording, which lasts {whole:.3} s"),
            )
            .help("correct its start and end, in seconds from the beginning of the recording"));
        }
        Ok(start..end.min(samples))
    }

    /// How long both last together, if they do.
    pub fn overlap(&self, other: &Self) -> Option<Duration> {
        let end = |segment: &Self| segment.end.unwrap_or(Duration::MAX);
        let (from, to) = (self.start.max(other.start), end(self).min(end(other)));
        to.checked_sub(from).filter(|overlap| !overlap.is_zero())
    }

    /// Start and end in nanoseconds, for keys; the end of the recording is the largest number.
    pub fn nanoseconds(&self) -> [u64; 2] {
        let of = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1);
        [of(self.start), self.end.map_or(u64::MAX, of)]
    }

    /// The path of this segment of the recording at `path`.
    pub fn path_in(&self, path: &str) -> String {
        format!("{path}{MARK}{self}")
    }

    /// Takes the path of an utterance apart: that of its recording, and which segment of it it is, if it is not all.
    pub fn parse_path(path: &str) -> (&str, Option<Self>) {
        let parsed = path.rsplit_once(MARK).and_then(|(recording, times)| {
            let (start, end) = match times.split_once(',') {
                Some((start, end)) => (start, Some(parse_seconds(end)?)),
                None => (times, None),
            };
            let segment = Self::new(parse_seconds(start)?, end).ok()?;
            // One segment has one name.
            (segment.to_string() == times).then_some((recording, segment))
        });
        parsed.map_or((path, None), |(recording, segment)| (recording, Some(segment)))
    }
}

/// `1.25,3.5`, or `1.25` where it lasts to the end of the recording.
impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Seconds(self.start))?;
        self.end.map_or(Ok(()), |end| write!(f, ",{}", Seconds(end)))
    }
}

/// A time as a decimal number of seconds, to the nanosecond, without trailing zeros.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.0.as_secs(), self.0.subsec_nanos());
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A decimal number of seconds that is not negative, exact to the nanosecond: further digits are rounded.
pub(crate) fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // A hundred years are no recording, and keep all sums in range.
    if seconds > 3_155_760_000 {
        return None;
    }
    let nanoseconds: u64 = format!("{fraction:0<9.9}").parse().ok()?;
    let up = fraction.as_bytes().get(9).is_some_and(|digit| *digit >= b'5');
    Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds + u64::from(up)))
}

fn sample_at(time: Duration, sample_rate: u32) -> usize {
    let nanoseconds = time.as_nanos().saturating_mul(u128::from(sample_rate));
    usize::try_from(nanoseconds.saturating_add(500_000_000) / 1_000_000_000).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(start: &str, end: Option<&str>) -> Segment {
        let time = |text: &str| parse_seconds(text).unwrap();
        Segment::new(time(start), end.map(time)).unwrap()
    }

    #[test]
    fn a_segment_has_one_name_and_reads_back_from_it() {
        for (segment, name) in [
            (segment("1.25", Some("3.5")), "a/b.wav#t=1.25,3.5"),
            (segment("0", Some("10")), "a/b.wav#t=0,10"),
            (segment("00.10", None), "a/b.wav#t=0.1"),
            (segment(".000000001", None), "a/b.wav#t=0.000000001"),
        ] {
            assert_eq!(segment.path_in("a/b.wav"), name);
            assert_eq!(Segment::parse_path(name), ("a/b.wav", Some(segment)));
        }
        for other in
            ["a.wav", "a.wav#t=", "a.wav#t=1.0", "a.wav#t=2,1", "a.wav#t=-1,2", "a.wav#t=1,2,3", "a#t=1e1"]
        {
            assert_eq!(Segment::parse_path(other), (other, None), "{other}");
        }
    }

    #[test]
    fn ends_are_rounded_to_samples_and_must_lie_inside() {
        assert_eq!(segment("0.5", Some("1")).samples(16_000, 16_000).unwrap(), 8_000..16_000);
        assert_eq!(segment("0.00003", None).samples(16_000, 16_000).unwrap(), 0..16_000);
        assert_eq!(segment("0.00004", None).samples(16_000, 16_000).unwrap(), 1..16_000);
        // A table that rounds to hundredths.
        assert_eq!(segment("0", Some("1.01")).samples(16_000, 16_000).unwrap(), 0..16_000);
        for (start, end) in [("0", Some("1.1")), ("1", None), ("99999", Some("100000"))] {
            let error = segment(start, end).samples(16_000, 16_000).unwrap_err().to_string();
            assert!(error.contains("lasts 1.000 s"), "{error}");
        }
        assert!(Segment::new(Duration::from_secs(1), Some(Duration::from_secs(1))).is_err());
    }

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        assert_eq!(parse_seconds("0.1234567894").unwrap().as_nanos(), 123_456_789);
        assert_eq!(parse_seconds("0.1234567895").unwrap().as_nanos(), 123_456_790);
        assert_eq!(parse_seconds("0.9999999999").unwrap().as_nanos(), 1_000_000_000);
        for wrong in ["", ".", "-1", "1e3", "1,5", "nan", "inf", " 1", "99999999999999999999", "9999999999"] {
            assert_eq!(parse_seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn segments_overlap_where_both_last() {
        let overlap = |a: &Segment, b: &Segment| a.overlap(b).map(|time| time.as_secs_f64());
        assert_eq!(overlap(&segment("0", Some("2")), &segment("1.5", Some("3"))), Some(0.5));
        assert_eq!(overlap(&segment("0", Some("2")), &segment("2", None)), None);
        assert_eq!(overlap(&segment("0", None), &segment("7", Some("8"))), Some(1.0));
    }
}
