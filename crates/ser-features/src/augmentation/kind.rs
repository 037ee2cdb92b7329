//! Kinds of augmentation: what a recipe can name, and what is done to a waveform.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use ser_core::Result;
use ser_core::random::Random;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use crate::augmentation::{
    Clipping, Equaliser, Gain, Noise, PitchShift, Reverberation, Sound, Telephone, TimeStretch,
    VocalTractLength,
};

/// Every kind that recipes can name, one line each.
const REGISTRY: &[Entry] = &[
    Entry::of::<Noise>(),
    Entry::of::<PitchShift>(),
    Entry::of::<TimeStretch>(),
    Entry::of::<VocalTractLength>(),
    Entry::of::<Gain>(),
    Entry::of::<Equaliser>(),
    Entry::of::<Reverberation>(),
    Entry::of::<Clipping>(),
    Entry::of::<Telephone>(),
];

/// A kind of augmentation: a type that holds the ranges of its parameters, whose fields are the keys of a `[[waveform]]`
/// table beside `kind` and `probability`.
///
/// A new kind is a file like `gain.rs` and a line in this file's list of kinds; one of another crate needs no line, but
/// cannot be named in texts:
///
/// ```
/// use std::fmt;
///
/// use ser_core::Result;
/// use ser_core::random::Random;
/// use ser_features::augmentation::{
///     Augmentation, AugmentationRecipe, Augmenter, RecipeStep, Sound, Step, Waveform,
/// };
/// use serde::{Deserialize, Serialize};
///
/// /// Polarity: every sample with the other sign, as of a microphone whose wires are swapped.
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Polarity {}
///
/// impl Augmentation for Polarity {
///     const KIND: &'static str = "polarity";
///
///     fn validate(&self) -> Result<()> {
///         Ok(())
///     }
///
///     fn draw(&self, _random: &mut Random) -> Result<Box<dyn Step>> {
///         Ok(Box::new(Flip))
///     }
/// }
///
/// #[derive(Debug)]
/// struct Flip;
///
/// impl Step for Flip {
///     fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
///         sound.samples()?.iter_mut().for_each(|sample| *sample = -*sample);
///         Ok(())
///     }
/// }
///
/// impl fmt::Display for Flip {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("polarity flipped")
///     }
/// }
///
/// let step = RecipeStep { waveform: Waveform::of(Polarity {}), probability: 1.0 };
/// let recipe = AugmentationRecipe { waveform: vec![step], ..AugmentationRecipe::default() };
/// let mut augmenter = Augmenter::new(&recipe, 16_000)?;
/// let mut out = Vec::new();
/// let applied = augmenter.augment(&[0.1, -0.2], &mut Random::new(&["example"]), &mut |_| None, &mut out)?;
/// assert_eq!(out, [-0.1, 0.2]);
/// assert_eq!(applied.to_string(), "polarity flipped");
/// # Ok::<(), ser_core::Error>(())
/// ```
pub trait Augmentation:
    fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Its name in recipes, in kebab case: `kind = "pitch-shift"`.
    const KIND: &'static str;

    /// Checks every parameter against its bounds.
    ///
    /// # Errors
    /// [`ser_core::ErrorKind::Usage`], naming the parameter, its value and what it may be.
    fn validate(&self) -> Result<()>;

    /// Draws the parameters for one utterance. How much is drawn depends on the ranges alone.
    ///
    /// # Errors
    /// Those of [`validate`](Self::validate).
    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>>;

    /// How far it may move what all steps of a recipe together may move only so far; by default it moves nothing.
    fn reach(&self) -> Reach {
        Reach::default()
    }

    /// Whether it mixes other utterances into a copy. Such copies cannot be cached, since they would carry voices of one
    /// side of a split into the other.
    fn mixes_utterances(&self) -> bool {
        false
    }
}

/// What is done to one utterance: an augmentation with its parameters drawn. It is displayed with them, in a few words.
pub trait Step: Any + fmt::Debug + fmt::Display + Send + Sync {
    /// Does it. What it draws meanwhile comes from [`Sound::parts`].
    ///
    /// # Errors
    /// None that finite samples could cause; the augmenter hands on whatever is returned.
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()>;
}

/// How far an augmentation may move something: the octaves at the two ends of its range.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reach {
    /// The number of samples, on the way through the step if not at its end.
    pub samples: Option<[f64; 2]>,
    /// The frequencies of formants.
    pub formants: Option<[f64; 2]>,
}

/// An augmentation of any kind.
#[derive(Clone)]
pub struct Waveform(Arc<dyn AnyKind>);

impl Waveform {
    /// The kinds that recipes can name.
    pub const KINDS: [&str; REGISTRY.len()] = {
        let mut kinds = [""; REGISTRY.len()];
        let mut index = 0;
        while index < kinds.len() {
            kinds[index] = REGISTRY[index].kind;
            index += 1;
        }
        kinds
    };

    /// An augmentation of this kind.
    pub fn of(augmentation: impl Augmentation) -> Self {
        Self(Arc::new(augmentation))
    }

    /// Reads the parameters of a kind; `None` if there is no such kind.
    pub(super) fn read(kind: &str, fields: toml::Table) -> Option<Result<Self, toml::de::Error>> {
        REGISTRY.iter().find(|entry| entry.kind == kind).map(|entry| (entry.read)(fields))
    }

    /// Its name in recipes.
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// Whether it mixes other utterances into a copy.
    pub fn mixes_utterances(&self) -> bool {
        self.0.mixes_utterances()
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.0.validate()
    }

    pub(super) fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        self.0.draw(random)
    }

    pub(super) fn reach(&self) -> Reach {
        self.0.reach()
    }
}

impl fmt::Debug for Waveform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Waveform {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(&*other.0)
    }
}

/// The parameters alone, without the kind.
impl Serialize for Waveform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_serde::serialize(&*self.0, serializer)
    }
}

/// [`Augmentation`] without its associated constant and functions on `Self`, which trait objects cannot have.
trait AnyKind: Any + fmt::Debug + erased_serde::Serialize + Send + Sync {
    fn kind(&self) -> &'static str;
    fn validate(&self) -> Result<()>;
    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>>;
    fn reach(&self) -> Reach;
    fn mixes_utterances(&self) -> bool;
    fn equals(&self, other: &dyn AnyKind) -> bool;
}

impl<A: Augmentation> AnyKind for A {
    fn kind(&self) -> &'static str {
        A::KIND
    }

    fn validate(&self) -> Result<()> {
        Augmentation::validate(self)
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        Augmentation::draw(self, random)
    }

    fn reach(&self) -> Reach {
        Augmentation::reach(self)
    }

    fn mixes_utterances(&self) -> bool {
        Augmentation::mixes_utterances(self)
    }

    fn equals(&self, other: &dyn AnyKind) -> bool {
        (other as &dyn Any).downcast_ref::<A>().is_some_and(|other| self == other)
    }
}

/// A kind that recipes can name.
struct Entry {
    kind: &'static str,
    read: fn(toml::Table) -> Result<Waveform, toml::de::Error>,
}

impl Entry {
    const fn of<A: Augmentation>() -> Self {
        Self { kind: A::KIND, read: |fields| fields.try_into::<A>().map(Waveform::of) }
    }
}
