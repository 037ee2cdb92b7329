//! Local derivatives along time, as `librosa.feature.delta`.

/// The derivative of a polynomial fitted to `width` frames around each frame (Savitzky and Golay, Analytical
/// Chemistry 36, 1964): of a straight line for Δ, of a parabola, derived twice, for ΔΔ.
#[derive(Debug, Clone)]
pub struct Delta {
    /// Weights of frame `t + j` for `j` from 0 to `width / 2`; those of `t − j` have [`Delta::sign`] before them.
    weights: Vec<f32>,
    sign: f32,
}

impl Delta {
    /// `order` 1 for Δ, 2 for ΔΔ; `width` in frames, odd, at least 3.
    ///
    /// With `S₂ = Σ j²` over the window, a line's slope is `Σ j·x / S₂`. A parabola's second derivative is
    /// `2·Σ (j² − m)·x / Σ (j² − m)²`, where `m = S₂ / width`.
    pub fn new(width: usize, order: usize) -> Self {
        let half = width / 2;
        let squares = |value: &dyn Fn(f64) -> f64| -> f64 {
            (0..=half).map(|j| if j == 0 { 1.0 } else { 2.0 } * value(j as f64).powi(2)).sum()
        };
        let s2 = squares(&|j| j);
        let mean = s2 / (2 * half + 1) as f64;
        let curvature = squares(&|j| j * j - mean);
        let weight = |j: f64| if order == 1 { j / s2 } else { 2.0 * (j * j - mean) / curvature };
        Self {
            weights: (0..=half).map(|j| weight(j as f64) as f32).collect(),
            sign: if order == 1 { -1.0 } else { 1.0 },
        }
    }

    /// Derivative of `row` at its first `derivative.len()` frames.
    ///
    /// The frames near an end, whose window would reach beyond it, take the derivative of the polynomial fitted to
    /// the outermost window (SciPy's mode `interp`). Where `row` is shorter than a window, its first and last values
    /// are repeated outwards instead (mode `nearest`).
    #[inline(always)]
    pub fn apply(&self, row: &[f32], derivative: &mut [f32]) {
        let half = self.weights.len() - 1;
        let frames = row.len();
        if frames < 2 * half + 1 {
            self.apply_to_short(row, derivative);
            return;
        }
        let (head, rest) = derivative.split_at_mut(half.min(derivative.len()));
        let inner = rest.len().min(frames - 2 * half);
        let (inner, tail) = rest.split_at_mut(inner);
        inner.fill(0.0);
        for (j, &weight) in self.weights.iter().enumerate() {
            let (before, after) = (&row[half - j..], &row[half + j..]);
            // The middle frame is its own mirror image and must not count twice; for Δ its weight is 0 anyway.
            let weight = if j == 0 { weight / 2.0 } else { weight };
            for ((sum, before), after) in inner.iter_mut().zip(before).zip(after) {
                *sum += weight * (after + self.sign * before);
            }
        }
        // The derivative of the highest order of a polynomial is the same everywhere.
        let first = inner.first().copied().unwrap_or_else(|| self.at(row, half));
        head.fill(first);
        tail.fill(inner.last().copied().unwrap_or(first));
    }

    fn apply_to_short(&self, row: &[f32], derivative: &mut [f32]) {
        for (t, derivative) in derivative.iter_mut().enumerate() {
            *derivative = self.at(row, t);
        }
    }

    /// Derivative at frame `t`, with the first and the last frame repeated outwards.
    fn at(&self, row: &[f32], t: usize) -> f32 {
        let frame = |t: usize| row.get(t).or(row.last()).copied().unwrap_or(0.0);
        let term = |(j, weight): (usize, &f32)| {
            let (before, after) = (frame(t.saturating_sub(j)), frame(t + j));
            weight * if j == 0 { after } else { after + self.sign * before }
        };
        self.weights.iter().enumerate().map(term).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(order: usize, row: &[f32]) -> Vec<f32> {
        let mut derivative = vec![f32::NAN; row.len()];
        Delta::new(9, order).apply(row, &mut derivative);
        derivative
    }

    #[test]
    fn a_line_has_its_slope_and_no_curvature_everywhere() {
        let line: Vec<f32> = (0..20).map(|t| 3.0 * t as f32 - 7.0).collect();
        assert!(delta(1, &line).iter().all(|slope| (slope - 3.0).abs() < 1e-5));
        assert!(delta(2, &line).iter().all(|curvature| curvature.abs() < 1e-5));
    }

    #[test]
    fn a_parabola_has_its_second_derivative_everywhere() {
        let parabola: Vec<f32> = (0..9).map(|t| 0.5 * (t * t) as f32 + t as f32).collect();
        assert!(delta(2, &parabola).iter().all(|curvature| (curvature - 1.0).abs() < 1e-5));
    }

    #[test]
    fn fewer_frames_than_the_width_repeat_their_edges() {
        // scipy.signal.savgol_filter([0, 1, 4], 9, 1, deriv=1, mode="nearest"), times 60
        let slopes: Vec<f32> = delta(1, &[0.0, 1.0, 4.0]).iter().map(|slope| slope * 60.0).collect();
        for (slope, expected) in slopes.iter().zip([37.0, 40.0, 39.0]) {
            assert!((slope - expected).abs() < 1e-4, "{slopes:?}");
        }
        assert_eq!(delta(1, &[5.0]), [0.0]);
    }

    #[test]
    fn asking_for_fewer_frames_gives_the_same_first_frames() {
        let row: Vec<f32> = (0..12).map(|t| ((t * 7) % 5) as f32).collect();
        for order in [1, 2] {
            let whole = delta(order, &row);
            for frames in 0..row.len() {
                let mut part = vec![f32::NAN; frames];
                Delta::new(9, order).apply(&row, &mut part);
                assert_eq!(part, whole[..frames], "order {order}, {frames} frames");
            }
        }
    }
}
