//! Frames that are hidden from a transformer while it learns (D. S. Park et al., "SpecAugment: a simple data augmentation
//! method for automatic speech recognition", Interspeech 2019; here over frames of states, as in wav2vec 2.0).

use std::ops::Range;

use ser_core::Result;

use crate::settings::Settings;

/// How many frames are hidden, as a folder's settings say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeMasks {
    /// Share of the frames that would be hidden if spans did not overlap.
    share: f64,
    /// Frames of a span.
    length: usize,
    /// The fewest spans.
    least: usize,
}

impl TimeMasks {
    /// Those of `apply_spec_augment`, `mask_time_prob`, `mask_time_length` and `mask_time_min_masks`; `None` if nothing is
    /// hidden.
    ///
    /// # Errors
    /// When a setting is not valid.
    pub(crate) fn of(config: &Settings) -> Result<Option<Self>> {
        let share = config.number("mask_time_prob", 0.05, 0.0..=1.0)?;
        let length = config.whole("mask_time_length", 10, 1..=100_000)? as usize;
        let least = config.whole("mask_time_min_masks", 2, 0..=100_000)? as usize;
        let wanted = config.flag("apply_spec_augment", true)? && share > 0.0;
        Ok(wanted.then_some(Self { share, length, least }))
    }

    /// The spans of an utterance of so many `frames` that are hidden, which may overlap. `unit` draws numbers from 0 to below
    /// 1: first whether what is left of a span counts as one, and then for each span where it begins, no two at one place.
    ///
    /// The same distribution as that of `_compute_mask_indices` in `transformers`.
    pub(crate) fn draw(&self, frames: usize, unit: &mut dyn FnMut() -> f64) -> Vec<Range<i64>> {
        let spans = (self.share * frames as f64 / self.length as f64 + unit()) as usize;
        let spans = spans.max(self.least).min(frames / self.length);
        let mut places: Vec<usize> = (0..(frames + 1).saturating_sub(self.length)).collect();
        let starts = (0..spans).map(|_| {
            let chosen = (unit() * places.len() as f64) as usize;
            places.swap_remove(chosen.min(places.len() - 1)) as i64
        });
        starts.map(|start| start..start + self.length as i64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_lie_inside_begin_at_different_places_and_cover_the_share_that_is_asked_for() {
        let masks = TimeMasks { share: 0.2, length: 5, least: 2 };
        let mut state = 1u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1u64 << 24) as f64
        };
        let mut hidden = 0;
        for _ in 0..1000 {
            let spans = masks.draw(198, &mut unit);
            // 0.2 · 198 / 5 = 7.92
            assert!((7..=8).contains(&spans.len()), "{spans:?}");
            hidden += spans.len() * 5;
            let mut starts: Vec<i64> = spans.iter().map(|span| span.start).collect();
            assert!(
                spans.iter().all(|span| span.start >= 0 && span.end <= 198 && span.end - span.start == 5)
            );
            starts.sort_unstable();
            starts.dedup();
            assert_eq!(starts.len(), spans.len());
        }
        let share = hidden as f64 / 198_000.0;
        assert!((share - 0.2).abs() < 0.005, "{share}");
        // Too short for the fewest, or for any.
        assert_eq!(masks.draw(9, &mut unit).len(), 1);
        assert_eq!(masks.draw(5, &mut unit).first(), Some(&(0..5)));
        assert!(masks.draw(4, &mut unit).is_empty());
        assert!(masks.draw(0, &mut unit).is_empty());
    }
}
