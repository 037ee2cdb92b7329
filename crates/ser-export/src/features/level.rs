//! The level of a recording, and whether it can be used: `ser_audio::LevelNormalisation`.

use ser_audio::{LevelNormalisation, RMS_TARGET};

use crate::onnx::{Attribute, ElementType, Graph, Value};

/// Samples at the level of the features.
#[derive(Debug)]
pub(super) struct Levelled {
    /// `[1, N]`, f64.
    pub(super) samples: Value,
    /// Whether preparation would have taken them, `[1, 1]`.
    pub(super) usable: Value,
}

/// Sums of this size and above are of samples that are infinite. Those of finite ones stay below: 2^64 samples of 2^128.
const INFINITE: f64 = 1e300;
/// 2^128 − 2^103, half a step above the largest f32: factors below it round to a finite f32.
const NOT_F32: f64 = f32::MAX as f64 + (1_u128 << 103) as f64;

pub(super) fn normalise(graph: &mut Graph, samples: &Value, way: LevelNormalisation) -> Levelled {
    let samples = graph.cast(samples, ElementType::Double);
    let magnitudes = graph.op("Abs", &[&samples]);
    // A sum, unlike a maximum, is NaN where any sample is, and no comparison with NaN holds.
    let sum = graph.sum(&magnitudes, &[1]);
    let infinite = graph.double(INFINITE);
    let finite = graph.op("Less", &[&sum, &infinite]);
    let factor = match way {
        LevelNormalisation::None => return Levelled { samples, usable: finite },
        LevelNormalisation::Peak => {
            let peak = graph.max(&magnitudes, &[1]);
            let one = graph.double(1.0);
            graph.op("Div", &[&one, &peak])
        }
        LevelNormalisation::Rms => {
            let squares = graph.op("Mul", &[&samples, &samples]);
            let energy = graph.op_with("ReduceMean", &[&squares], &[Attribute::Ints("axes", &[1])]);
            let level = graph.op("Sqrt", &[&energy]);
            let target = graph.double(f64::from(RMS_TARGET));
            graph.op("Div", &[&target, &level])
        }
    };
    let not_f32 = graph.double(NOT_F32);
    let has_factor = graph.op("Less", &[&factor, &not_f32]);
    let usable = graph.op("And", &[&finite, &has_factor]);
    // What cannot be used is left as it is, so that no NaN wanders through the graph.
    let one = graph.double(1.0);
    let factor = graph.op("Where", &[&usable, &factor, &one]);
    let scaled = graph.op("Mul", &[&samples, &factor]);
    let rounded = graph.cast(&scaled, ElementType::Float);
    let samples = graph.cast(&rounded, ElementType::Double);
    Levelled { samples, usable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_factor_that_is_refused_is_the_first_that_rounds_to_infinity() {
        assert_eq!(NOT_F32, 2f64.powi(128) - 2f64.powi(103));
        assert!((NOT_F32 as f32).is_infinite());
        assert!((NOT_F32.next_down() as f32).is_finite());
    }
}
