//! Drawing a share at random: of utterances, evenly over labels and speakers, or of words as a whole.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ser_core::random::Random;

use crate::split::{SplitPlanner, UtteranceInfo};

impl SplitPlanner<'_> {
    /// Takes a share of `from`, the same share of every label and, within a label, of every speaker: at least one
    /// of every label, as long as `least` of it stay. Returns (what stays, what was taken).
    pub(super) fn stratified(
        &self,
        from: &[usize],
        share: f64,
        least: usize,
        purpose: &str,
    ) -> (Vec<usize>, Vec<usize>) {
        let mut strata: BTreeMap<&str, BTreeMap<Option<&str>, Vec<usize>>> = BTreeMap::new();
        for &index in from {
            let UtteranceInfo { label, speaker, .. } = self.utterance(index);
            strata.entry(label).or_default().entry(speaker).or_default().push(index);
        }
        let sizes: Vec<usize> = strata.values().map(|s| s.values().map(Vec::len).sum()).collect();
        let wanted = (from.len() as f64 * share).round() as usize;
        let (mut stay, mut taken) = (Vec::new(), Vec::new());
        for ((label, speakers), quota) in strata.into_iter().zip(apportion(&sizes, wanted)) {
            let sizes: Vec<usize> = speakers.values().map(Vec::len).collect();
            let most = sizes.iter().sum::<usize>().saturating_sub(least);
            let quota = quota.max(1).min(most);
            for ((speaker, mut members), quota) in speakers.into_iter().zip(apportion(&sizes, quota)) {
                let seed = self.seed.to_string();
                let purpose = ["split", &seed, "random", purpose, label, speaker.unwrap_or("")];
                Random::new(&purpose).shuffle(&mut members);
                let rest = members.split_off(quota.min(members.len()));
                taken.extend(members);
                stay.extend(rest);
            }
        }
        stay.sort_unstable_by_key(|&index| self.utterance(index).path);
        (stay, taken)
    }

    /// Draws a share of `words`: at least one, as long as `least` of them stay.
    pub(super) fn draw_words<'w>(
        &self,
        words: &BTreeSet<&'w str>,
        share: f64,
        least: usize,
        purpose: &str,
    ) -> Result<BTreeSet<&'w str>, String> {
        if words.len() <= least {
            return Err(format!("{} words are too few to keep some apart", words.len()));
        }
        let mut order: Vec<&str> = words.iter().copied().collect();
        Random::new(&["split", &self.seed.to_string(), purpose]).shuffle(&mut order);
        let count = (words.len() as f64 * share).round() as usize;
        order.truncate(count.clamp(1, words.len() - least));
        Ok(order.into_iter().collect())
    }
}

/// Shares `wanted` among groups in proportion to their `sizes`, by the largest remainder; no group gets more than
/// its size.
pub(super) fn apportion(sizes: &[usize], wanted: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let wanted = wanted.min(total);
    let mut quotas: Vec<usize> = sizes.iter().map(|size| size * wanted / total).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&group| Reverse(sizes[group] * wanted % total));
    let missing = wanted - quotas.iter().sum::<usize>();
    for &group in by_remainder.iter().take(missing) {
        quotas[group] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_follow_the_sizes() {
        assert_eq!(apportion(&[200, 200, 199], 90), [30, 30, 30]);
        assert_eq!(apportion(&[1, 1, 1], 2).iter().sum::<usize>(), 2);
        assert_eq!(apportion(&[10, 0, 30], 4), [1, 0, 3]);
        assert_eq!(apportion(&[2, 3], 99), [2, 3]);
        assert_eq!(apportion(&[0, 0], 5), [0, 0]);
    }
}
