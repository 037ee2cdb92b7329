//! Melody and loudness of a phrase.

use std::f64::consts::{PI, TAU};

use libm::cos;
use ser_core::random::Random;
use ser_core::ratio::{decibels, semitones};

use crate::articulation::{FRAME, Frame, Marks};
use crate::emotion::Expression;

/// Sets every frame's pitch, and scales its amplitudes, around `calm_pitch` (Hz).
pub(crate) fn intone(
    frames: &mut [Frame],
    marks: &Marks,
    expression: &Expression,
    calm_pitch: f64,
    random: &mut Random,
) {
    let [say, word, spoken] = marks.nuclei;
    let contour = expression.contour;
    let within = |[start, end]: [f64; 2], part: f64| start + part * (end - start);
    let points = [
        (0.0, 0.5 * contour[0]),
        (within(say, 0.5), contour[0]),
        (within(word, 0.5), contour[1]),
        (within(spoken, random.between(0.3, 0.5)), contour[2]),
        (within(spoken, 1.0), contour[3]),
    ];
    let tremor_rate = random.between(5.0, 7.0);
    let tremor_phase = random.between(0.0, TAU);
    let mut drift = 0.0;
    for (index, frame) in frames.iter_mut().enumerate() {
        let time = index as f64 * FRAME;
        let tremor = expression.tremor * cos(TAU * tremor_rate * time + tremor_phase);
        // A slow random walk that returns to its centre: no two takes have the same melody.
        drift += 0.006 * (random.spread(2.5) - drift);
        frame.pitch = calm_pitch * semitones(expression.pitch + interpolate(&points, time) + tremor + drift);

        let through = (time / marks.end).min(1.0);
        let stressed = ((time - marks.word) / 0.06).clamp(0.0, 1.0);
        let gain = decibels(expression.decay * through + expression.accent * stressed + 0.3 * tremor);
        frame.voicing *= gain;
        frame.aspiration *= gain;
        frame.friction *= gain;
    }
}

/// The value at `time` between `points` in order of time, along half cosines; held beyond the ends.
fn interpolate(points: &[(f64, f64)], time: f64) -> f64 {
    let after = points.partition_point(|(at, _)| *at <= time);
    match (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after)) {
        (Some(&(from, low)), Some(&(to, high))) => {
            low + (high - low) * 0.5 * (1.0 - cos(PI * (time - from) / (to - from)))
        }
        (Some(&(_, value)), None) | (None, Some(&(_, value))) => value,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_passes_through_its_points_and_stays_between_them() {
        let points = [(0.0, 1.0), (1.0, 3.0), (2.0, -1.0)];
        for (time, value) in [(-1.0, 1.0), (0.0, 1.0), (0.5, 2.0), (1.0, 3.0), (1.5, 1.0), (9.0, -1.0)] {
            assert!((interpolate(&points, time) - value).abs() < 1e-12, "at {time}");
        }
    }
}
