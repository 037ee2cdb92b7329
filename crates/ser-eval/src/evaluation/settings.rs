//! How a network was trained, apart from its split and its seed: as settings that can be compared, and in words.

use std::collections::{BTreeMap, BTreeSet};

use ser_model::{Averaging, ClassWeights, FIELDS_OF_PLACE, FeatureNormalisation, FitConfig, Sampling};
use serde_json::Value;

/// Settings of a checkpoint's `config` that say which run of the matrix it is, or where and how fast it was trained,
/// and not what was learnt; beside the recipe's own [`FIELDS_OF_PLACE`].
const NOT_SETTINGS: [&str; 11] = [
    "epoch",
    "metrics",
    "members",
    "encoder",
    "fit.seed",
    "fit.split",
    "fit.feature_set",
    "fit.embed_encoder",
    "split.protocol",
    "split.digest",
    "split.cache",
];
/// Settings that follow from others, and are named only where those are equal.
const DERIVED: [&str; 2] = ["feature_set", "model"];
/// Longer lists of numbers or texts outside of the recipe were learnt from the data, not set.
const LONGEST_SETTING: usize = 8;

/// The settings of a recipe, each with its value as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrainingSettings(BTreeMap<String, String>);

impl TrainingSettings {
    /// The recipe in a checkpoint's `config` for a network of the classes `labels`. Settings that this version does not
    /// know are settings too.
    pub fn of(config: &Value, labels: &[String]) -> Self {
        let mut settings = BTreeMap::new();
        let mut config = config.clone();
        // What an older version did not know to choose between it did as the default says.
        if let Ok(fit) = serde_json::from_value::<FitConfig>(config["fit"].clone())
            && let Ok(fit) = serde_json::to_value(fit)
        {
            config["fit"] = fit;
        }
        flatten("", &config, &mut settings);
        settings.insert("classes".to_owned(), labels.join(", "));
        Self(settings)
    }

    /// Another value for one setting.
    pub fn set(&mut self, setting: &str, value: impl ToString) {
        self.0.insert(setting.to_owned(), value.to_string());
    }

    /// Takes a setting out, as if it were not stated.
    pub fn unset(&mut self, setting: &str) {
        self.0.remove(setting);
    }

    /// The value of a setting, if it is stated.
    pub fn get(&self, setting: &str) -> Option<&str> {
        self.0.get(setting).map(String::as_str)
    }

    /// For each of `recipes`, the settings that are not the same in all of them, with its own value: `lr 0.001`.
    pub fn differences(recipes: &[&Self]) -> Vec<Vec<String>> {
        let names: BTreeSet<&String> = recipes.iter().flat_map(|recipe| recipe.0.keys()).collect();
        let differs =
            |name: &&String| recipes.windows(2).any(|two| two[0].0.get(*name) != two[1].0.get(*name));
        let (derived, own): (Vec<&String>, Vec<&String>) =
            names.into_iter().filter(differs).partition(|name| is_below(name, &DERIVED));
        let named = if own.is_empty() { derived } else { own };
        let value = |recipe: &Self, name: &str| match recipe.0.get(name) {
            Some(value) => format!("{} {}", name.strip_prefix("fit.").unwrap_or(name), value),
            None => format!("{} not stated", name.strip_prefix("fit.").unwrap_or(name)),
        };
        recipes.iter().map(|recipe| named.iter().map(|name| value(recipe, name)).collect()).collect()
    }
}

fn flatten(name: &str, value: &Value, settings: &mut BTreeMap<String, String>) {
    let of_recipe = name.strip_prefix("fit.");
    if is_below(name, &NOT_SETTINGS) || of_recipe.is_some_and(|field| is_below(field, &FIELDS_OF_PLACE)) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, settings);
            }
        }
        Value::Array(values) if !is_below(name, &["fit"]) && values.len() > LONGEST_SETTING => {}
        Value::String(text) => drop(settings.insert(name.to_owned(), text.clone())),
        other => drop(settings.insert(name.to_owned(), other.to_string())),
    }
}

