//! Where the frames of a stretched waveform are taken from, so that neighbours join in phase.
//!
//! Waveform-similarity overlap-add (Verhelst and Roelands, 1993, "An overlap-add technique based on waveform similarity
//! (WSOLA) for high quality time-scale modification of speech"): a frame is taken within a tolerance of where time says,
//! there where it looks most like what followed the frame before. Voiced speech then repeats or skips whole periods, so
//! its pitch stays, and nothing of a frame's own phases is touched.

/// The search first looks at every fourth sample of a low-passed waveform.
const COARSE: usize = 4;

/// Finds the frames' places, with its buffers.
#[derive(Debug, Clone, Default)]
pub(super) struct Alignment {
    coarse: Vec<f32>,
    scores: Vec<f32>,
}

/// What the frames have in common, in samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames {
    /// From one frame to the next of the output.
    pub(super) hop: usize,
    /// How far a frame may be from where time says.
    pub(super) tolerance: usize,
}

impl Alignment {
    /// Fills `places` with the middles of `count` frames in `samples`; the output is `stretch` times as long.
    pub(super) fn find(
        &mut self,
        samples: &[f32],
        frames: Frames,
        stretch: f64,
        count: usize,
        places: &mut Vec<i64>,
    ) {
        let Frames { hop, tolerance } = frames;
        places.clear();
        self.coarse.clear();
        // Without stretch, what followed the frame before is always there.
        let natural_only = (stretch - 1.0).abs() < 1e-9;
        if !natural_only {
            self.coarse.extend(samples.chunks(COARSE).map(|four| four.iter().sum::<f32>()));
        }
        let mut place = 0_i64;
        for index in 0..count {
            let wanted = (index as f64 * hop as f64 / stretch).round() as i64;
            let natural = place + hop as i64;
            if index == 0 {
                place = 0;
            } else if natural_only || wanted == natural {
                place = natural;
            } else {
                place = self.search(samples, natural, wanted, hop as i64, tolerance as i64);
            }
            places.push(place);
        }
    }

    /// The place within `tolerance` of `wanted` whose half frame before it is most like that before `natural`.
    fn search(&mut self, samples: &[f32], natural: i64, wanted: i64, hop: i64, tolerance: i64) -> i64 {
        let step = COARSE as i64;
        let length = (hop / step) as usize;
        let reach = tolerance / step;
        let pattern = window(&self.coarse, (natural - hop).div_euclid(step), length);
        if pattern.len() < length {
            return wanted;
        }
        let mut best = (0_i64, 0.0_f32);
        self.scores.clear();
        for lag in -reach..=reach {
            let candidate = window(&self.coarse, (wanted - hop).div_euclid(step) + lag, length);
            let score = if candidate.len() == length { similarity(pattern, candidate) } else { 0.0 };
            self.scores.push(score);
            if score > best.1 {
                best = (lag, score);
            }
        }
        if best.1 <= 0.0 {
            return wanted;
        }
        let middle = wanted + best.0 * step;
        let pattern = window(samples, natural - hop, hop as usize);
        let mut finest = (middle, 0.0_f32);
        for place in middle - step..=middle + step {
            let candidate = window(samples, place - hop, hop as usize);
            if candidate.len() != pattern.len() {
                continue;
            }
            let score = similarity(pattern, candidate);
            if score > finest.1 {
                finest = (place, score);
            }
        }
        finest.0
    }
}

/// `length` samples from `start`, or fewer where there are no more; none before the first.
fn window(samples: &[f32], start: i64, length: usize) -> &[f32] {
    let Ok(start) = usize::try_from(start) else { return &[] };
    let rest = samples.get(start..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest)
}

/// The squared normalised correlation where it is positive, 0 elsewhere; short of a factor that depends on `pattern`.
fn similarity(pattern: &[f32], candidate: &[f32]) -> f32 {
    let (mut products, mut energies) = ([0.0_f32; 8], [0.0_f32; 8]);
    for (a, b) in pattern.as_chunks::<8>().0.iter().zip(candidate.as_chunks::<8>().0) {
        for lane in 0..8 {
            products[lane] += a[lane] * b[lane];
            energies[lane] += b[lane] * b[lane];
        }
    }
    let (product, energy): (f32, f32) = (products.iter().sum(), energies.iter().sum());
    if product > 0.0 && energy > 0.0 { product / energy * product } else { 0.0 }
}
