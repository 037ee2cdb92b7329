//! Where the recordings of a cache are.

use std::path::{Path, PathBuf};

use ser_corpus::{Corpora, Corpus, CorpusFolder};

/// No report of a preparation is read that is larger than this, bytes.
const LARGEST_REPORT: u64 = 1 << 26;

/// Where the last `ser-prep` found the corpora of the cache in `root`, by its `prep-report.json`, which is not part of the
/// cache and may be missing or wrong. A relative folder counts from here or, if it is not there, from where the cache lies.
pub fn corpora_of(root: &Path) -> Option<Corpora> {
    let report = prep_report(root)?;
    let found = |folder: &Path| {
        let beside = || root.parent().map(|parent| parent.join(folder)).filter(|folder| folder.is_dir());
        if folder.is_dir() { folder.to_owned() } else { beside().unwrap_or_else(|| folder.to_owned()) }
    };
    match report.get("data")?.as_str() {
        // Older ones name one folder alone.
        Some(only) => Corpora::new(&[CorpusFolder::from(found(Path::new(only)))]).ok(),
        None => {
            let corpora: Vec<Corpus> = serde_json::from_value(report.get("corpora")?.clone()).ok()?;
            let located =
                corpora.into_iter().map(|Corpus { name, data }| Corpus { name, data: found(&data) });
            Corpora::named(located.collect()).ok()
        }
    }
}

/// What the last `ser-prep` left in the cache in `root`.
pub fn prep_report(root: &Path) -> Option<serde_json::Value> {
    let path: PathBuf = root.join("prep-report.json");
    let size = std::fs::metadata(&path).ok()?.len();
    (size <= LARGEST_REPORT)
        .then(|| std::fs::read(&path).ok())?
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
}
