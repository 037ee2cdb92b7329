//! Augmentation of a batch's features: random crops, SpecAugment's masks and mixup.
//!
//! Masks: D. S. Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition",
//! Interspeech (2019). What is masked becomes its row's mean over the utterance, of which a network learns nothing. A mask
//! may cover an utterance that is no longer than the greatest width as a whole, as the paper's with p = 1 may, the bound
//! it has for LibriSpeech.
//! Mixup: H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR (2018), with one share for a batch.

use ser_core::random::Random;
use ser_features::augmentation::FeatureAugmentation;
use tch::{Device, Tensor};

use crate::batches::frames::{mean_over_real_frames, real_frames};
use crate::batches::{Batch, Mixed};
use ser_torch::Result;

/// `batch`, augmented by `augmentation` with draws from `random`.
///
/// # Errors
/// When the device lacks memory.
pub(crate) fn augment<'a>(
    batch: Batch<'a>,
    augmentation: &FeatureAugmentation,
    random: &mut Random,
) -> Result<Batch<'a>> {
    if augmentation.is_empty() {
        return Ok(batch);
    }
    let batch = crop(batch, augmentation.crop_frames, random)?;
    let batch = mask(batch, augmentation, random)?;
    if augmentation.mixup_alpha > 0.0 { mix(batch, augmentation.mixup_alpha, random) } else { Ok(batch) }
}

/// `longest` frames of each utterance that has more, from a place that is drawn; 0 for all of them. The tensor keeps its
/// shape: what is not kept becomes padding.
fn crop<'a>(batch: Batch<'a>, longest: usize, random: &mut Random) -> Result<Batch<'a>> {
    let (longest, frames) = (longest as i64, batch.features.size()[3]);
    if longest == 0 || longest >= frames {
        return Ok(batch);
    }
    let real: Vec<i64> = Vec::try_from(batch.frames.f_to(Device::Cpu)?)?;
    let crops = real.iter().zip(0..).map(|(&real, utterance)| {
        let spare = (real.min(frames) - longest).max(0);
        let start = random.below(spare as u64 + 1) as i64;
        Ok(batch.features.f_narrow(0, utterance, 1)?.f_narrow(3, start, longest)?)
    });
    let crops = crops.collect::<Result<Vec<Tensor>>>()?;
    let features = Tensor::f_cat(&crops, 0)?.f_constant_pad_nd([0, frames - longest])?;
    let frames = batch.frames.f_clamp_max(longest)?;
    Ok(Batch { features, frames, ..batch })
}

/// Hides stretches of frames and of bands, other ones in each utterance.
fn mask<'a>(batch: Batch<'a>, augmentation: &FeatureAugmentation, random: &mut Random) -> Result<Batch<'a>> {
    let FeatureAugmentation { time_masks, time_mask_frames, frequency_masks, frequency_mask_bands, .. } =
        *augmentation;
    if !augmentation.has_masks() {
        return Ok(batch);
    }
    let size = batch.features.size();
    let [utterances, bands, frames] = [size[0], size[2], size[3]].map(|size| size as usize);
    let real: Vec<i64> = Vec::try_from(batch.frames.f_to(Device::Cpu)?)?;
    let mut kept = vec![1.0_f32; utterances * bands * frames];
    for (kept, real) in kept.chunks_exact_mut((bands * frames).max(1)).zip(real) {
        for _ in 0..frequency_masks {
            let (first, width) = stretch(frequency_mask_bands, bands, random);
            kept[first * frames..(first + width) * frames].fill(0.0);
        }
        for _ in 0..time_masks {
            let (first, width) = stretch(time_mask_frames, (real.max(0) as usize).min(frames), random);
            kept.chunks_exact_mut(frames).for_each(|row| row[first..first + width].fill(0.0));
        }
    }
    let device = batch.features.device();
    let kept = Tensor::f_from_slice(&kept)?.f_view([size[0], 1, size[2], size[3]])?.f_to(device)?;
    let real = real_frames(&batch.features, &batch.frames)?;
    let filled = mean_over_real_frames(&batch.features, &real, &batch.frames)?.f_mul(&real)?;
    // kept · x + (1 − kept) · mean; padding stays as it is.
    let features = filled.f_lerp_tensor(&batch.features, &kept)?;
    Ok(Batch { features, ..batch })
}

