//! Whether two recordings are copies of each other: their spectrograms compared at the best lag.

use crate::audit::bands::{Bands, ClipFraming, Energies, smooth};

/// Bands that are compared.
const BANDS: usize = 16;

/// Frames that are averaged, so that what a codec changes from frame to frame matters less.
const SMOOTHED: usize = 3;

/// How far, in frames, the best lag may lie from the one supposed, and in how many steps a frame is divided.
const LAG_RADIUS: i32 = 3;
const STEPS: i32 = 4;

/// Both are compared where they overlap, and that must be at least this long, seconds, and half of the shorter one.
const SHORTEST_OVERLAP_S: f64 = 0.4;

/// The overlap is divided into so many parts, of at least so many frames, and the worst of them counts: two takes of the
/// sentence "say the word …" agree well for most of its length, but not throughout.
const PARTS: usize = 12;
const SHORTEST_PART: usize = 5;

/// A first pass takes one in so many frames, and needs this much correlation overall to continue.
const COARSE_STRIDE: usize = 4;
const COARSE_SIMILARITY: f32 = 0.8;

/// Compares clips of a feature set.
#[derive(Debug)]
pub(super) struct Aligner {
    bands: Bands<BANDS>,
    shortest_overlap: usize,
}

/// A clip that others are compared with.
#[derive(Debug)]
pub(super) struct Reference {
    coarse: Energies<BANDS>,
    fine: Energies<BANDS>,
}

impl Aligner {
    pub(super) fn new(framing: &ClipFraming) -> Self {
        let shortest_overlap = framing.frames_in(SHORTEST_OVERLAP_S);
        Self { bands: Bands::new(framing), shortest_overlap }
    }

    /// Prepares the clip whose tensor starts with `mfcc` and has `frames` real frames.
    pub(super) fn reference(&self, mfcc: &[f32], frames: usize) -> Reference {
        let coarse = self.bands.energies(mfcc, frames, 1);
        Reference { fine: smooth(&coarse, SMOOTHED), coarse }
    }

    /// How similar the clip of `mfcc` and `frames` is to `reference`, if its frame `t` sounds like about frame `t + lag`
    /// there: the correlation of the band energies in the worst part, each band's mean taken out. At most 1.
    pub(super) fn similarity(&self, reference: &Reference, mfcc: &[f32], frames: usize, lag: i32) -> f32 {
        let coarse = self.bands.energies(mfcc, frames, COARSE_STRIDE);
        let glance = |lag| {
            let pairs = self.pairs(&reference.coarse, &coarse, lag, COARSE_STRIDE)?;
            Some((products(&centred(pairs)), lag))
        };
        let glances = (lag - LAG_RADIUS..=lag + LAG_RADIUS).filter_map(glance);
        let (best, lag) = glances.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
        if best < COARSE_SIMILARITY {
            return 0.0;
        }
        let fine = smooth(&self.bands.energies(mfcc, frames, 1), SMOOTHED);
        let mut best: (f32, Vec<Pair>) = (0.0, Vec::new());
        for step in 0..STEPS {
            let shifted = between(&fine, step as f32 / STEPS as f32);
            for lag in lag - 1..=lag + 1 {
                let Some(pairs) = self.pairs(&reference.fine, &shifted, lag, 1) else { continue };
                let pairs = centred(pairs);
                let whole = products(&pairs);
                if whole > best.0 {
                    best = (whole, pairs);
                }
            }
        }
        let (whole, pairs) = best;
        let part = (pairs.len() / PARTS).max(SHORTEST_PART);
        // What is left over at the end belongs to the last part.
        let parts = (pairs.len() / part).max(1);
        let bounds = |number: usize| number * pairs.len() / parts;
        (0..parts).map(|number| products(&pairs[bounds(number)..bounds(number + 1)])).fold(whole, f32::min)
    }

    /// The overlapping frames of both, if there are enough. `clip` holds every `every`th frame.
    fn pairs(
        &self,
        reference: &[[f32; BANDS]],
        clip: &[[f32; BANDS]],
        lag: i32,
        every: usize,
    ) -> Option<Vec<Pair>> {
        let over = |(number, frame): (usize, &[f32; BANDS])| {
            let at = i32::try_from(number * every).ok()?.checked_add(lag)?;
            Some((*reference.get(usize::try_from(at).ok()?)?, *frame))
        };
        let pairs: Vec<Pair> = clip.iter().enumerate().filter_map(over).collect();
        let shorter = reference.len().min(clip.len() * every);
        (pairs.len() * every >= self.shortest_overlap.max(shorter / 2)).then_some(pairs)
    }
}

/// A frame of the reference and the matching one of the clip.
type Pair = ([f32; BANDS], [f32; BANDS]);

/// Takes the mean of each band out.
fn centred(mut pairs: Vec<Pair>) -> Vec<Pair> {
    let count = pairs.len().max(1) as f32;
    let mut means = ([0.0; BANDS], [0.0; BANDS]);
    for (a, b) in &pairs {
        means.0.iter_mut().zip(a).for_each(|(sum, value)| *sum += value);
        means.1.iter_mut().zip(b).for_each(|(sum, value)| *sum += value);
    }
    for (a, b) in &mut pairs {
        a.iter_mut().zip(&means.0).for_each(|(value, sum)| *value -= sum / count);
        b.iter_mut().zip(&means.1).for_each(|(value, sum)| *value -= sum / count);
    }
    pairs
}

/// The correlation of values that have no mean; 0 where one of both does not change.
fn products(pairs: &[Pair]) -> f32 {
    let (mut ab, mut aa, mut bb) = ([0.0_f32; BANDS], [0.0_f32; BANDS], [0.0_f32; BANDS]);
    for (a, b) in pairs {
        for band in 0..BANDS {
            ab[band] += a[band] * b[band];
            aa[band] += a[band] * a[band];
            bb[band] += b[band] * b[band];
        }
    }
    let norm = (aa.iter().sum::<f32>() * bb.iter().sum::<f32>()).sqrt();
    if norm > 1e-3 { ab.iter().sum::<f32>() / norm } else { 0.0 }
}

/// The clip as it would be a `share` of a frame later.
fn between(energies: &Energies<BANDS>, share: f32) -> Energies<BANDS> {
    if share == 0.0 {
        return energies.clone();
    }
    let mix = |(now, next): (&[f32; BANDS], &[f32; BANDS])| {
        std::array::from_fn(|band| now[band] + share * (next[band] - now[band]))
    };
    energies.iter().zip(energies.iter().skip(1)).map(mix).collect()
}
