//! What is said of an utterance to tell whether it is like others.

use ser_core::{Error, ErrorKind, Result};

/// The mean of each coefficient of an utterance over its frames, `[channel, band]`, and after all of them their standard
/// deviations (of the population), likewise: `2 · channels · bands` numbers.
///
/// `features` are as the extractor gives them, before any normalisation: `[channel, band, frame]`, row-major, of `shape`.
/// The first `frames` of each row are real, at least one and at most all of them.
///
/// Means tell of microphone, room and voice, deviations of how lively the speech is and how quiet its pauses are. Either
/// alone misses another corpus on some features; together they do not (`docs/generalisation.md`).
///
/// # Errors
/// [`ErrorKind::Mismatch`] where `features` are not of that shape, [`ErrorKind::Unusable`] where one is not a finite number.
pub fn describe(features: &[f32], shape: [usize; 3], frames: usize) -> Result<Vec<f64>> {
    let [channels, bands, width] = shape;
    let size = channels.checked_mul(bands).and_then(|rows| rows.checked_mul(width));
    if size != Some(features.len()) || features.is_empty() {
        let what = format!("{} features are no utterance of shape {shape:?}", features.len());
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    let real = frames.clamp(1, width);
    let (mut means, mut deviations) = (Vec::new(), Vec::new());
    for row in features.chunks_exact(width) {
        let values = || row[..real].iter().map(|value| f64::from(*value));
        let mean = values().sum::<f64>() / real as f64;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / real as f64;
        if !variance.is_finite() {
            return Err(Error::new(ErrorKind::Unusable, "has features that are not finite numbers"));
        }
        means.push(mean);
        deviations.push(variance.sqrt());
    }
    means.append(&mut deviations);
    Ok(means)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_utterance_is_means_then_deviations_of_its_real_frames() {
        let features = [1.0, 3.0, 9.0, 2.0, 2.0, -9.0, 0.0, 8.0, 0.0, 5.0, 6.0, 0.0];
        let found = describe(&features, [2, 2, 3], 2).unwrap();
        assert_eq!(found, [2.0, 2.0, 4.0, 5.5, 1.0, 0.0, 4.0, 0.5]);
        assert_eq!(describe(&features, [2, 2, 3], 0).unwrap()[..4], [1.0, 2.0, 0.0, 5.0]);
        assert_eq!(describe(&features, [1, 1, 12], 99).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_utterance_is_refused() {
        let kind = |features: &[f32], shape| describe(features, shape, 1).unwrap_err().kind();
        assert_eq!(kind(&[1.0; 6], [1, 2, 2]), ErrorKind::Mismatch);
        assert_eq!(kind(&[], [0, 2, 2]), ErrorKind::Mismatch);
        assert_eq!(kind(&[1.0; 6], [usize::MAX, 2, 3]), ErrorKind::Mismatch);
        for wrong in [f32::NAN, f32::INFINITY] {
            assert_eq!(kind(&[0.0, wrong], [1, 2, 1]), ErrorKind::Unusable);
        }
    }
}
