//! What a feature set is called.

use ser_features::EXTRACTOR_VERSION;

use crate::{CopySettings, Sha};

/// The name of the feature set of a configuration without augmented copies.
pub fn feature_set_id(configuration: &str) -> String {
    augmented_set_id(configuration, None)
}

/// The name of the feature set of a configuration with augmented copies, which are part of what it is.
pub fn augmented_set_id(configuration: &str, copies: Option<&CopySettings>) -> String {
    let version = EXTRACTOR_VERSION.to_le_bytes();
    let mut parts = vec![b"ser feature set\0".as_slice(), &version, configuration.as_bytes()];
    let identity = copies.map(CopySettings::identity);
    if let Some(identity) = &identity {
        parts.extend([b"\0".as_slice(), identity]);
    }
    Sha::of(&parts).to_string().chars().take(12).collect()
}
