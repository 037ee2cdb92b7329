//! How well a classifier does that hears nothing: one that knows only how long a recording is, or how much of it is
//! silence. A network has learnt something about emotion only where it is clearly better than that.

use ser_cache::audit::{Cue, Shortcut};

/// No spread is smaller than this, in the units of the cue: a hundredth of a logarithm or of a dB.
const LEAST_DEVIATION: f64 = 0.01;

/// The number that the Gaussians are about, made of a duration in seconds, a share or a level.
pub(super) fn value(cue: Cue, of: f64) -> f64 {
    match cue {
        Cue::Duration => of.max(1e-3).ln(),
        // So that a frame more or less does not give infinity.
        Cue::Silence => ((of + 0.005) / (1.0 - of + 0.005)).ln(),
        Cue::Level => of,
    }
}

/// Fits on `train` and answers for `test`; each utterance is a class below `classes` and the value of the cue. `None`
/// without any to fit or to answer for.
pub(super) fn shortcut(
    cue: Cue,
    classes: usize,
    train: impl Iterator<Item = (usize, f64)>,
    test: impl Iterator<Item = (usize, f64)>,
) -> Option<Shortcut> {
    let mut fitted = vec![Gaussian::default(); classes];
    for (class, value) in train {
        fitted.get_mut(class)?.add(value);
    }
    let mut recalls = vec![(0_usize, 0_usize); classes];
    for (class, value) in test {
        let likely = fitted.iter().enumerate().filter(|(_, gaussian)| gaussian.count > 0);
        // Of equally probable classes the first, as in a network's output.
        let answer = likely.rev().max_by(|a, b| a.1.log_density(value).total_cmp(&b.1.log_density(value)))?.0;
        let (right, all) = recalls.get_mut(class)?;
        *all += 1;
        *right += usize::from(answer == class);
    }
    let tested: Vec<f64> =
        recalls.iter().filter(|(_, all)| *all > 0).map(|(right, all)| *right as f64 / *all as f64).collect();
    let count = tested.len() as f64;
    (count > 0.0).then(|| Shortcut { cue, uar: tested.iter().sum::<f64>() / count, chance: 1.0 / count })
}

/// Mean and spread of what was added, by Welford's method.
#[derive(Debug, Clone, Default)]
struct Gaussian {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Gaussian {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let from_mean = value - self.mean;
        self.mean += from_mean / self.count as f64;
        self.squares += from_mean * (value - self.mean);
    }

    /// Up to a constant that is the same for all.
    fn log_density(&self, value: f64) -> f64 {
        let deviation = (self.squares / self.count.max(1) as f64).sqrt().max(LEAST_DEVIATION);
        let scaled = (value - self.mean) / deviation;
        -deviation.ln() - 0.5 * scaled * scaled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_different_length_are_told_apart_and_equal_ones_are_not() {
        let side = |gap: f64| (0..60).map(move |i| (i % 2, (i % 2) as f64 * gap + (i / 2 % 5) as f64 * 0.1));
        let apart = shortcut(Cue::Duration, 2, side(5.0), side(5.0)).unwrap();
        assert_eq!((apart.uar, apart.chance), (1.0, 0.5));
        let same = shortcut(Cue::Duration, 2, side(0.0), side(0.0)).unwrap();
        assert_eq!(same.uar, 0.5);
    }

    #[test]
    fn a_class_without_training_is_never_answered_and_one_without_test_counts_for_nothing() {
        let train = [(0, 1.0), (0, 1.1), (1, 3.0), (1, 3.1)];
        let test = [(0, 1.0), (2, 3.0)];
        let found = shortcut(Cue::Duration, 3, train.into_iter(), test.into_iter()).unwrap();
        assert_eq!((found.uar, found.chance), (0.5, 0.5));
        assert_eq!(shortcut(Cue::Duration, 3, train.into_iter(), std::iter::empty()), None);
    }
}
