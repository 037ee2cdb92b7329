//! The kinds of features that configurations can name.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::kind::FeatureKind;
use crate::log_mel::LogMel;
use crate::mfcc::Mfcc;
use crate::waveform::Waveform;

/// What the rows of a tensor are: a feature kind, as a value of a configuration. Two are equal if their names are.
#[derive(Clone, Copy)]
pub struct Representation(&'static dyn FeatureKind);

/// Every kind that configurations can name, one line each.
impl strum::VariantArray for Representation {
    const VARIANTS: &'static [Self] = &[
        Self::of(&Mfcc),
        Self::of(&LogMel),
        Self::of(&Waveform), //
    ];
}

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    <Representation as strum::VariantArray>::VARIANTS.iter().map(|kind| kind.name()).collect()
});

impl Representation {
    /// `n_mfcc` cepstral coefficients.
    pub const MFCC: Self = Self::of(&Mfcc);
    /// `n_mels` log mel bands.
    pub const LOG_MEL: Self = Self::of(&LogMel);
    /// The samples themselves.
    pub const WAVEFORM: Self = Self::of(&Waveform);

    /// The representation by `kind`.
    pub const fn of(kind: &'static dyn FeatureKind) -> Self {
        Self(kind)
    }
}

impl std::ops::Deref for Representation {
    type Target = dyn FeatureKind;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl Default for Representation {
    fn default() -> Self {
        Self::MFCC
    }
}

impl PartialEq for Representation {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Representation {}

impl fmt::Debug for Representation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Representation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Representation> for &'static str {
    fn from(representation: Representation) -> Self {
        representation.name()
    }
}

impl FromStr for Representation {
    type Err = strum::ParseError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut kinds = <Self as strum::VariantArray>::VARIANTS.iter().copied();
        kinds.find(|kind| kind.name() == name).ok_or(strum::ParseError::VariantNotFound)
    }
}

impl strum::EnumMessage for Representation {
    fn get_message(&self) -> Option<&'static str> {
        None
    }

    fn get_detailed_message(&self) -> Option<&'static str> {
        None
    }

    fn get_documentation(&self) -> Option<&'static str> {
        Some(self.description())
    }

    fn get_serializations(&self) -> &'static [&'static str] {
        &[]
    }
}

impl Serialize for Representation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Representation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|_| de::Error::unknown_variant(&name, &NAMES))
    }
}
