//! Which windows of a stream are due, and which are skipped because the server is late.

use std::collections::VecDeque;
use std::time::Instant;

/// A window whose last sample has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Where it ends, in samples.
    pub(super) end: u64,
    /// When its last sample came.
    pub(super) received: Instant,
    /// Whether it is the first one of its message. The others wait for those before them because the client has sent them
    /// together, and not because this server is late.
    pub(super) first: bool,
}

/// The windows of a stream: one at each hop.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Samples from one window to the next.
    hop: u64,
    /// Where the next window ends that is not due yet.
    next: u64,
    /// Windows that are due: all by the same message.
    due: VecDeque<Due>,
}

impl Schedule {
    /// A window every `hop` samples.
    pub(super) fn new(hop: u64) -> Self {
        Self { hop, next: hop, due: VecDeque::new() }
    }

    /// Takes note of the windows that became due with the message that was `received` last, after which there are `total`
    /// samples: one at each hop, also where that lies inside the message. Those of an earlier message that still wait by then
    /// are returned, and are not due any more.
    pub(super) fn advance(&mut self, total: u64, received: Instant) -> VecDeque<Due> {
        if self.next > total {
            return VecDeque::new();
        }
        let late = std::mem::take(&mut self.due);
        while self.next <= total {
            self.due.push_back(Due { end: self.next, received, first: self.due.is_empty() });
            self.next += self.hop;
        }
        late
    }

    /// The window to answer for next, which is not due any more then.
    pub(super) fn pop(&mut self) -> Option<Due> {
        self.due.pop_front()
    }

    /// Where the window after it ends, due or not.
    pub(super) fn following(&self) -> u64 {
        self.due.front().map_or(self.next, |due| due.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(windows: impl IntoIterator<Item = Due>) -> Vec<(u64, bool)> {
        windows.into_iter().map(|due| (due.end, due.first)).collect()
    }

    fn popped(schedule: &mut Schedule) -> Vec<(u64, bool)> {
        ends(std::iter::from_fn(|| schedule.pop()))
    }

    #[test]
    fn a_window_is_due_at_every_hop_also_inside_of_a_message() {
        let (mut schedule, now) = (Schedule::new(10), Instant::now());
        assert!(schedule.advance(9, now).is_empty());
        assert_eq!((schedule.pop(), schedule.following()), (None, 10));
        assert!(schedule.advance(35, now).is_empty());
        assert_eq!(schedule.following(), 10);
        assert_eq!(popped(&mut schedule), [(10, true), (20, false), (30, false)]);
        assert_eq!(schedule.following(), 40);
    }

    #[test]
    fn what_still_waits_when_more_windows_are_due_is_late() {
        let (mut schedule, now) = (Schedule::new(10), Instant::now());
        assert!(schedule.advance(20, now).is_empty());
        assert!(schedule.advance(29, now).is_empty(), "no other window is due");
        assert_eq!(ends(schedule.advance(30, now)), [(10, true), (20, false)]);
        assert_eq!(popped(&mut schedule), [(30, true)]);
    }
}
