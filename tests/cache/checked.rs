//! What a cache holds, as the tests look at it.

use std::path::Path;

use ser_cache::Cache;
use ser_corpus::Protocol;
use ser_corpus::split::Side;

/// Checks every tensor of the random splits, and counts them.
pub(crate) fn check(root: &Path) -> ser_core::Result<usize> {
    let cache = Cache::open(root)?;
    let mut checked = 0;
    for set in cache.feature_sets() {
        let split = cache.split(set, &Protocol::Random)?;
        for part in Side::ALL {
            let dataset = cache.side(set, &split, part)?;
            dataset.check()?;
            checked += dataset.len();
        }
    }
    Ok(checked)
}
