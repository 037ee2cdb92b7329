//! Whether one more stream can be answered in time, by how the last ones were.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How far back is looked.
const SPAN: Duration = Duration::from_secs(10);

/// Answers that are remembered: those of 100 streams that ask twice a second.
const MOST: usize = 2_000;

/// Fewer say nothing about the hundredth part of them.
const FEWEST: usize = 20;

/// The share of windows that may be skipped before no more streams are taken.
const SKIPPED_SHARE: f64 = 0.02;

/// The times that the streams' windows took lately.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    recent: Mutex<VecDeque<Sample>>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    /// From the last sample to the answer; `None` where the window was skipped.
    took: Option<Duration>,
}

impl Latency {
    /// A window was answered for after `took`.
    pub(crate) fn answered(&self, took: Duration) {
        self.push(Sample { at: Instant::now(), took: Some(took) });
    }

    /// A window was skipped, because the one before it was not answered yet.
    pub(crate) fn skipped(&self) {
        self.push(Sample { at: Instant::now(), took: None });
    }

    fn push(&self, sample: Sample) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while recent.len() >= MOST || recent.front().is_some_and(|old| sample.at - old.at > SPAN) {
            recent.pop_front();
        }
        recent.push_back(sample);
    }

    /// Whether one stream more than `open` can be promised an answer within `promise`: if the slowest hundredth of the
    /// last answers, taken to grow as the number of streams does, is below it, and hardly a window had to be skipped.
    pub(crate) fn admits(&self, open: usize, promise: Duration) -> bool {
        let now = Instant::now();
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = recent.iter().filter(|sample| now - sample.at <= SPAN);
        let (mut took, mut skipped) = (Vec::new(), 0usize);
        for sample in lately {
            match sample.took {
                Some(duration) => took.push(duration),
                None => skipped += 1,
            }
        }
        drop(recent);
        if open == 0 || took.len() + skipped < FEWEST {
            return true;
        }
        took.sort_unstable();
        let slow = took.len().saturating_sub(1 + took.len() / 100);
        let p99 = took.get(slow).copied().unwrap_or_default();
        let expected = p99.mul_f64((open + 1) as f64 / open as f64);
        let share = skipped as f64 / (took.len() + skipped) as f64;
        expected <= promise && share <= SKIPPED_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMISE: Duration = Duration::from_millis(250);

    fn after(milliseconds: &[u64]) -> Latency {
        let latency = Latency::default();
        for &count in milliseconds {
            latency.answered(Duration::from_millis(count));
        }
        latency
    }

    #[test]
    fn who_was_fast_takes_one_more_and_who_was_slow_does_not() {
        assert!(after(&[10; 100]).admits(10, PROMISE));
        assert!(!after(&[240; 100]).admits(10, PROMISE), "264 ms are expected with one stream more");
        assert!(after(&[240; 100]).admits(50, PROMISE), "of fifty, one more makes 245 ms");
        assert!(!after(&[260; 100]).admits(50, PROMISE));
    }

    #[test]
    fn the_slowest_of_a_hundred_is_forgiven() {
        let mut times = vec![10; 200];
        times[7] = 5_000;
        assert!(after(&times).admits(10, PROMISE));
        times[..20].fill(5_000);
        assert!(!after(&times).admits(10, PROMISE));
    }

    #[test]
    fn without_streams_or_without_answers_there_is_room() {
        assert!(Latency::default().admits(3, PROMISE));
        assert!(after(&[900; 100]).admits(0, PROMISE), "those streams are gone");
        assert!(after(&[900; 3]).admits(3, PROMISE));
    }

    #[test]
    fn windows_that_had_to_be_skipped_close_the_door() {
        let latency = after(&[10; 100]);
        assert!(latency.admits(10, PROMISE));
        (0..5).for_each(|_| latency.skipped());
        assert!(!latency.admits(10, PROMISE));
    }
}