/// Whether `name` is one of `settings` or lies within one.
fn is_below(name: &str, settings: &[&str]) -> bool {
    settings.iter().any(|setting| {
        name.strip_prefix(setting).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// A sentence for each thing done to recordings, features, classes or weights in training; none for the plain recipe.
pub fn training_in_words(config: &FitConfig, epochs: &[u32]) -> Vec<String> {
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
    let fixed = [features, weights, sampling].into_iter().flatten().map(str::to_owned);
    augmentation(config).into_iter().chain(fixed).chain(averaging(config, epochs)).collect()
}

/// How the weights were averaged, of networks that had come to where averaging begins.
fn averaging(config: &FitConfig, epochs: &[u32]) -> Option<String> {
    let averaged = epochs.iter().filter(|epoch| **epoch >= config.average_from).count();
    let way = match config.averaging {
        Averaging::Ema if averaged > 0 => "their exponential moving average over the steps of training",
        Averaging::Swa if averaged > 0 => "their mean over the ends of epochs",
        Averaging::None | Averaging::Ema | Averaging::Swa => return None,
    };
    Some(match epochs.len() {
        all if all == averaged => format!("The weights are {way}."),
        all => format!("The weights of {averaged} of {all} networks are {way}."),
    })
}

fn augmentation(config: &FitConfig) -> Option<String> {
    let augment = &config.augment;
    let (masks, mixup) = (augment.features.has_masks(), augment.features.mixup_alpha > 0.0);
    let steps = augment.waveform.iter().filter(|entry| entry.probability > 0.0);
    let voices: Vec<&str> = steps.map(|entry| entry.waveform.kind()).collect();
    let mut anew: Vec<&str> = Vec::new();
    let mut said = Vec::new();
    match augment.variants {
        // None of it happens.
        _ if voices.is_empty() => {}
        0 => anew = voices,
        variants => said.push(format!(
            "The training side was heard in {variants} variants of each utterance in turn: {}.",
            voices.join(", ")
        )),
    }
    anew.extend((augment.features.crop_frames > 0).then_some("crops"));
    anew.extend(masks.then_some("masks over time and frequency"));
    anew.extend(mixup.then_some("mixup"));
    if !anew.is_empty() {
        said.push(format!("The training side was augmented anew in every epoch: {}.", anew.join(", ")));
    }
    (!said.is_empty()).then(|| said.join(" "))
}

#[cfg(test)]
mod tests {
    use ser_features::augmentation::AugmentationRecipe;

    use super::*;

    fn recipe(lr: f64, seed: u64, set: &str, more: Value) -> TrainingSettings {
        let config = serde_json::json!({
            "epoch": seed, "metrics": {"val_accuracy": lr}, "feature_set": set, "features": {"n_mfcc": 40},
            "fit": {"lr": lr, "seed": seed, "epochs": 20, "more": more}, "metrics_kept": 1,
        });
        TrainingSettings::of(&config, &["a".to_owned()])
    }

    #[test]
    fn the_seed_and_the_place_are_not_settings() {
        assert_eq!(recipe(0.1, 1, "x", Value::Null), recipe(0.1, 2, "x", Value::Null));
        assert!(recipe(0.1, 1, "x", Value::Null).0.contains_key("metrics_kept"));
        let on = |folder: &str| {
            let fit = serde_json::json!({"lr": 0.1, "encoder": folder, "cache": folder, "embed_encoder": folder == "a"});
            TrainingSettings::of(&serde_json::json!({"encoder": folder, "fit": fit}), &[])
        };
        assert_eq!(on("a"), on("b"));
    }

    #[test]
    fn what_an_older_version_does_not_state_is_the_default() {
        let of = |fit: Value| TrainingSettings::of(&serde_json::json!({ "fit": fit }), &[]);
        let older = of(serde_json::json!({"lr": 0.1, "network": {"hidden": 12}}));
        let network = serde_json::json!({"arch": "cnn-bilstm", "hidden": 12});
        assert_eq!(older, of(serde_json::json!({"lr": 0.1, "network": network, "optimizer": "adam"})));
        assert_ne!(
            older,
            of(serde_json::json!({"lr": 0.1, "network": {"hidden": 12}, "optimizer": "adamw"}))
        );
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let (a, b) = (recipe(0.1, 1, "x", Value::Null), recipe(0.2, 1, "y", true.into()));
        assert_eq!(
            TrainingSettings::differences(&[&a, &b]),
            [["lr 0.1", "more null"].map(String::from), ["lr 0.2", "more true"].map(String::from)]
        );
        let c = recipe(0.1, 1, "z", Value::Null);
        assert_eq!(
            TrainingSettings::differences(&[&a, &c])[1],
            ["feature_set z"],
            "derived, but all there is"
        );
        assert_eq!(TrainingSettings::differences(&[&a]), [Vec::<String>::new()]);
    }

    #[test]
    fn what_was_learnt_from_the_data_is_no_setting_and_a_list_in_the_recipe_is_one() {
        let of = |config: Value| TrainingSettings::of(&config, &[]);
        let sample = |key: u32| of(serde_json::json!({"split": {"sample": vec![key; 40]}}));
        assert_eq!(sample(1), sample(2));
        // However long: a recipe may augment in many steps.
        for length in [2, 40] {
            let steps = |step: u32| recipe(0.1, 1, "x", vec![step; length].into());
            assert_ne!(steps(1), steps(2), "{length}");
        }
        // Members differ in what seeds differ in.
        let members = |seed: u32| of(serde_json::json!({"members": [{"seed": seed, "epoch": 3}]}));
        assert_eq!(members(0), members(5));
    }

    #[test]
    fn the_plain_recipe_needs_no_words_and_the_test_speakers_recordings_do() {
        assert!(training_in_words(&FitConfig::default(), &[1]).is_empty());
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
        let words = training_in_words(&config, &[5]);
        assert_eq!(words.len(), 5);
        assert!(words[0].ends_with("epoch: gain, masks over time and frequency, mixup."), "{words:?}");
        assert!(words[1].contains("of the test speakers too"), "{words:?}");
        let last = |epochs: &[u32]| training_in_words(&config, epochs).pop().unwrap();
        assert_eq!(last(&[5]), "The weights are their mean over the ends of epochs.");
        // Averaging begins at epoch 3.
        assert_eq!(
            last(&[2, 3, 4]),
            "The weights of 2 of 3 networks are their mean over the ends of epochs."
        );
        assert_eq!(last(&[2]), "In training every class came equally often.");
        let recipe = "variants = 4\n[[waveform]]\nkind = 'gain'\ndb = 3\n[[waveform]]\nkind = 'gain'\ndb = 9\nprobability = 0\n\
                      [features]\ncrop_frames = 9";
        let augment = AugmentationRecipe::from_toml(recipe).unwrap();
        assert_eq!(
            training_in_words(&FitConfig { augment, ..FitConfig::default() }, &[1]),
            [
                "The training side was heard in 4 variants of each utterance in turn: gain. The training side was augmented anew \
              in every epoch: crops."
            ]
        );
    }
}
