//! Augmented copies in a cache: what they are made by, what they are called, and their keys.

use std::fmt;

use ser_core::random::Random;
use ser_core::remedy::{Action, Remedy, Setting, Stage};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_features::EXTRACTOR_VERSION;
use ser_features::augmentation::{AUGMENTATION_VERSION, AugmentationRecipe};
use serde::{Deserialize, Serialize};

use crate::{Sha, TensorKey};

/// The most copies of a recording.
const MOST_COPIES: u32 = 1000;

/// The separator between a recording's path and the number of its copy.
const MARK: &str = "#copy-";

/// Copies of every recording by one recipe; as a table of `split.toml`, and part of a feature set's identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopySettings {
    /// How many there are of each recording.
    pub copies: u32,
    /// Seed of what is drawn.
    pub seed: u64,
    /// Version of the computation.
    pub version: u32,
    /// Canonical JSON of the recipe's steps for waveforms.
    pub recipe: String,
}

impl CopySettings {
    /// `copies` of each recording by what `recipe` does to waveforms.
    ///
    /// # Errors
    /// `Usage` for no or too many copies, for a recipe that leaves waveforms as they are, and for one with babble: a copy
    /// serves in every protocol whose training holds its parent, and would carry into one the voices that another tests.
    pub fn new(recipe: &AugmentationRecipe, copies: u32, seed: u64) -> Result<Self> {
        let refuse = |what: &str, help: Remedy| Err(Error::new(ErrorKind::Usage, what).help(help));
        recipe.validate()?;
        if !(1..=MOST_COPIES).contains(&copies) {
            let what = format!("{copies} copies of each recording are not allowed");
            return refuse(&what, remedy![format!("give 1 to {MOST_COPIES}")]);
        }
        if recipe.leaves_waveforms() {
            return refuse("the recipe does not change waveforms", remedy!["give it a [[waveform]] step"]);
        }
        if recipe.waveform.iter().any(|entry| entry.waveform.mixes_utterances()) {
            return refuse(
                "babble cannot be cached: a copy made with the voices of other recordings would carry them \
                 into training, where a split may test on them",
                remedy![
                    "augment in training (",
                    Stage::Training,
                    " ",
                    Setting::Augment,
                    "), or take the step out of the recipe"
                ],
            );
        }
        Ok(Self { copies, seed, version: AUGMENTATION_VERSION, recipe: recipe.waveform_canonical_json() })
    }

    /// The recipe.
    ///
    /// # Errors
    /// `Damaged` when it is not valid JSON, `Unsupported` when it is of another version.
    pub fn recipe(&self) -> Result<AugmentationRecipe> {
        if self.version != AUGMENTATION_VERSION {
            let what = format!("copies were made by version {} of the augmentation", self.version);
            return Err(Error::new(ErrorKind::Unsupported, what).help(remedy![Action::Prepare, " again"]));
        }
        let waveform = serde_json::from_str(&self.recipe).map_err(|error| {
            Error::new(ErrorKind::Damaged, format!("holds no augmentation recipe: {error}"))
        })?;
        let recipe = AugmentationRecipe { waveform, ..AugmentationRecipe::default() };
        recipe.validate()?;
        Ok(recipe)
    }

    /// The key of copy `number` of the file with this content under a feature configuration.
    pub fn key(&self, file: &Sha, configuration: &str, number: u32) -> TensorKey {
        Sha::of(&[
            b"ser copy 1\0",
            &file.0,
            &Sha::of(&[configuration.as_bytes()]).0,
            &EXTRACTOR_VERSION.to_le_bytes(),
            &self.version.to_le_bytes(),
            &Sha::of(&[self.recipe.as_bytes()]).0,
            &self.seed.to_le_bytes(),
            &number.to_le_bytes(),
        ])
    }

    /// What copy `number` of the file with this content draws from: it depends on nothing that is not in its key.
    pub fn random(&self, file: &Sha, number: u32) -> Random {
        Random::new(&["ser copy", &self.seed.to_string(), &file.to_string(), &number.to_string()])
    }

    /// Everything that distinguishes it from others, for digests.
    pub(super) fn identity(&self) -> Vec<u8> {
        let mut bytes = b"augmentation\0".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.copies.to_le_bytes());
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(self.recipe.as_bytes());
        bytes
    }
}

/// What distinguishes it from others, for people.
impl fmt::Display for CopySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recipe: String = Sha::of(&[self.recipe.as_bytes()]).to_string().chars().take(12).collect();
        write!(f, "{} copies with seed {} by recipe {recipe}", self.copies, self.seed)
    }
}

/// The path of copy `number` of the recording at `parent`.
pub fn copy_path(parent: &str, number: u32) -> String {
    format!("{parent}{MARK}{number}")
}

/// The recording and the number of its copy, if `path` is that of a copy.
pub fn parse_copy_path(path: &str) -> Option<(&str, u32)> {
    let (parent, number) = path.rsplit_once(MARK)?;
    let number = number.parse().ok().filter(|parsed: &u32| parsed.to_string() == number)?;
    Some((parent, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(db: f64) -> AugmentationRecipe {
        AugmentationRecipe::from_toml(&format!("[[waveform]]\nkind = 'gain'\ndb = {db:?}")).unwrap()
    }

    #[test]
    fn a_key_depends_on_the_file_the_recipe_the_seed_and_the_number() {
        let (file, other) = (Sha::of(&[b"a"]), Sha::of(&[b"b"]));
        let copies = CopySettings::new(&recipe(3.0), 2, 7).unwrap();
        let key = copies.key(&file, "{}", 1);
        assert_eq!(CopySettings::new(&recipe(3.0), 9, 7).unwrap().key(&file, "{}", 1), key);
        let others = [
            copies.key(&other, "{}", 1),
            copies.key(&file, "{ }", 1),
            copies.key(&file, "{}", 2),
            CopySettings::new(&recipe(3.0), 2, 8).unwrap().key(&file, "{}", 1),
            CopySettings::new(&recipe(4.0), 2, 7).unwrap().key(&file, "{}", 1),
            crate::key_of(&file, "{}"),
        ];
        assert!(others.iter().all(|other| *other != key));
    }

    #[test]
    fn what_should_not_be_kept_is_refused() {
        assert!(CopySettings::new(&recipe(3.0), 0, 0).is_err());
        assert!(CopySettings::new(&AugmentationRecipe::default(), 1, 0).is_err());
        let babble = "[[waveform]]\nkind = 'noise'\ncolour = 'babble'\nsnr_db = 5";
        let error = CopySettings::new(&AugmentationRecipe::from_toml(babble).unwrap(), 1, 0).unwrap_err();
        assert!(error.to_string().contains("babble cannot be cached"), "{error}");
    }

    #[test]
    fn a_copy_is_named_after_its_parent() {
        assert_eq!(parse_copy_path(&copy_path("a#copy-3/b.wav", 12)), Some(("a#copy-3/b.wav", 12)));
        for path in ["a.wav", "a.wav#copy-", "a.wav#copy-01", "a.wav#copy-x", "a.wav#copy--1"] {
            assert_eq!(parse_copy_path(path), None, "{path}");
        }
        assert_eq!(
            CopySettings::new(&recipe(3.0), 1, 0).unwrap().recipe().unwrap().waveform,
            recipe(3.0).waveform
        );
    }
}