/// A stretch of up to `longest` among `all`, every length equally likely: its first and its length.
fn stretch(longest: usize, all: usize, random: &mut Random) -> (usize, usize) {
    let width = random.below(longest.min(all) as u64 + 1) as usize;
    (random.below((all - width) as u64 + 1) as usize, width)
}

/// Mixes each utterance with another of the batch, or with itself: features by a share that is drawn from Beta(`alpha`,
/// `alpha`), and the loss likewise.
fn mix<'a>(batch: Batch<'a>, alpha: f64, random: &mut Random) -> Result<Batch<'a>> {
    let share = random.beta(alpha);
    let mut partners: Vec<i64> = (0..batch.features.size()[0]).collect();
    random.shuffle(&mut partners);
    let partners = Tensor::f_from_slice(&partners)?.f_to(batch.features.device())?;
    let features = batch.features.f_lerp(&batch.features.f_index_select(0, &partners)?, share)?;
    let frames = batch.frames.f_maximum(&batch.frames.f_index_select(0, &partners)?)?;
    let targets = batch.targets.f_index_select(0, &partners)?;
    Ok(Batch { features, frames, mixed: Some(Mixed { targets, share }), ..batch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::parameters::to_vec_f32;

    const BANDS: usize = 6;
    const FRAMES: usize = 10;
    const REAL: [i64; 3] = [10, 7, 1];

    /// Every row has other values in every frame; padding is 0.
    fn batch() -> Batch<'static> {
        let value = |utterance: usize, band: usize, frame: usize| match (frame as i64) < REAL[utterance] {
            true => (1 + utterance * 100 + band * 10 + frame * frame) as f32,
            false => 0.0,
        };
        let values: Vec<f32> = (0..REAL.len() * BANDS * FRAMES)
            .map(|at| value(at / (BANDS * FRAMES), at / FRAMES % BANDS, at % FRAMES))
            .collect();
        let size = [REAL.len() as i64, 1, BANDS as i64, FRAMES as i64];
        let features = Tensor::f_from_slice(&values).unwrap().f_view(size).unwrap();
        let integers = |values: &[i64]| Tensor::f_from_slice(values).unwrap();
        Batch::owned(features, integers(&REAL), integers(&[0, 1, 2]))
    }

    fn random() -> Random {
        Random::new(&["test"])
    }

    #[test]
    fn masked_values_become_their_rows_mean_and_nothing_else_changes() {
        let augmentation = FeatureAugmentation {
            time_masks: 1,
            time_mask_frames: 3,
            frequency_masks: 1,
            frequency_mask_bands: 2,
            ..FeatureAugmentation::default()
        };
        let before = to_vec_f32(&batch().features).unwrap();
        let (mut masked_frames, mut masked_bands) = (0, 0);
        let mut random = random();
        for _ in 0..200 {
            let after = to_vec_f32(&augment(batch(), &augmentation, &mut random).unwrap().features).unwrap();
            for (utterance, real) in REAL.into_iter().enumerate() {
                let real = real as usize;
                let row = |values: &[f32], band: usize| {
                    let first = (utterance * BANDS + band) * FRAMES;
                    values[first..first + FRAMES].to_vec()
                };
                let changed: Vec<Vec<bool>> = (0..BANDS)
                    .map(|band| {
                        let (before, after) = (row(&before, band), row(&after, band));
                        let mean = before[..real].iter().sum::<f32>() / real as f32;
                        assert_eq!(before[real..], after[real..], "padding");
                        let is_mean = |value: &f32| (value - mean).abs() < 1e-3;
                        for (old, new) in before.iter().zip(&after).take(real) {
                            assert!(old == new || is_mean(new), "{old} became {new}, the mean is {mean}");
                        }
                        before.iter().zip(&after).map(|(old, new)| old != new).collect()
                    })
                    .collect();
                if utterance == 0 {
                    let whole_rows = changed.iter().filter(|row| row.iter().all(|changed| *changed)).count();
                    let whole_frames =
                        (0..FRAMES).filter(|frame| changed.iter().all(|row| row[*frame])).count();
                    assert!(
                        whole_rows <= 2 && whole_frames <= 3,
                        "{whole_rows} bands, {whole_frames} frames"
                    );
                    masked_bands = masked_bands.max(whole_rows);
                    masked_frames = masked_frames.max(whole_frames);
                }
            }
        }
        assert_eq!((masked_bands, masked_frames), (2, 3));
    }

    #[test]
    fn every_length_of_a_mask_is_equally_likely_also_in_an_utterance_shorter_than_the_longest() {
        let mut random = random();
        for (longest, all) in [(20, 4), (4, 20), (4, 4)] {
            let mut seen = [0_u32; 5];
            for _ in 0..10_000 {
                let (first, width) = stretch(longest, all, &mut random);
                assert!(first + width <= all);
                seen[width] += 1;
            }
            assert!(seen.iter().all(|count| (1_800..2_200).contains(count)), "{longest} of {all}: {seen:?}");
        }
        assert_eq!((stretch(3, 0, &mut random), stretch(0, 7, &mut random).1), ((0, 0), 0));
    }

    #[test]
    fn mixtures_have_the_shares_of_their_halves() {
        let augmentation = FeatureAugmentation { mixup_alpha: 1.0, ..FeatureAugmentation::default() };
        let mixed = augment(batch(), &augmentation, &mut random()).unwrap();
        let Mixed { targets, share } = mixed.mixed.as_ref().unwrap();
        let partners: Vec<i64> = Vec::try_from(targets).unwrap();
        let before = to_vec_f32(&batch().features).unwrap();
        let after = to_vec_f32(&mixed.features).unwrap();
        let frames: Vec<i64> = Vec::try_from(&mixed.frames).unwrap();
        let row_len = BANDS * FRAMES;
        for (utterance, partner) in partners.iter().enumerate() {
            let partner = *partner as usize;
            assert_eq!(frames[utterance], REAL[utterance].max(REAL[partner]));
            for at in 0..row_len {
                let (own, other) = (before[utterance * row_len + at], before[partner * row_len + at]);
                let expected = own + (other - own) * *share as f32;
                assert!((after[utterance * row_len + at] - expected).abs() < 1e-3);
            }
        }
        assert!(partners.iter().zip(0..).any(|(partner, own)| *partner != own));
    }

    #[test]
    fn a_crop_is_a_run_of_real_frames_and_every_place_is_drawn() {
        let augmentation = FeatureAugmentation { crop_frames: 4, ..FeatureAugmentation::default() };
        let before = to_vec_f32(&batch().features).unwrap();
        let mut starts = std::collections::BTreeSet::new();
        let mut random = random();
        for _ in 0..200 {
            let cropped = augment(batch(), &augmentation, &mut random).unwrap();
            assert_eq!(Vec::<i64>::try_from(&cropped.frames).unwrap(), [4, 4, 1]);
            let after = to_vec_f32(&cropped.features).unwrap();
            assert_eq!(after.len(), before.len());
            for (utterance, real) in REAL.into_iter().enumerate() {
                let row = |values: &[f32], band: usize| {
                    let first = (utterance * BANDS + band) * FRAMES;
                    values[first..first + FRAMES].to_vec()
                };
                let start = (0..=(real - 4).max(0) as usize)
                    .find(|start| row(&before, 0)[*start..start + 4] == row(&after, 0)[..4])
                    .unwrap();
                for band in 0..BANDS {
                    assert_eq!(row(&before, band)[start..start + 4], row(&after, band)[..4]);
                    assert!(row(&after, band)[4..].iter().all(|value| *value == 0.0));
                }
                starts.insert((utterance, start));
            }
        }
        assert_eq!(starts.len(), 7 + 4 + 1, "{starts:?}");
    }

    #[test]
    fn nothing_asked_for_changes_nothing() {
        let same = augment(batch(), &FeatureAugmentation::default(), &mut random()).unwrap();
        assert_eq!(to_vec_f32(&same.features).unwrap(), to_vec_f32(&batch().features).unwrap());
        assert!(same.mixed.is_none());
    }
}
