//! Handling of unequal class sizes: weights in the loss, or the order of utterances.

use ser_core::random::Random;
use ser_model::{ClassWeights, Sampling};

/// The weight of each class in the loss, given the class of each training utterance; none where all weigh the same.
///
/// Balanced weights are n / (classes · n of the class), as scikit-learn's `compute_class_weight("balanced")`; a class
/// without utterances weighs nothing.
pub(crate) fn class_weights(
    weights: ClassWeights,
    labels: impl ExactSizeIterator<Item = usize>,
    classes: usize,
) -> Option<Vec<f32>> {
    match weights {
        ClassWeights::None => None,
        ClassWeights::Balanced => {
            let all = labels.len() as f64;
            let mut counts = vec![0_u64; classes];
            labels.for_each(|label| counts[label] += 1);
            let weight = |count: u64| if count == 0 { 0.0 } else { all / (classes as f64 * count as f64) };
            Some(counts.into_iter().map(|count| weight(count) as f32).collect())
        }
    }
}

/// The order of an epoch over utterances of the classes `labels`: as many as there are.
///
/// Balanced, each class comes equally often (give or take one): a small one repeatedly in new orders, a large one in
/// part.
pub(crate) fn order(
    sampling: Sampling,
    labels: impl ExactSizeIterator<Item = usize>,
    random: &mut Random,
) -> Vec<usize> {
    let all = labels.len();
    let mut order: Vec<usize> = match sampling {
        Sampling::Shuffled => (0..all).collect(),
        Sampling::Balanced => {
            let mut classes: Vec<Vec<usize>> = Vec::new();
            for (index, label) in labels.enumerate() {
                classes.resize_with(classes.len().max(label + 1), Vec::new);
                classes[label].push(index);
            }
            classes.retain(|members| !members.is_empty());
            // Which classes get one more when the division leaves a remainder is drawn too.
            random.shuffle(&mut classes);
            let (each, rest) = (all / classes.len().max(1), all % classes.len().max(1));
            let mut drawn = Vec::with_capacity(all);
            for (place, members) in classes.iter_mut().enumerate() {
                let mut wanted = each + usize::from(place < rest);
                while wanted > 0 {
                    random.shuffle(members);
                    let taken = wanted.min(members.len());
                    drawn.extend_from_slice(&members[..taken]);
                    wanted -= taken;
                }
            }
            drawn
        }
    };
    random.shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_scikit_learn() {
        // compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2])
        let labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
        let weights = class_weights(ClassWeights::Balanced, labels.into_iter(), 3).unwrap();
        for (weight, expected) in weights.iter().zip([5.0 / 9.0, 10.0 / 9.0, 10.0 / 3.0]) {
            assert!((weight - expected).abs() < 1e-6, "{weights:?}");
        }
        assert_eq!(class_weights(ClassWeights::None, labels.into_iter(), 3), None);
        assert_eq!(class_weights(ClassWeights::Balanced, [0, 0].into_iter(), 2), Some(vec![0.5, 0.0]));
    }

    #[test]
    fn a_shuffled_epoch_holds_everything_once() {
        let mut order = order(Sampling::Shuffled, [0, 0, 1, 1, 1].into_iter(), &mut Random::new(&["x"]));
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_balanced_epoch_holds_every_class_equally_often_and_no_utterance_much_oftener_than_its_fellows() {
        let labels: Vec<usize> = (0..100)
            .map(|index| {
                if index < 80 {
                    0
                } else if index < 95 {
                    2
                } else {
                    3
                }
            })
            .collect();
        let order = order(Sampling::Balanced, labels.iter().copied(), &mut Random::new(&["x"]));
        assert_eq!(order.len(), 100);
        let mut times = vec![0; 100];
        order.iter().for_each(|&index| times[index] += 1);
        for (class, members) in [(0, 0..80), (2, 80..95), (3, 95..100)] {
            let times = &times[members];
            let all: usize = times.iter().sum();
            assert!((33..=34).contains(&all), "class {class} comes {all} times");
            let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
            assert!(most - least <= 1, "class {class}: from {least} to {most} times");
        }
    }
}
