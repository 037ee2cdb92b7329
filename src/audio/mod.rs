//! Recordings to mono samples at one rate: decode, mix down, resample, normalise.

/// How the level of a recording is evened out before feature extraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalisation {
    /// Largest magnitude to 1.
    #[default]
    Peak,
    /// Root mean square to a fixed level.
    Rms,
    /// As it is.
    None,
}
