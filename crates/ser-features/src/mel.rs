//! Triangular mel filters, as `librosa.filters.mel`.

use std::ops::Range;

use crate::{FeatureConfig, MelNorm, MelScale};

/// Slaney's scale is linear below this frequency, in Hz, and logarithmic above.
const SLANEY_KNEE_HZ: f64 = 1000.0;
/// Hz per mel in the linear part.
const SLANEY_HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Mels per factor of 6.4 in the logarithmic part.
const SLANEY_MELS_PER_6_4: f64 = 27.0;

/// Frequency in Hz to mel: `2595·log₁₀(1 + f/700)` (HTK), or the scale of Slaney's Auditory Toolbox.
pub fn hz_to_mel(scale: MelScale, hz: f64) -> f64 {
    match scale {
        MelScale::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
        MelScale::Slaney if hz < SLANEY_KNEE_HZ => hz / SLANEY_HZ_PER_MEL,
        MelScale::Slaney => {
            let knee = SLANEY_KNEE_HZ / SLANEY_HZ_PER_MEL;
            knee + (hz / SLANEY_KNEE_HZ).ln() * SLANEY_MELS_PER_6_4 / 6.4_f64.ln()
        }
    }
}

/// The inverse of [`hz_to_mel`].
pub fn mel_to_hz(scale: MelScale, mel: f64) -> f64 {
    let knee = SLANEY_KNEE_HZ / SLANEY_HZ_PER_MEL;
    match scale {
        MelScale::Htk => 700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0),
        MelScale::Slaney if mel < knee => mel * SLANEY_HZ_PER_MEL,
        MelScale::Slaney => SLANEY_KNEE_HZ * ((mel - knee) * 6.4_f64.ln() / SLANEY_MELS_PER_6_4).exp(),
    }
}

/// `n_mels` triangular filters over the bins of a power spectrum, of which only the weights above zero are kept.
#[derive(Debug, Clone)]
pub struct MelFilterBank {
    bins: usize,
    bands: Vec<Band>,
    weights: Vec<f64>,
}

#[derive(Debug, Clone)]
struct Band {
    first_bin: usize,
    /// Where its weights lie among all weights.
    weights: Range<usize>,
}

impl MelFilterBank {
    /// Builds the filters: band `m` rises from edge `m` to edge `m + 1` and falls to edge `m + 2`, the `n_mels + 2`
    /// edges being equally spaced in mel from `f_min` to `f_max`. Slaney's norm divides each by half its width in
    /// Hz, so that all have the same area.
    pub fn new(config: &FeatureConfig) -> Self {
        let bins = config.n_fft / 2 + 1;
        let hz_per_bin = f64::from(config.sample_rate) / config.n_fft as f64;
        let edges = band_edges(config);
        let mut bank = Self { bins, bands: Vec::with_capacity(config.n_mels), weights: Vec::new() };
        for edge in edges.windows(3) {
            let [low, centre, high] = [edge[0], edge[1], edge[2]];
            let area = match config.mel_norm {
                MelNorm::Slaney => (high - low) / 2.0,
                MelNorm::None => 1.0,
            };
            let begin = bank.weights.len();
            let first_bin = ((low / hz_per_bin).floor() as usize).min(bins);
            let mut leading = 0;
            for bin in first_bin..bins {
                let hz = bin as f64 * hz_per_bin;
                let weight = ((hz - low) / (centre - low)).min((high - hz) / (high - centre));
                if weight > 0.0 {
                    bank.weights.push(weight / area);
                } else if bank.weights.len() == begin {
                    leading += 1;
                }
                if hz >= high {
                    break;
                }
            }
            let band = Band { first_bin: first_bin + leading, weights: begin..bank.weights.len() };
            bank.bands.push(band);
        }
        bank
    }

    /// Power in each band: `mel` (`n_mels` values) = weights · `power` (`n_fft / 2 + 1` values).
    ///
    /// # Panics
    /// When `power` has fewer values than that.
    #[inline(always)]
    pub fn apply(&self, power: &[f64], mel: &mut [f64]) {
        for (mel, band) in mel.iter_mut().zip(&self.bands) {
            *mel = dot(&power[band.first_bin..], &self.weights[band.weights.clone()]);
        }
    }

