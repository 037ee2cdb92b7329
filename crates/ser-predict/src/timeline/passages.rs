//! Neighbouring slots with the same answer, as one passage.

use serde::Serialize;

use crate::timeline::Slot;

/// How far two slots may be apart to be of one passage, seconds: they touch, but for rounding.
const TOUCHING_S: f64 = 1e-6;

/// A part of a recording with one answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Passage {
    /// When it starts, seconds.
    pub start_s: f64,
    /// When it ends, seconds.
    pub end_s: f64,
    /// Index of the most probable class.
    pub predicted: usize,
    /// Mean probability of each class over its slots.
    pub probabilities: Vec<f32>,
    /// Indices of the classes in the prediction set of these probabilities; `None` of a model without calibration.
    pub set: Option<Vec<usize>>,
    /// Mean over its slots of how usual it is to the model: see [`Answer::share_as_unusual`](crate::Answer).
    pub share_as_unusual: Option<f64>,
}

/// Joins `slots`, each of which is as long as the others but for the last of a stretch; `set_of` makes prediction sets.
pub(super) fn of(slots: &[Slot], set_of: impl Fn(&[f32]) -> Option<Vec<usize>>) -> Vec<Passage> {
    let follows = |a: &Slot, b: &Slot| {
        most_probable(&a.probabilities) == most_probable(&b.probabilities)
            && b.start_s - a.end_s <= TOUCHING_S
    };
    let joined = slots.chunk_by(follows).filter_map(|slots| {
        let (first, last) = (slots.first()?, slots.last()?);
        let n = slots.len() as f64;
        let mean = |class: usize| {
            (slots.iter().map(|slot| f64::from(slot.probabilities[class])).sum::<f64>() / n) as f32
        };
        let probabilities: Vec<f32> = (0..first.probabilities.len()).map(mean).collect();
        let shares: Option<Vec<f64>> = slots.iter().map(|slot| slot.share_as_unusual).collect();
        Some(Passage {
            start_s: first.start_s,
            end_s: last.end_s,
            predicted: most_probable(&probabilities),
            set: set_of(&probabilities),
            probabilities,
            share_as_unusual: shares.map(|shares| shares.iter().sum::<f64>() / n),
        })
    });
    joined.collect()
}

/// The class with the highest probability; the first of equals.
fn most_probable(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_joined_while_they_touch_and_agree() {
        let slot = |start_s: f64, probabilities: [f32; 2]| Slot {
            start_s,
            end_s: start_s + 1.0,
            probabilities: probabilities.to_vec(),
            share_as_unusual: None,
        };
        let slots = [
            slot(0.0, [0.875, 0.125]),
            slot(1.0, [0.625, 0.375]),
            slot(2.0, [0.2, 0.8]),
            slot(4.0, [0.4, 0.6]),
        ];
        let passages = of(&slots, |_| None);
        let times: Vec<(f64, f64, usize)> =
            passages.iter().map(|passage| (passage.start_s, passage.end_s, passage.predicted)).collect();
        assert_eq!(times, [(0.0, 2.0, 0), (2.0, 3.0, 1), (4.0, 5.0, 1)]);
        assert_eq!(passages[0].probabilities, [0.75, 0.25]);
        assert_eq!(of(&[], |_| None), []);
    }
}
