//! What of a recipe a reader of its figures must know, in words.

use crate::fit::{ClassWeights, FitConfig, Normalisation, Sampling};

/// A sentence for each thing done to features or classes in training; none for the plain recipe.
pub(super) fn training_in_words(config: &FitConfig) -> Vec<String> {
    let features = match config.feature_normalisation {
        Normalisation::None => None,
        Normalisation::Utterance => Some("Features were normalised over each utterance."),
        Normalisation::Training => Some("Features were normalised with the statistics of the training side."),
        Normalisation::Speaker => Some(
            "Features were normalised over all utterances of each speaker, of the test speakers too: their recordings \
             were used before the test, though not their labels, which is not possible for a voice heard once.",
        ),
    };
    let weights = match config.class_weights {
        ClassWeights::None => None,
        ClassWeights::Balanced => Some("In the loss every class weighed the same."),
    };
    let sampling = match config.sampling {
        Sampling::Shuffled => None,
        Sampling::Balanced => Some("In training every class came equally often."),
    };
    [features, weights, sampling].into_iter().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_recipe_needs_no_words_and_the_test_speakers_recordings_do() {
        assert!(training_in_words(&FitConfig::default()).is_empty());
        let config = FitConfig {
            feature_normalisation: Normalisation::Speaker,
            class_weights: ClassWeights::Balanced,
            sampling: Sampling::Balanced,
            ..FitConfig::default()
        };
        let words = training_in_words(&config);
        assert_eq!(words.len(), 3);
        assert!(words[0].contains("of the test speakers too"), "{words:?}");
    }
}
