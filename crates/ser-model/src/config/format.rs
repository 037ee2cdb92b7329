//! A recipe as TOML and JSON say it. What is not given is an empty text, a 0, or left out, as it was before there was such a
//! setting: equal recipes are equal bytes in every version.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EPOCHS, FitConfig};
use crate::Precision;

/// Stands for the epochs of a recipe that does not state them, until all of it is read.
pub(super) fn unstated() -> u32 {
    u32::MAX
}

pub(super) fn is_not(flag: &bool) -> bool {
    !*flag
}

pub(super) fn is_zero(number: &u32) -> bool {
    *number == 0
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

/// A text or a path that may be absent: files say `""` where it is.
pub(super) mod empty_for_none {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<T, S>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize + Default,
        S: Serializer,
    {
        match value {
            Some(value) => value.serialize(serializer),
            None => T::default().serialize(serializer),
        }
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de> + Default + PartialEq,
        D: Deserializer<'de>,
    {
        let value = T::deserialize(deserializer)?;
        Ok((value != T::default()).then_some(value))
    }
}

impl Serialize for FitConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for FitConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut config = Self::deserialize(deserializer)?;
        if config.epochs == unstated() {
            config.epochs = if config.steps > 0 { 0 } else { EPOCHS };
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use ser_core::ErrorKind;

    use super::*;
    use crate::Schedule;

    #[test]
    fn a_recipe_reads_back_as_it_was_written() {
        let config = FitConfig { lr: 3e-4, split: "word".into(), ..FitConfig::default() };
        assert_eq!(toml::from_str::<FitConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn what_is_not_given_is_empty_in_a_file_and_nothing_in_the_recipe() {
        let none = FitConfig::default();
        let text = toml::to_string(&none).unwrap();
        let said = |key: &str| text.lines().find(|line| line.starts_with(key));
        assert_eq!(said("feature_set"), Some("feature_set = \"\""));
        assert_eq!(said("publish"), Some("publish = \"\""));
        assert_eq!(said("encoder"), None);
        let empty = "feature_set = \"\"\npublish = \"\"\nencoder = \"\"";
        assert_eq!(toml::from_str::<FitConfig>(empty).unwrap(), none);
        let json = serde_json::to_value(&none).unwrap();
        assert_eq!((&json["feature_set"], &json["publish"]), (&"".into(), &"".into()));
        assert_eq!(json.get("encoder"), None);
        let given = FitConfig {
            feature_set: Some("mfcc".to_owned()),
            publish: Some("best.pt".into()),
            encoder: Some("wavlm".into()),
            ..FitConfig::default()
        };
        assert_eq!(toml::from_str::<FitConfig>(&toml::to_string(&given).unwrap()).unwrap(), given);
    }

    #[test]
    fn a_recipe_states_its_length_in_epochs_or_in_steps_and_not_in_both() {
        let read = |text: &str| toml::from_str::<FitConfig>(text).unwrap();
        let length = |text: &str| (read(text).epochs, read(text).steps);
        assert_eq!(length(""), (20, 0));
        assert_eq!(length("epochs = 7"), (7, 0));
        assert_eq!(length("steps = 1200"), (0, 1200));
        let config = read("steps = 1200\nwarmup_steps = 60");
        config.validate().unwrap();
        let text = toml::to_string(&config).unwrap();
        assert!(text.contains("steps = 1200") && !text.contains("epochs = 20"), "{text}");
        assert_eq!(read(&text), config);
        // Recipes that state no steps are written as before there were any.
        let text = toml::to_string(&FitConfig::default()).unwrap();
        assert!(
            !text.lines().any(|line| line.starts_with("steps") || line.starts_with("warmup_steps")),
            "{text}"
        );
        for (text, said) in [
            (
                "epochs = 20\nsteps = 1200",
                "epochs = 20 and steps = 1200 both say how long to train; give one",
            ),
            ("epochs = 0", "epochs 0 is not valid"),
            ("steps = 4000000000", "steps 4000000000 is not valid"),
            ("steps = 10\nwarmup_steps = 11", "warmup_steps 11 is not valid; give a number from 0 to steps"),
            (
                "warmup_epochs = 1\nwarmup_steps = 5",
                "warmup_epochs = 1 and warmup_steps = 5 both say how long",
            ),
        ] {
            let error = read(text).validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().starts_with(said), "{error}");
        }
        // A schedule is not stretched by more steps; a constant rate goes on.
        let longer = |config: &FitConfig| FitConfig { steps: 2400, ..config.clone() }.continues(config);
        assert!(longer(&config));
        assert!(!longer(&FitConfig { schedule: Schedule::Cosine, ..config }));
    }
}
