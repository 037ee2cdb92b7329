//! Training an ensemble: networks of one recipe with seeds of their own, whose answers are averaged.
//!
//! Each member is a run in `member-<i>/` of the ensemble's folder, and can be resumed and reported on like any other. Its
//! seed is `seed · members + i`, so that ensembles with other seeds have no member in common. At the end their best
//! checkpoints become one, which is the ensemble's.

use std::path::{Path, PathBuf};

use ser_core::remedy::{Action, Setting};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_model::checkpoint::{Checkpoint, Value};
use ser_model::network::Architecture;
use ser_model::{CarriedEncoder, FitConfig, LearntFrom, MOST_MEMBERS, MemberOrigin, RunLength};

use crate::batches::normalisation::STATISTICS;
use crate::calibrate::calibrate;
use crate::checkpoint_size;
use crate::device;
use crate::domain::{DomainReference, reference_of};
use crate::heard::learnt_from;
use crate::material::Material;
use crate::run::{FitSummary, RunFolder, trained_longer};
use crate::state::Origin;
use crate::train::{FitEvent, FitRequest, fit};
use crate::trained;

/// Trains what the recipe of `request` asks for: one network, or as many as it has members.
///
/// # Errors
/// Those of [`fit`]; and when an ensemble is to continue with another recipe than it started with, or with fewer epochs than
/// one of its members has had.
pub fn fit_members(request: FitRequest<'_>, storage: &Storage) -> Result<FitSummary> {
    if request.config.members == 1 {
        return fit(request);
    }
    let FitRequest { config, material, run, device, ranks, resume, stop, progress, on_event } = request;
    let architecture =
        Architecture::new(&config.network, material.train.shape(), material.split.info.labels.len())?;
    checkpoint_size::check(&architecture, config, 0)?;
    let length = RunLength::of(config, material.train.len())?;
    let folders: Vec<PathBuf> =
        (1..=config.members).map(|number| run.path().join(format!("member-{number}"))).collect();
    if resume {
        let begun = folders.iter().filter(|folder| folder.join("config.toml").exists());
        for folder in begun {
            let history = RunFolder::open_for(ranks, storage, folder)?.0.history()?;
            trained_longer::check(&history, config, length).map_err(|error| error.at(folder))?;
        }
        save_what_is_new(config, run)?;
    }
    let (mut members, mut summaries) = (Vec::new(), Vec::new());
    for (number, folder) in (0..config.members).zip(&folders) {
        on_event(FitEvent::Member { number: number + 1, of: config.members })?;
        let config = member(config, number)?;
        let has_begun = ranks.as_first_says(folder.join("config.toml").exists())?;
        let run = match has_begun {
            true => RunFolder::open_for(ranks, storage, folder)?.0,
            false => RunFolder::create_for(ranks, storage, folder, &config)?,
        };
        let config = &config;
        let done = fit(FitRequest {
            config,
            material,
            run: &run,
            device,
            ranks,
            resume: has_begun,
            stop,
            progress,
            on_event,
        })
        .map_err(|error| with_resume_hint(error, request.run))?;
        if ranks.is_first() {
            members.push(Member::read(&done.checkpoint)?);
        }
        summaries.push(done);
    }
    if !ranks.is_first() {
        return FitSummary::of_ensemble(summaries, run.best_path());
    }
    let mut joined = join(members, config)?;
    calibrate(&mut joined, material, device)?;
    run.save_best(&joined)?;
    FitSummary::of_ensemble(summaries, run.best_path())
}

