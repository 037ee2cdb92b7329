//! What to do to a waveform, as a TOML file: kinds, probabilities and ranges.

use std::path::Path;

use ser_core::storage::read_text;
use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::augmentation::{FeatureAugmentation, Waveform, together};
use crate::parameter::require;

/// The largest recipe that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The most variants of an utterance.
const MAX_VARIANTS: u32 = 10_000;

/// The most steps of a recipe.
const MAX_STEPS: usize = 64;

/// The steps that a waveform goes through, in order, and what is done to features.
///
/// ```
/// use ser_features::augmentation::AugmentationRecipe;
/// let recipe = AugmentationRecipe::from_toml(
///     "[[waveform]]\nkind = 'pitch-shift'\nsemitones = [-4, 4]\nformants = 'keep'\nprobability = 0.5",
/// )?;
/// assert_eq!(recipe.waveform.len(), 1);
/// let error = AugmentationRecipe::from_toml("[[waveform]]\nkind = 'gain'\ndb = [3, -3]").unwrap_err();
/// assert!(error.to_string().contains("waveform 1 (gain): db = [3, -3]"));
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentationRecipe {
    /// How many variants of each utterance training makes: the first epochs make one each, later ones hear them again in
    /// turn, at no cost. 0 for another one in every epoch. Of no effect on copies kept in a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub variants: u32,
    /// Steps in their order.
    #[serde(deserialize_with = "numbered")]
    pub waveform: Vec<RecipeStep>,
    /// What training does to features.
    pub features: FeatureAugmentation,
}

/// A step of a recipe: an augmentation and how likely it is.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeStep {
    /// The augmentation.
    pub waveform: Waveform,
    /// The probability with which it is done to an utterance, 0 to 1.
    pub probability: f64,
}

impl AugmentationRecipe {
    /// Reads a recipe from a file.
    ///
    /// # Errors
    /// Those of [`Self::from_toml`]; `Io`, `Unsupported`, `Damaged` or `Limit` for what cannot be read, is not a regular
    /// file, is not UTF-8 or exceeds 1 MiB. All name the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path, "an augmentation recipe", MAX_BYTES)?;
        Self::from_toml(&text).map_err(|error| error.at(path))
    }

    /// Reads a recipe from TOML.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for text that is not TOML, an unknown name, or a value that [`Self::validate`] refuses.
    pub fn from_toml(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| format!(", line {}", before.matches('\n').count() + 1));
            let message = error.message().replace('\n', " ");
            Error::new(
                ErrorKind::Usage,
                format!("augmentation recipe{}: {message}", line.unwrap_or_default()),
            )
            .help("see docs/augmentation.md for the kinds and their parameters")
            .caused_by(error)
        })?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// Checks every value against its bounds, and what all steps together may do to the length of a waveform and to its
    /// formants.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`], naming the step, the parameter, its value and what it may be; or the steps that together do
    /// too much.
    pub fn validate(&self) -> Result<()> {
        let variants = self.variants;
        require(variants <= MAX_VARIANTS, "variants", variants, "0 (another one in every epoch) to 10,000")?;
        let steps = self.waveform.len();
        require(steps <= MAX_STEPS, "number of [[waveform]] steps", steps, "at most 64")?;
        for (index, entry) in self.waveform.iter().enumerate() {
            entry.validate().map_err(|error| {
                let place = format!("waveform {} ({})", index + 1, entry.waveform.kind());
                Error::new(error.kind(), format!("{place}: {}", error.reason()))
            })?;
        }
        together::validate(&self.waveform)?;
        self.features
            .validate()
            .map_err(|error| Error::new(error.kind(), format!("features: {}", error.reason())))
    }

    /// Whether it leaves waveforms unchanged.
    pub fn leaves_waveforms(&self) -> bool {
        self.waveform.iter().all(|entry| entry.probability == 0.0)
    }

    /// The whole recipe as one line of JSON that is the same for equal recipes, everywhere and always.
    pub fn to_canonical_json(&self) -> String {
        canonical(self)
    }

    /// The part about waveforms as one line of canonical JSON: what samples depend on, and so what the keys of cached
    /// copies hold.
    pub fn waveform_canonical_json(&self) -> String {
        canonical(&self.waveform)
    }
}

/// Left out of the text, as before there was such a number.
fn is_zero(variants: &u32) -> bool {
    *variants == 0
}

fn canonical(plain: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "numbers, text and lists always serialise")]
    serde_json::to_string(plain).expect("a recipe is plain data")
}

impl RecipeStep {
    fn validate(&self) -> Result<()> {
        let probability = self.probability;
        require((0.0..=1.0).contains(&probability), "probability", probability, "0 to 1")?;
        self.waveform.validate()
    }
}

/// In this order, which is part of the keys of cached copies.
impl Serialize for RecipeStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            kind: &'static str,
            #[serde(flatten)]
            waveform: &'a Waveform,
            probability: f64,
        }
        let Self { waveform, probability } = self;
        Fields { kind: waveform.kind(), waveform, probability: *probability }.serialize(serializer)
    }
}

/// Steps, of which a wrong one is named by its number.
fn numbered<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RecipeStep>, D::Error> {
    let tables = Vec::<toml::Table>::deserialize(deserializer)?;
    let entry = |(index, table): (usize, toml::Table)| {
        RecipeStep::of_fields(table).map_err(|error: D::Error| {
            de::Error::custom(format!("waveform {}: {}", index + 1, error.to_string().trim()))
        })
    };
    tables.into_iter().enumerate().map(entry).collect()
}

impl<'de> Deserialize<'de> for RecipeStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_fields(toml::Table::deserialize(deserializer)?)
    }
}

impl RecipeStep {
    /// Serde's own tagged enums accept unknown fields once another is flattened beside them, so the two fields that
    /// all steps have are taken out here.
    fn of_fields<E: de::Error>(mut fields: toml::Table) -> Result<Self, E> {
        use toml::Value;
        let kind = match fields.remove("kind") {
            Some(Value::String(kind)) => kind,
            Some(_) => return Err(E::custom("kind must be a string")),
            None => return Err(E::missing_field("kind")),
        };
        let probability = match fields.remove("probability") {
            Some(Value::Float(number)) => number,
            Some(Value::Integer(number)) => number as f64,
            Some(_) => return Err(E::custom("probability must be a number, 0 to 1")),
            None => 1.0,
        };
        let Some(waveform) = Waveform::read(&kind, fields) else {
            return Err(E::unknown_variant(&kind, &Waveform::KINDS));
        };
        let waveform = waveform.map_err(|error| {
            // With the name of the parameter, on one line.
            let what = error.to_string();
            let what: Vec<&str> = what.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            E::custom(format!("kind = {kind:?}: {}", what.join(" ")))
        })?;
        Ok(Self { waveform, probability })
    }
}
