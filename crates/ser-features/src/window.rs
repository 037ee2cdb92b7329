//! Window functions, as `librosa.filters.get_window`.

use std::f64::consts::TAU;

use crate::Window;

/// The periodic window of `win_length` samples, centred in `n_fft` samples with zeros around it.
///
/// Periodic (`w[n] = a − (1 − a)·cos(2πn / win_length)`) is what spectral analysis wants: the windows of successive
/// frames sum to a constant.
pub fn window(kind: Window, win_length: usize, n_fft: usize) -> Vec<f64> {
    let a = match kind {
        Window::Hann => 0.5,
        Window::Hamming => 0.54,
    };
    let left = n_fft.saturating_sub(win_length) / 2;
    let mut padded = vec![0.0; n_fft];
    for (n, value) in padded.iter_mut().skip(left).take(win_length).enumerate() {
        // One sample has no shape: SciPy gives 1 where the formula would give 0.
        *value =
            if win_length == 1 { 1.0 } else { a - (1.0 - a) * (TAU * n as f64 / win_length as f64).cos() };
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_periodic_hann_window_starts_at_zero_and_peaks_in_the_middle() {
        let hann = window(Window::Hann, 8, 8);
        assert_eq!(hann[0], 0.0);
        assert_eq!(hann[4], 1.0);
        assert!((hann[1] - hann[7]).abs() < 1e-15);
        assert!((window(Window::Hamming, 8, 8)[0] - 0.08).abs() < 1e-15);
    }

    #[test]
    fn a_shorter_window_sits_in_the_middle_of_the_frame() {
        let padded = window(Window::Hamming, 4, 9);
        assert_eq!(padded.iter().position(|&w| w > 0.0), Some(2));
        assert_eq!(padded.iter().rposition(|&w| w > 0.0), Some(5));
    }

    #[test]
    fn a_window_of_one_sample_is_one() {
        assert_eq!(window(Window::Hann, 1, 3), [0.0, 1.0, 0.0]);
    }
}
