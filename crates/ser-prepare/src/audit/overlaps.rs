//! Segments of one recording that have sound in common and are on both sides of the test.

use std::collections::HashMap;

use ser_cache::{ManifestLine, Utterance};
use ser_corpus::Segment;

use crate::audit::lines;

/// What two segments may share: times in tables are often rounded to hundredths of a second.
const ROUNDING_S: f64 = 0.02;

/// How many utterances of the test side share sound of their recording with one of `rest`.
pub(super) fn overlapping_segments<L: ManifestLine>(rest: [&[L]; 2], test: &[L]) -> usize {
    if lines(test).all(|utterance| utterance.start_s.is_none()) {
        return 0;
    }
    let mut others: HashMap<&str, Vec<(f64, f64)>> = HashMap::new();
    for (recording, span) in rest.into_iter().flat_map(lines).filter_map(span_of) {
        others.entry(recording).or_default().push(span);
    }
    for spans in others.values_mut() {
        spans.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        // The latest end of all that start no later, so that one look at a sorted list is enough.
        let mut latest = 0.0_f64;
        for (_, end) in spans.iter_mut() {
            latest = latest.max(*end);
            *end = latest;
        }
    }
    let overlaps = |(recording, (start, end)): (&str, (f64, f64))| {
        let Some(spans) = others.get(recording) else { return false };
        let before = spans.partition_point(|(other, _)| *other < end - ROUNDING_S);
        before
            .checked_sub(1)
            .and_then(|last| spans.get(last))
            .is_some_and(|(_, end)| *end > start + ROUNDING_S)
    };
    lines(test).filter_map(span_of).filter(|one| overlaps(*one)).count()
}

/// The recording that an utterance is cut from, and from when to when, seconds; none of an augmented copy, whose original
/// says it.
fn span_of(utterance: Utterance<&str>) -> Option<(&str, (f64, f64))> {
    let (recording, _) = Segment::parse_path(utterance.path);
    let span = (utterance.start_s.unwrap_or(0.0), utterance.end_s.unwrap_or(f64::INFINITY));
    utterance.parent.is_none().then_some((recording, span))
}