    /// Bands that cover no bin, whose power is therefore always 0: too many bands for `n_fft`.
    pub fn empty_bands(&self) -> impl Iterator<Item = usize> {
        self.bands.iter().enumerate().filter(|(_, band)| band.weights.is_empty()).map(|(index, _)| index)
    }

    /// All weights as a row-major matrix `[n_mels, n_fft / 2 + 1]`.
    pub fn to_dense(&self) -> Vec<f64> {
        let mut dense = vec![0.0; self.bands.len() * self.bins];
        for (row, band) in dense.chunks_exact_mut(self.bins).zip(&self.bands) {
            let weights = &self.weights[band.weights.clone()];
            for (value, weight) in row.iter_mut().skip(band.first_bin).zip(weights) {
                *value = *weight;
            }
        }
        dense
    }
}

/// Sum of products, in two interleaved sums: one alone would wait for each addition to end before the next.
#[inline(always)]
fn dot(power: &[f64], weights: &[f64]) -> f64 {
    let (weight_pairs, last_weight) = weights.as_chunks::<2>();
    let (power_pairs, last_power) = power[..weights.len()].as_chunks::<2>();
    let mut sums = [0.0; 2];
    for (power, weight) in power_pairs.iter().zip(weight_pairs) {
        sums[0] += power[0] * weight[0];
        sums[1] += power[1] * weight[1];
    }
    let last: f64 = last_power.iter().zip(last_weight).map(|(power, weight)| power * weight).sum();
    sums[0] + sums[1] + last
}

/// `n_mels + 2` frequencies in Hz, equally spaced in mel.
fn band_edges(config: &FeatureConfig) -> Vec<f64> {
    let low = hz_to_mel(config.mel_scale, config.f_min);
    let high = hz_to_mel(config.mel_scale, config.f_max);
    let step = (high - low) / (config.n_mels + 1) as f64;
    (0..config.n_mels + 2).map(|edge| mel_to_hz(config.mel_scale, low + step * edge as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_frequencies_have_known_mels() {
        // librosa.hz_to_mel([440, 1000, 8000], htk=False / True)
        for (hz, slaney, htk) in
            [(440.0, 6.6, 549.6387), (1000.0, 15.0, 999.9855), (8000.0, 45.245_54, 2840.023)]
        {
            assert!((hz_to_mel(MelScale::Slaney, hz) - slaney).abs() < 1e-3, "{hz} Hz");
            assert!((hz_to_mel(MelScale::Htk, hz) - htk).abs() < 1e-3, "{hz} Hz");
        }
    }

    #[test]
    fn mel_to_hz_undoes_hz_to_mel() {
        for scale in [MelScale::Slaney, MelScale::Htk] {
            for hz in [0.0, 60.0, 999.0, 1000.0, 1001.0, 22_050.0] {
                assert!((mel_to_hz(scale, hz_to_mel(scale, hz)) - hz).abs() < 1e-8, "{scale:?} {hz} Hz");
            }
        }
    }

    #[test]
    fn sparse_and_dense_filters_agree() {
        let config = FeatureConfig::default();
        let bank = MelFilterBank::new(&config);
        let power: Vec<f64> = (0..257).map(|bin| f64::from(bin % 17) + 0.5).collect();
        let mut mel = vec![0.0; 64];
        bank.apply(&power, &mut mel);
        for (band, row) in bank.to_dense().chunks_exact(257).enumerate() {
            let expected: f64 = row.iter().zip(&power).map(|(weight, power)| weight * power).sum();
            assert!((mel[band] - expected).abs() <= 1e-12 * expected, "band {band}");
        }
        assert_eq!(bank.empty_bands().count(), 0);
    }

    #[test]
    fn bands_between_two_bins_are_reported_as_empty() {
        let config = FeatureConfig { n_mels: 200, ..FeatureConfig::default() };
        let empty: Vec<usize> = MelFilterBank::new(&config).empty_bands().collect();
        // numpy.flatnonzero(librosa.filters.mel(sr=16000, n_fft=512, n_mels=200).max(axis=1) == 0)
        assert_eq!(empty, [0, 25, 50]);
    }
}
