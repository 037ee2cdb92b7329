//! Leaving out what lies before and after the speech.

use std::ops::Range;

use crate::{FeatureConfig, FrameLayout, window};

/// Finds the frames of speech, with its buffers.
#[derive(Debug)]
pub(crate) struct Trim {
    top_db: f64,
    layout: FrameLayout,
    window: Vec<f64>,
    frame: Vec<f64>,
    energies: Vec<f64>,
}

impl Trim {
    pub(crate) fn new(config: &FeatureConfig, top_db: f64) -> Self {
        Self {
            top_db,
            layout: FrameLayout::new(config),
            window: window(config.window, config.win_length, config.n_fft),
            frame: vec![0.0; config.n_fft],
            energies: Vec::new(),
        }
    }

    /// Which of the `count` frames of `samples` are kept, by their energy under the window.
    #[inline(always)]
    pub(crate) fn frames(&mut self, samples: &[f32], count: usize) -> Range<usize> {
        self.energies.clear();
        for index in 0..count {
            self.layout.windowed(samples, index, &self.window, &mut self.frame);
            self.energies.push(self.frame.iter().map(|value| value * value).sum());
        }
        trim(&self.energies, self.top_db)
    }
}

/// The frames from the first to the last whose energy is within `top_db` of the loudest one's: all, where every frame is
/// silent. `librosa.effects.trim` goes by the same rule, with frames of its own.
fn trim(energies: &[f64], top_db: f64) -> Range<usize> {
    let loudest = energies.iter().copied().fold(0.0, f64::max);
    let least = loudest * 10.0_f64.powf(-top_db / 10.0);
    let is_loud = |energy: &f64| *energy >= least;
    let first = energies.iter().position(is_loud).unwrap_or(0);
    let last = energies.iter().rposition(is_loud).map_or(energies.len(), |last| last + 1);
    first..last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_frames_go_at_both_ends_and_stay_in_the_middle() {
        let energies = [1e-4, 0.0, 1.0, 1e-9, 0.5, 1e-3, 1e-4];
        assert_eq!(trim(&energies, 35.0), 2..6);
        assert_eq!(trim(&energies, 20.0), 2..5);
        assert_eq!(trim(&energies, 41.0), 0..7);
    }

    #[test]
    fn silence_is_left_as_it_is() {
        assert_eq!(trim(&[0.0; 4], 35.0), 0..4);
        assert_eq!(trim(&[], 35.0), 0..0);
    }
}
