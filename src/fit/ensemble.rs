//! Training an ensemble: networks of one recipe with seeds of their own, whose answers are averaged.
//!
//! Each member is a run in `member-<i>/` of the ensemble's folder, and can be resumed and reported on like any other. Its
//! seed is `seed · members + i`, so that ensembles with other seeds have no member in common. At the end their best
//! checkpoints become one, which is the ensemble's.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::config::{FitConfig, MOST_MEMBERS};
use super::network::ensemble::prefix;
use super::run::RunFolder;
use super::state::Origin;
use super::train::{Event, FitRequest, FitSummary, fit};
use crate::storage::Storage;
use crate::{Error, ErrorKind, Result};

/// Trains what the recipe of `request` asks for: one network, or as many as it has members.
///
/// # Errors
/// Those of [`fit`].
pub fn fit_members(request: FitRequest<'_>, storage: &Storage) -> Result<FitSummary> {
    let FitRequest { config, material, run, device, stop, progress, on_event, .. } = request;
    if config.members == 1 {
        return fit(FitRequest { on_event, ..request });
    }
    let mut summary = None;
    let mut checkpoints = Vec::with_capacity(config.members as usize);
    for number in 0..config.members {
        on_event(Event::Member { number: number + 1, of: config.members })?;
        let config = member(config, number);
        let folder = run.path().join(format!("member-{}", number + 1));
        let has_begun = folder.join("config.toml").exists();
        let run = match has_begun {
            true => RunFolder::open(storage, &folder)?.0,
            false => RunFolder::create(storage, &folder, &config)?,
        };
        let config = &config;
        let done = fit(FitRequest {
            config,
            material,
            run: &run,
            device,
            resume: has_begun,
            stop,
            progress,
            on_event,
        })
        .map_err(|error| go_on(error, request.run))?;
        checkpoints.push(Checkpoint::read(&done.checkpoint)?);
        summary = Some(done);
    }
    run.save_best(&join(checkpoints, config)?)?;
    let summary = summary.ok_or_else(|| Error::new(ErrorKind::Usage, "an ensemble needs members"))?;
    Ok(FitSummary { checkpoint: run.best_path(), ..summary })
}

/// Makes one checkpoint, `best.pt` in `folder`, of the networks in `checkpoints`, which were trained before, and returns
/// where it is. What they have in common is what [`fit_members`] would have them have; their seeds may be any.
///
/// # Errors
/// When there are fewer than two, one cannot be read, one is an ensemble itself, or they are of different shapes, features,
/// splits or classes; when `folder` holds a checkpoint already.
pub fn join_checkpoints(checkpoints: &[PathBuf], folder: &Path, storage: &Storage) -> Result<PathBuf> {
    let target = folder.join("best.pt");
    if target.exists() {
        return Err(Error::new(ErrorKind::Usage, "is there already")
            .at(target)
            .mend("choose another --run folder"));
    }
    let members = u32::try_from(checkpoints.len()).unwrap_or(u32::MAX);
    if !(2..=MOST_MEMBERS).contains(&members) {
        return Err(Error::new(ErrorKind::Usage, format!("{members} checkpoints are no ensemble"))
            .mend(format!("name 2 to {MOST_MEMBERS} of them")));
    }
    let read = checkpoints.iter().map(Checkpoint::read).collect::<Result<Vec<_>>>()?;
    let origins = read.iter().zip(checkpoints).map(|(checkpoint, path)| {
        let origin = Origin::of(checkpoint).map_err(|error| error.at(path))?;
        match origin.model.members {
            1 => Ok(origin),
            _ => Err(Error::new(ErrorKind::Unsupported, "is an ensemble itself")
                .at(path)
                .mend("name its members instead")),
        }
    });
    let origins = origins.collect::<Result<Vec<_>>>()?;
    let config = FitConfig { members, ..origins[0].fit.clone() };
    let joined = join(read, &config)?;
    storage.make_folder(folder)?;
    joined.write(storage, &target)?;
    Ok(target)
}

/// The recipe of member `number`, from 0.
fn member(config: &FitConfig, number: u32) -> FitConfig {
    let seed = config.seed * u64::from(config.members) + u64::from(number);
    FitConfig { seed, members: 1, publish: PathBuf::new(), ..config.clone() }
}

/// An interruption of a member, with what to do about the ensemble.
fn go_on(error: Error, run: &RunFolder) -> Error {
    match error.kind() {
        ErrorKind::Interrupted => Error::new(ErrorKind::Interrupted, error.reason())
            .mend(format!("continue with: ser-fit --resume {}", run.path().display())),
        _ => error,
    }
}

/// One checkpoint whose network is all those of `checkpoints`, which were trained by the recipe `config`.
///
/// # Errors
/// When there are none, or they are of different shapes, features, splits or classes.
fn join(checkpoints: Vec<Checkpoint>, config: &FitConfig) -> Result<Checkpoint> {
    let mut origins = checkpoints.iter().map(Origin::of).collect::<Result<Vec<_>>>()?;
    let Some(mut origin) = origins.pop() else {
        return Err(Error::new(ErrorKind::Usage, "an ensemble needs members"));
    };
    let members = checkpoints.len();
    let is_alike = |other: &Origin| {
        other.model == origin.model && other.feature_set == origin.feature_set && other.split == origin.split
    };
    if !origins.iter().all(is_alike) || checkpoints.windows(2).any(|two| two[0].labels != two[1].labels) {
        let what = "the members of an ensemble differ in their network, features, split or classes";
        return Err(Error::new(ErrorKind::Mismatch, what).mend("take networks of one recipe on one split"));
    }
    origin.model.members = members;
    origin.fit = config.clone();
    origin.metrics = None;
    let mut joined = Checkpoint {
        labels: Vec::new(),
        config: origin.to_json()?,
        model_state: Vec::new(),
        extra: Vec::new(),
    };
    for (number, checkpoint) in checkpoints.into_iter().enumerate() {
        let named = checkpoint.model_state.into_iter().map(|(name, tensor)| (prefix(number) + &name, tensor));
        joined.model_state.extend(named);
        joined.labels = checkpoint.labels;
        // Statistics of the training side, which are the same for all.
        joined.extra = checkpoint.extra;
    }
    joined.model_state.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(joined)
}