/// Makes one checkpoint, `best.pt` in `folder`, of the networks in `checkpoints`, which were trained before, and
/// calibrates it where their cache is still there. What they have in common is what [`fit_members`] would have them
/// have; their seeds may be any.
///
/// # Errors
/// When there are fewer than two, one cannot be read, one is an ensemble itself, or they are of different shapes, features,
/// splits, classes or feature normalisation; when `folder` holds a checkpoint already.
pub fn join_checkpoints(checkpoints: &[PathBuf], folder: &Path, storage: &Storage) -> Result<Joined> {
    let target = folder.join("best.pt");
    if target.exists() {
        return Err(Error::new(ErrorKind::Usage, "already exists").at(target).help(remedy![
            "choose another ",
            Setting::Run,
            " folder"
        ]));
    }
    let count = u32::try_from(checkpoints.len()).unwrap_or(u32::MAX);
    if !(2..=MOST_MEMBERS).contains(&count) {
        return Err(Error::new(ErrorKind::Usage, format!("{count} checkpoints are not an ensemble"))
            .help(format!("name 2 to {MOST_MEMBERS} of them")));
    }
    let members = checkpoints.iter().map(|path| Member::read(path)).collect::<Result<Vec<_>>>()?;
    if let Some(ensemble) = members.iter().find(|member| member.origin.model.members != 1) {
        return Err(Error::new(ErrorKind::Unsupported, "is an ensemble itself")
            .at(&ensemble.path)
            .help("name its members instead"));
    }
    for (number, member) in members.iter().enumerate() {
        let state = &member.checkpoint.model_state;
        if let Some(same) = members[..number].iter().find(|other| other.checkpoint.model_state == *state) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("is the same network as {}", same.path.display()),
            )
            .at(&member.path)
            .help("name each network once"));
        }
    }
    let config = FitConfig { members: count, ..members[0].origin.fit.clone() };
    let mut joined = join(members, &config)?;
    let not_calibrated = calibrate_where_trained(&mut joined).err();
    storage.make_folder(folder)?;
    joined.write(storage, &target)?;
    Ok(Joined { checkpoint: target, not_calibrated })
}

/// An ensemble made of networks that were trained before.
#[derive(Debug)]
pub struct Joined {
    /// Its checkpoint.
    pub checkpoint: PathBuf,
    /// Why it could not be calibrated, if it could not: most often the cache it was trained from is gone.
    pub not_calibrated: Option<Error>,
}

/// Calibrates an ensemble on the validation side of the split its members were trained on, if that is still where it was.
///
/// # Errors
/// When it is not, or cannot be read.
fn calibrate_where_trained(joined: &mut Checkpoint) -> Result<()> {
    let origin = Origin::of(joined)?;
    let material = Material::open(&FitConfig {
        cache: PathBuf::from(&origin.split.cache),
        feature_set: Some(origin.feature_set.clone()),
        split: origin.split.protocol.clone(),
        ..origin.fit.clone()
    })?;
    if material.split.digest != origin.split.digest {
        let what = "holds another split now than the one its members were trained on";
        return Err(Error::new(ErrorKind::Mismatch, what).at(&origin.split.cache));
    }
    let (device, _) = device::set_up("cpu", origin.fit.threads)?;
    if LearntFrom::of(joined)?.is_none() {
        joined.extra.push(learnt_from(&material.set, &material.split).to_entry()?);
    }
    if DomainReference::of(joined)?.is_none() {
        joined.extra.push(reference_of(&material)?.to_entry()?);
    }
    calibrate(joined, &material, device)
}

/// The recipe of member `number`, from 0.
///
/// # Errors
/// When its seed is beyond the largest there is.
fn member(config: &FitConfig, number: u32) -> Result<FitConfig> {
    let seed = config.member_seed(number).ok_or_else(|| {
        Error::new(ErrorKind::Usage, "the seeds of its members go beyond the largest seed")
            .help(remedy!["give a smaller ", Setting::Seed])
    })?;
    Ok(FitConfig { seed, members: 1, publish: None, ..config.clone() })
}

/// Makes a later resumption of the ensemble in `run` use the settings of this one, such as more epochs: also for members that
/// have not begun.
///
/// # Errors
/// When the ensemble was started with a recipe that `config` does not continue.
fn save_what_is_new(config: &FitConfig, run: &RunFolder) -> Result<()> {
    if !config.continues(&run.config()?) {
        return Err(Error::new(
            ErrorKind::Mismatch,
            "holds an ensemble that was started with another recipe",
        )
        .at(run.path())
        .help("give the recipe it was started with, or start a new run"));
    }
    run.save_config(config)
}

