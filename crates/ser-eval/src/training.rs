//! What a reader of the results must know about the recipe, in words.

use ser_model::{Averaging, ClassWeights, FeatureNormalisation, FitConfig, Sampling};

/// A sentence for each thing done to recordings, features, classes or weights in training; none for the plain recipe.
pub fn training_in_words(config: &FitConfig) -> Vec<String> {
    let features = match config.feature_normalisation {
        FeatureNormalisation::None => None,
        FeatureNormalisation::Utterance => Some("Features were normalised over each utterance."),
        FeatureNormalisation::Training => {
            Some("Features were normalised with the statistics of the training side.")
        }
        FeatureNormalisation::Speaker => Some(
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
    let averaging = match config.averaging {
        Averaging::None => None,
        Averaging::Ema => {
            Some("The weights are their exponential moving average over the steps of training.")
        }
        Averaging::Swa => Some("The weights are their mean over the ends of epochs."),
    };
    let fixed = [features, weights, sampling, averaging].into_iter().flatten().map(str::to_owned);
    augmentation(config).into_iter().chain(fixed).collect()
}

fn augmentation(config: &FitConfig) -> Option<String> {
    let augment = &config.augment;
    let (masks, mixup) = (augment.features.has_masks(), augment.features.mixup_alpha > 0.0);
    let mut done: Vec<&str> = augment.waveform.iter().map(|entry| entry.waveform.kind()).collect();
    done.extend(masks.then_some("masks over time and frequency"));
    done.extend(mixup.then_some("mixup"));
    (!done.is_empty())
        .then(|| format!("The training side was augmented anew in every epoch: {}.", done.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ser_features::augmentation::AugmentationRecipe;

    #[test]
    fn the_plain_recipe_needs_no_words_and_the_test_speakers_recordings_do() {
        assert!(training_in_words(&FitConfig::default()).is_empty());
        let config = FitConfig {
            feature_normalisation: FeatureNormalisation::Speaker,
            class_weights: ClassWeights::Balanced,
            sampling: Sampling::Balanced,
            averaging: Averaging::Swa,
            augment: AugmentationRecipe::from_toml(
                "[[waveform]]\nkind = 'gain'\ndb = 3\n[features]\ntime_masks = 1\ntime_mask_frames = 9\nmixup_alpha = 1",
            )
            .unwrap(),
            ..FitConfig::default()
        };
        let words = training_in_words(&config);
        assert_eq!(words.len(), 5);
        assert!(words[0].ends_with("epoch: gain, masks over time and frequency, mixup."), "{words:?}");
        assert!(words[1].contains("of the test speakers too"), "{words:?}");
    }
}
