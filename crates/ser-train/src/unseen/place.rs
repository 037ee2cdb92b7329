//! Where another corpus may be prepared.

use std::path::Path;

use ser_cache::{Cache, FeatureSet};
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::assess::is_another_corpus;
use crate::trained;

/// Refuses to prepare another corpus into the cache at `root` where that holds what the checkpoint was trained on: its splits
/// would be replaced, and the checkpoint could not be reported on any more.
///
/// # Errors
/// When it does, or one of the two cannot be read.
pub fn check_place(checkpoint: &Path, root: &Path) -> Result<()> {
    if !ser_cache::index_path(root).exists() {
        return Ok(());
    }
    let (_, origin) = trained::read(checkpoint)?;
    let cache = Cache::open(root)?;
    let known = |set: &&FeatureSet| set.id == origin.feature_set && !is_another_corpus(&cache, set, &origin);
    match cache.feature_sets().iter().find(known) {
        None => Ok(()),
        Some(_) => {
            let what = "holds the corpus that the checkpoint was trained on, whose splits would be replaced";
            Err(Error::new(ErrorKind::Usage, what).at(root).help(remedy![
                "prepare the other corpus elsewhere with ",
                Setting::Cache,
                ", or leave that out"
            ]))
        }
    }
}
