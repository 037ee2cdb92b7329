//! How far the test side of another corpus lies from what a checkpoint has learnt from.

use ser_cache::Cache;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_eval::{DomainRates, OtherCorpus};
use ser_model::LearntFrom;

use crate::assess::{AssessOptions, AssessedCheckpoint, same_features};
use crate::domain::distances;
use crate::heard::has_heard;

/// Refuses another corpus where the checkpoint has nothing to compare it with.
///
/// # Errors
/// [`ErrorKind::Missing`] if so.
pub(super) fn check(options: &AssessOptions, assessed: &AssessedCheckpoint<'_>) -> Result<()> {
    if options.other_corpus.is_none() || assessed.domain.is_some() {
        return Ok(());
    }
    let what = format!("has nothing to compare another corpus with: {}", assessed.no_reference()?);
    let help = remedy!["leave ", Setting::OtherCorpus, " out"];
    Err(Error::new(ErrorKind::Missing, what).at(&options.checkpoint).help(help))
}

/// Measures the other corpus that `options` name, if they name one: the test side of the random split in its cache, without
/// what the network has heard.
///
/// # Errors
/// When there is no cache, or none with the features of the training; when nothing is left that it has not heard.
pub(super) fn measure(
    options: &AssessOptions,
    assessed: &AssessedCheckpoint<'_>,
) -> Result<Option<OtherCorpus>> {
    let (Some(root), Some(domain)) = (&options.other_corpus, &assessed.domain) else { return Ok(None) };
    let cache = Cache::open(root)?.with_access(options.access);
    let set = same_features(&cache, &assessed.origin)?;
    let split = cache.split(set, &Protocol::Random)?;
    let (dataset, utterances) = (cache.side(set, &split, Side::Test)?, split.side(Side::Test));
    let learnt = LearntFrom::of(&assessed.checkpoint)?.unwrap_or_default();
    let entries = set.by_key();
    let all = distances(domain, &dataset, utterances)?;
    let new: Vec<f64> = (utterances.iter().zip(all))
        .filter(|(utterance, _)| !has_heard(&learnt, &entries, utterance))
        .map(|(_, far)| far)
        .collect();
    if new.is_empty() {
        let what = "has nothing in its test side that the network was not trained or validated on";
        return Err(Error::new(ErrorKind::Unusable, what)
            .at(root)
            .help(remedy!["give another ", Setting::OtherCorpus]));
    }
    Ok(Some(OtherCorpus {
        cache: root.display().to_string(),
        n_utterances: new.len() as u64,
        n_heard: (utterances.len() - new.len()) as u64,
        rates: DomainRates::of(domain, &new)?,
    }))
}
