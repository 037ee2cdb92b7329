//! Several protocols with several seeds each: one run proves nothing, since seeds often differ by more than ideas do.
//!
//! Runs lie in `<folder>/<protocol>/seed-<seed>/`. An existing run is continued, and a finished one is
//! left as it is, so that the same command continues after an interruption and adds what is new.

use std::path::{Path, PathBuf};

use ser_cache::{Cache, ReadOptions};
use ser_core::remedy::Setting;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::Protocol;
use ser_model::FitConfig;
use tch::Device;

use crate::device::{continue_precision, settle_precision};
use crate::run::RunFolder;

/// More seeds than this are a typing mistake.
const MOST_SEEDS: u64 = 1000;

/// A run of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixRun {
    /// The protocol.
    pub protocol: Protocol,
    /// The seed.
    pub seed: u64,
    /// The folder of the run.
    pub folder: PathBuf,
}

/// A run about to start or to continue.
#[derive(Debug)]
pub struct Prepared {
    /// Its recipe.
    pub config: FitConfig,
    /// Its folder.
    pub run: RunFolder,
    /// Whether it was started before.
    pub resume: bool,
}

/// The runs of `config` over the protocols that `wanted` names and `seeds` seeds from its own on; all protocols with
/// one seed before any with the next.
///
/// `wanted` holds names of protocols, or beginnings of names with a `*` after them, between commas; `all` is `*`.
///
/// # Errors
/// When the cache cannot be opened, has no such protocol, or the seeds are none, too many or too large.
pub fn plan(config: &FitConfig, wanted: &str, seeds: u64, folder: &Path) -> Result<Vec<MatrixRun>> {
    if !(1..=MOST_SEEDS).contains(&seeds) {
        return Err(Error::new(ErrorKind::Usage, format!("{} is not valid", Setting::Seeds.to(seeds)))
            .help(format!("give a number from 1 to {MOST_SEEDS}")));
    }
    let last = config.seed.checked_add(seeds - 1).map(|seed| FitConfig { seed, ..config.clone() });
    if last.and_then(|last| last.member_seed(last.members.saturating_sub(1))).is_none() {
        let [seeds, first] = [Setting::Seeds.to(seeds), Setting::Seed.to(config.seed)];
        let what = format!("{seeds} from {first} on go beyond the largest seed");
        return Err(Error::new(ErrorKind::Usage, what).help(remedy!["give a smaller ", Setting::Seed]));
    }
    let cache =
        Cache::open(&config.cache)?.with_access(ReadOptions { map: config.mmap, verify: config.verify });
    let set = cache.feature_set(config.feature_set.as_deref())?;
    let protocols = Protocol::choose(&cache.protocols(set)?, wanted)?;
    let cell = |seed: u64, protocol: &Protocol| MatrixRun {
        folder: folder.join(protocol.to_string()).join(format!("seed-{seed}")),
        protocol: protocol.clone(),
        seed,
    };
    Ok((config.seed..config.seed + seeds)
        .flat_map(|seed| protocols.iter().map(move |protocol| cell(seed, protocol)))
        .collect())
}

/// `config` with the feature set that the first of `cells` to have begun learns from, or else the one that is the newest now:
/// runs that are compared learn from the same features, whatever is prepared meanwhile.
///
/// # Errors
/// When a recipe or the cache cannot be read.
pub fn on_one_feature_set(config: &FitConfig, cells: &[MatrixRun]) -> Result<FitConfig> {
    if config.feature_set.is_some() {
        return Ok(config.clone());
    }
    for recipe in cells.iter().map(|cell| cell.folder.join("config.toml")).filter(|recipe| recipe.exists()) {
        let begun = FitConfig::read(&recipe)?;
        if begun.feature_set.is_some() {
            return Ok(FitConfig { feature_set: begun.feature_set, ..config.clone() });
        }
    }
    let newest = Cache::open(&config.cache)?.feature_set(None)?.id.clone();
    Ok(FitConfig { feature_set: Some(newest), ..config.clone() })
}

impl MatrixRun {
    /// Makes the folder of this run of `config` on `device`, or opens it if the run has begun before.
    ///
    /// # Errors
    /// When an existing run was started with another recipe, or the folder cannot be written.
    pub fn prepare(&self, storage: &Storage, config: &FitConfig, device: Device) -> Result<Prepared> {
        let mut config = FitConfig { split: self.protocol.to_string(), seed: self.seed, ..config.clone() };
        if !self.folder.join("config.toml").exists() {
            settle_precision(&mut config, device);
            let run = RunFolder::create(storage, &self.folder, &config)?;
            return Ok(Prepared { config, run, resume: false });
        }
        let (run, begun) = RunFolder::open(storage, &self.folder)?;
        continue_precision(&mut config, &begun);
        if !config.continues(&begun) {
            return Err(Error::new(ErrorKind::Mismatch, "holds a run that was started with another recipe")
                .at(&self.folder)
                .help(remedy![
                    "give the recipe it was started with, or another ",
                    Setting::Runs,
                    " folder"
                ]));
        }
        Ok(Prepared { config, run, resume: true })
    }
}

/// What is said of all runs of a matrix in their order, made of what each rank says, as JSON, of the runs dealt to it in turn.
///
/// # Errors
/// When a rank has said less, more or something else.
pub fn in_order(said: &[String], runs: usize) -> Result<Vec<serde_json::Value>> {
    let strange = |rank: usize| {
        let what = format!("rank {rank} says something else of its runs than was expected");
        Error::new(ErrorKind::Mismatch, what).help("start all ranks with the same program")
    };
    let mut of_ranks = Vec::with_capacity(said.len());
    for (rank, said) in said.iter().enumerate() {
        let summaries: Vec<serde_json::Value> =
            serde_json::from_str(said).map_err(|error| strange(rank).caused_by(error))?;
        of_ranks.push(summaries.into_iter());
    }
    let in_order = (0..runs)
        .map(|run| of_ranks[run % said.len()].next().ok_or_else(|| strange(run % said.len())))
        .collect::<Result<_>>()?;
    match of_ranks.iter_mut().position(|rest| rest.next().is_some()) {
        Some(rank) => Err(strange(rank)),
        None => Ok(in_order),
    }
}

/// An interruption, with what to do about it: the same command continues the whole matrix.
pub fn with_rerun_hint(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Interrupted => Error::new(ErrorKind::Interrupted, error.reason())
            .help("run the same command again: it continues from there and keeps what is finished"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_no_recipe_can_hold_are_refused_before_anything_is_trained() {
        let folder = Path::new("nowhere");
        let said = |seed: u64, members: u32, seeds: u64| {
            let config = FitConfig { cache: folder.join("cache"), seed, members, ..FitConfig::default() };
            plan(&config, "all", seeds, folder).unwrap_err().to_string()
        };
        let most = i64::MAX as u64;
        for (seed, members, seeds) in [(most, 1, 2), (u64::MAX, 1, 1), (most / 2, 2, 2), (most / 10, 100, 1)]
        {
            let said = said(seed, members, seeds);
            assert!(said.contains("beyond the largest seed"), "{seed}, {members}, {seeds}: {said}");
        }
        assert!(said(0, 1, 0).contains("seeds = 0 is not valid"));
        // There, only the cache is missing.
        for (seed, members, seeds) in [(most, 1, 1), (most - 1, 1, 2), (most / 2, 2, 1)] {
            assert!(said(seed, members, seeds).contains("cache"), "{seed}, {members}, {seeds}");
        }
    }
}