/// An interruption of a member, with what to do about the ensemble.
fn with_resume_hint(error: Error, run: &RunFolder) -> Error {
    match error.kind() {
        ErrorKind::Interrupted => {
            Error::new(ErrorKind::Interrupted, error.reason()).help(Action::Resume(run.path().to_owned()))
        }
        _ => error,
    }
}

/// A network to be combined with others.
struct Member {
    path: PathBuf,
    checkpoint: Checkpoint,
    origin: Origin,
}

impl Member {
    /// # Errors
    /// When it cannot be read, or is not a checkpoint of ours.
    fn read(path: &Path) -> Result<Self> {
        let (checkpoint, origin) = trained::read(path)?;
        Ok(Self { path: path.to_owned(), checkpoint, origin })
    }

    fn statistics(&self) -> Option<&Value> {
        self.checkpoint.extra(STATISTICS)
    }

    /// In what it differs from `other` so that they cannot answer together, if in anything. Where their cache lay makes no
    /// difference: the digest tells what is in it.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let (one, two) = (&self.origin, &other.origin);
        let split = |origin: &Origin| {
            let split = &origin.split;
            (split.protocol.clone(), split.seed, split.digest)
        };
        let differences = [
            (one.model != two.model, "network"),
            (one.feature_set != two.feature_set, "feature set"),
            (split(one) != split(two), "split"),
            (self.checkpoint.labels != other.checkpoint.labels, "classes"),
            (one.fit.feature_normalisation != two.fit.feature_normalisation, "feature normalisation"),
            (self.statistics() != other.statistics(), "feature statistics"),
        ];
        differences.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
    }
}

/// One checkpoint whose network is all `members`, which were trained by the recipe `config`.
///
/// # Errors
/// When there are none, or one of them differs from the first in what would make their common answer wrong.
fn join(members: Vec<Member>, config: &FitConfig) -> Result<Checkpoint> {
    let Some((first, others)) = members.split_first() else {
        return Err(Error::new(ErrorKind::Usage, "an ensemble needs members"));
    };
    for member in others {
        if let Some(what) = member.difference(first) {
            let what = format!("differs in its {what} from {}", first.path.display());
            return Err(Error::new(ErrorKind::Mismatch, what)
                .at(&member.path)
                .help("take networks of one recipe on one split"));
        }
    }
    // If the cache has moved meanwhile, the newest member knows where it is.
    let newest = members.last().unwrap_or(first);
    let trained = |member: &Member| MemberOrigin { seed: member.origin.fit.seed, epoch: member.origin.epoch };
    let mut origin = Origin {
        fit: config.clone(),
        metrics: None,
        members: members.iter().map(trained).collect(),
        ..newest.origin.clone()
    };
    origin.model.members = members.len();
    let model = origin.model.clone();
    let statistics = first.statistics().map(|statistics| (STATISTICS.to_owned(), statistics.clone()));
    // The same split: what one has heard all have, and the same is out of their domain.
    let learnt = first_of(&members, LearntFrom::of)?.map(|learnt| learnt.to_entry()).transpose()?;
    let domain = first_of(&members, DomainReference::of)?.map(|domain| domain.to_entry()).transpose()?;
    let carried = members.iter().find_map(|member| member.checkpoint.extra(CarriedEncoder::KEY));
    let encoder = carried.map(|encoder| (CarriedEncoder::KEY.to_owned(), encoder.clone()));
    let mut joined = Checkpoint {
        labels: first.checkpoint.labels.clone(),
        config: origin.to_json()?,
        model_state: Vec::new(),
        extra: statistics.into_iter().chain(learnt).chain(domain).chain(encoder).collect(),
    };
    for (number, member) in members.into_iter().enumerate() {
        let prefix = model.member_prefix(number);
        let state = member.checkpoint.model_state.into_iter();
        joined.model_state.extend(state.map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
    }
    joined.model_state.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(joined)
}

/// What the first of `members` that has it carries.
///
/// # Errors
/// When it is damaged in one before that.
fn first_of<T>(members: &[Member], of: fn(&Checkpoint) -> Result<Option<T>>) -> Result<Option<T>> {
    let carried = members.iter().map(|member| of(&member.checkpoint).map_err(|error| error.at(&member.path)));
    carried.filter_map(Result::transpose).next().transpose()
}
