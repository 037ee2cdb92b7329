//! Leaving out what lies before and after the speech.

use std::ops::Range;

/// The frames from the first to the last whose energy is within `top_db` of the loudest one's: all, where every frame is
/// silent. `librosa.effects.trim` goes by the same rule, with frames of its own.
pub fn trim(energies: &[f64], top_db: f64) -> Range<usize> {
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
