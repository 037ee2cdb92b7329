//! Windows over a stretch of speech, and what they say of each slot of it.

use std::ops::Range;

use crate::timeline::{Heard, Slot};

/// Windows of `window` samples over `stretch`, one every `hop`, the last one ending with it; one shorter window where the
/// stretch is shorter.
pub(super) fn over(stretch: &Range<usize>, window: usize, hop: usize) -> Vec<Range<usize>> {
    if stretch.len() <= window {
        return vec![stretch.clone()];
    }
    let last = stretch.end - window;
    let mut starts: Vec<usize> = (stretch.start..last).step_by(hop.max(1)).collect();
    starts.push(last);
    starts.into_iter().map(|start| start..start + window).collect()
}

/// The slots of `hop` samples that `stretch` is made of, each with the mean of the windows `heard` that its middle lies in;
/// slots that no window was heard for are left out.
pub(super) fn slots(stretch: &Range<usize>, hop: usize, heard: &[Heard], sample_rate: u32) -> Vec<Slot> {
    let seconds = |sample: usize| sample as f64 / f64::from(sample_rate.max(1));
    let mut slots = Vec::new();
    for start in stretch.clone().step_by(hop.max(1)) {
        let end = (start + hop).min(stretch.end);
        let middle = start + (end - start) / 2;
        let over: Vec<&Heard> = heard.iter().filter(|(window, _)| window.contains(&middle)).collect();
        let Some((_, first)) = over.first() else { continue };
        let n = over.len() as f64;
        let mean = |class: usize| {
            let sum: f64 = over.iter().map(|(_, answer)| f64::from(answer.probabilities[class])).sum();
            (sum / n) as f32
        };
        let shares: Option<Vec<f64>> = over.iter().map(|(_, answer)| answer.share_as_unusual).collect();
        slots.push(Slot {
            start_s: seconds(start),
            end_s: seconds(end),
            probabilities: (0..first.probabilities.len()).map(mean).collect(),
            share_as_unusual: shares.map(|shares| shares.iter().sum::<f64>() / n),
        });
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Answer;

    fn heard(window: Range<usize>, probabilities: &[f32]) -> Heard {
        let answer = Answer {
            predicted: 0,
            probabilities: probabilities.to_vec(),
            set: None,
            share_as_unusual: None,
            out_of_domain: None,
            heard_in: None,
            frames_cut: 0,
            seconds: 0.0,
        };
        (window, answer)
    }

    #[test]
    fn windows_cover_a_stretch_to_its_end() {
        for short in [5..12, 0..10] {
            assert_eq!(over(&short, 10, 3), std::slice::from_ref(&short));
        }
        assert_eq!(over(&(0..17), 10, 3), [0..10, 3..13, 6..16, 7..17]);
        assert_eq!(over(&(100..116), 10, 3), [100..110, 103..113, 106..116]);
    }

    #[test]
    fn a_slot_is_the_mean_of_the_windows_over_its_middle() {
        let windows = [heard(0..4, &[1.0, 0.0]), heard(2..6, &[0.5, 0.5]), heard(4..8, &[0.0, 1.0])];
        let slots = slots(&(0..9), 2, &windows, 1);
        let means: Vec<&[f32]> = slots.iter().map(|slot| &slot.probabilities[..]).collect();
        // The last slot, from 8 to 9, lies in no window.
        assert_eq!(means, [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]);
        assert_eq!((slots[3].start_s, slots[3].end_s), (6.0, 8.0));
    }
}
