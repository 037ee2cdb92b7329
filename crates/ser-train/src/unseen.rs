//! Evaluates a checkpoint on a labelled corpus that it was not made for.

use std::collections::BTreeSet;
use std::path::Path;

use ser_cache::{Cache, EntriesByKey, FeatureSet, Utterance};
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::text::thousands;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_eval::{
    Doubt, Evaluation, OutOfDomain, Prediction, Provenance, RawAnswers, Uncertainty, training_in_words,
};
use ser_model::calibration::{Calibrator, Temperature, check_coverage};
use ser_model::checkpoint::Checkpoint;
use ser_model::domain::DomainReference;
use ser_model::{Heard, LearntFrom};

use crate::assess::{AssessOptions, is_another_corpus, no_reference, not_calibrated, same_features};
use crate::batches::Batches;
use crate::batches::normalisation::normaliser_of;
use crate::calibrate::sound_of;
use crate::device;
use crate::domain::distances;
use crate::evaluate::evaluate;
use crate::network::Network;
use crate::state::Origin;
use crate::trained::{self, network_of};

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

/// The protocol of a report on a corpus of which the checkpoint has heard neither sounds nor speakers, and that of one on a
/// corpus which cannot be called unseen.
const UNSEEN: &str = "unseen corpus";
const OTHER: &str = "other corpus";

/// How many names a sentence gives before it only counts.
const NAMES: usize = 5;

/// Predicts every recording of the cache `options.cache` whose label the checkpoint knows and whose sound it was neither
/// trained nor validated on. The answer is the most probable of the labels that both have.
///
/// # Errors
/// When the checkpoint is damaged or does not say what it has heard; when the cache is missing, damaged, or has other
/// features; when fewer than two labels, or no recording, are left: that error names no path.
pub fn assess_unseen(
    options: &AssessOptions,
    progress: &dyn Progress,
) -> Result<(Evaluation, Vec<Prediction>)> {
    check_coverage(options.coverage)?;
    let (checkpoint, origin) = trained::read(&options.checkpoint)?;
    let of_checkpoint = |error: Error| error.at(&options.checkpoint);
    let learnt = LearntFrom::of(&checkpoint).map_err(of_checkpoint)?.ok_or_else(|| {
        let what = "does not say which sounds it was trained on, so nothing can be called unseen by it";
        Error::new(ErrorKind::Missing, what).at(&options.checkpoint).help("train it again with this version")
    })?;
    let root = options.cache.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "no other corpus is given").help(remedy![
            "name it with ",
            Setting::Data,
            " or ",
            Setting::Cache
        ])
    })?;
    let cache = Cache::open(root)?.with_access(options.access);
    let set = same_features(&cache, &origin)?;
    let calibrator = Calibrator::of(&checkpoint).map_err(of_checkpoint)?;
    let domain = DomainReference::of(&checkpoint).map_err(of_checkpoint)?;

    let (device, _) = device::set_up(&options.device, options.threads)?;
    let mut network = network_of(&checkpoint, &origin, &options.encoders, device)
        .map_err(|error| error.at(&options.checkpoint))?;
    let evaluation = CorpusEvaluation { checkpoint: &checkpoint, origin: &origin, set, learnt: &learnt };
    let predicted = evaluation.predictions(&cache, &mut network, domain.as_ref(), progress)?;
    predicted.check()?;

    let temperature = calibrator.as_ref().map_or(Temperature::ONE, |calibrator| calibrator.temperature);
    let threshold =
        calibrator.as_ref().map(|calibrator| calibrator.set_threshold(options.coverage)).transpose()?;
    let predictions = predicted.recordings.iter().map(|recording| {
        let exact = temperature.probabilities(&recording.logits);
        let probabilities = exact.iter().map(|probability| *probability as f32).collect();
        let doubt = threshold
            .as_ref()
            .map(|threshold| Doubt { coverage: options.coverage, set: threshold.classes(&exact) });
        let prediction = Prediction::most_probable(&recording.path, recording.truth, probabilities)?;
        let share_as_unusual =
            domain.as_ref().zip(recording.distance).map(|(domain, far)| domain.share_as_unusual(far));
        Ok(Prediction { doubt, share_as_unusual, ..prediction })
    });
    let predictions = predictions.collect::<Result<Vec<_>>>()?;

    let (logits, truth) = (predicted.logits(), predicted.truth());
    let raw = RawAnswers { logits: &logits, classes: predicted.labels.len(), truth: &truth };
    let uncertainty = match &calibrator {
        Some(calibrator) => Ok(Uncertainty::of(calibrator, &raw, options.coverage)?),
        None => Err(not_calibrated(&checkpoint)?),
    };
    let out_of_domain = match &domain {
        Some(domain) => {
            let far: Vec<f64> =
                predicted.recordings.iter().filter_map(|recording| recording.distance).collect();
            Ok(OutOfDomain::of(domain, &far)?)
        }
        None => Err(no_reference(&checkpoint)?),
    };
    let provenance = Provenance {
        checkpoint: options.checkpoint.display().to_string(),
        epoch: u64::from(origin.epoch),
        seed: origin.fit.seed,
        members: origin.members.clone(),
        cache: root.display().to_string(),
        protocol: if predicted.is_unseen(&learnt) { UNSEEN } else { OTHER }.to_owned(),
        protocol_in_words: [
            vec![predicted.in_words(&learnt)],
            training_in_words(&origin.fit, &origin.epochs()),
        ]
        .concat()
        .join(" "),
    };
    let evaluation = Evaluation::new(predicted.labels, &predictions, provenance)?;
    let evaluation = evaluation.with_uncertainty(uncertainty).with_out_of_domain(out_of_domain);
    Ok((evaluation, predictions))
}

/// A checkpoint to be evaluated on a corpus.
struct CorpusEvaluation<'a> {
    checkpoint: &'a Checkpoint,
    origin: &'a Origin,
    set: &'a FeatureSet,
    learnt: &'a LearntFrom,
}

/// What it predicted of a recording.
struct Recording {
    path: String,
    /// Index among the labels that both have.
    truth: usize,
    /// Logits of those labels.
    logits: Vec<f32>,
    /// From the training side.
    distance: Option<f64>,
}

/// What it predicted of all recordings.
struct CorpusPredictions {
    /// The labels that both have, in the order of the checkpoint.
    labels: Vec<String>,
    /// Those that only the corpus has, and those that only the checkpoint has.
    only_corpus: Vec<String>,
    only_checkpoint: Vec<String>,
    recordings: Vec<Recording>,
    speakers: BTreeSet<String>,
    /// Recordings that do not name their speaker.
    n_unnamed: u64,
    /// Recordings left out because the checkpoint has heard the very sound.
    n_heard: u64,
    /// Recordings left out because it does not know their label.
    n_other_labels: u64,
}

impl CorpusEvaluation<'_> {
    /// What it predicts for every recording; the random split has each on one of its sides.
    fn predictions(
        &self,
        cache: &Cache,
        network: &mut Network,
        domain: Option<&DomainReference>,
        progress: &dyn Progress,
    ) -> Result<CorpusPredictions> {
        let split = cache.split(self.set, &Protocol::Random)?;
        let known = &self.checkpoint.labels;
        let there: Vec<String> = split.info.labels.iter().map(|label| as_known(known, label)).collect();
        let without = |a: &[String], b: &[String]| -> Vec<String> {
            a.iter().filter(|label| !b.contains(label)).cloned().collect()
        };
        let common: Vec<usize> = (0..known.len()).filter(|index| there.contains(&known[*index])).collect();
        let labels: Vec<String> = common.iter().map(|index| known[*index].clone()).collect();
        let mut predicted = CorpusPredictions {
            only_corpus: without(&there, &labels),
            only_checkpoint: without(known, &labels),
            labels,
            recordings: Vec::new(),
            speakers: BTreeSet::new(),
            n_unnamed: 0,
            n_heard: 0,
            n_other_labels: 0,
        };
        let entries = self.set.by_key();
        // Recordings of a speaker are normalised together, on whatever side they are. Augmented copies are none.
        let of_all = Side::ALL.into_iter().flat_map(|part| split.side(part));
        let utterances: Vec<Utterance> = of_all
            .filter(|utterance| utterance.parent.is_none())
            .map(|utterance| Utterance { label: as_known(known, &utterance.label), ..utterance.clone() })
            .collect();
        let dataset = cache.dataset(self.set, &there, &utterances)?;
        let way = self.origin.fit.feature_normalisation;
        let normaliser = normaliser_of(self.checkpoint, way, &dataset, &utterances, network.device())?;
        let batches = Batches::new(&dataset, network.device())?.normalised_by(normaliser);
        let answers = evaluate(network, &dataset, &batches, progress)?;
        let far = domain.map(|domain| distances(domain, &dataset, &utterances)).transpose()?;
        let rows = answers.logits.chunks_exact(answers.classes);
        for (index, (utterance, logits)) in utterances.iter().zip(rows).enumerate() {
            let logits = common.iter().map(|class| logits[*class]).collect();
            let distance = far.as_ref().and_then(|far| far.get(index).copied());
            predicted.add(utterance, logits, distance, self.has_heard(&entries, utterance));
        }
        Ok(predicted)
    }

    fn has_heard(&self, entries: &EntriesByKey<'_>, utterance: &Utterance) -> bool {
        let within =
            |heard: &Heard| sound_of(entries, utterance).is_some_and(|sound| heard.sounds.contains(&sound));
        within(&self.learnt.training) || within(&self.learnt.validation)
    }
}

impl CorpusPredictions {
    fn add(&mut self, utterance: &Utterance, logits: Vec<f32>, distance: Option<f64>, heard: bool) {
        let Some(truth) = self.labels.iter().position(|label| *label == utterance.label) else {
            self.n_other_labels += 1;
            return;
        };
        if heard {
            self.n_heard += 1;
            return;
        }
        match &utterance.speaker {
            Some(speaker) => _ = self.speakers.insert(speaker.clone()),
            None => self.n_unnamed += 1,
        }
        self.recordings.push(Recording { path: utterance.path.clone(), truth, logits, distance });
    }

    fn logits(&self) -> Vec<f32> {
        self.recordings.iter().flat_map(|recording| recording.logits.iter().copied()).collect()
    }

    fn truth(&self) -> Vec<usize> {
        self.recordings.iter().map(|recording| recording.truth).collect()
    }

    /// # Errors
    /// When there is nothing to evaluate; the corpus is not named, which is a name that only the caller knows.
    fn check(&self) -> Result<()> {
        if self.labels.len() < 2 {
            let what = format!(
                "has the labels {}, the checkpoint knows {}: fewer than two are in both",
                listed(self.only_corpus.iter().chain(&self.labels)),
                listed(self.only_checkpoint.iter().chain(&self.labels))
            );
            let help = remedy!["give the same names to the same classes with ", Setting::Map];
            return Err(Error::new(ErrorKind::Mismatch, what).help(help));
        }
        if self.recordings.is_empty() {
            let what = match self.n_heard {
                0 => "has no recording with a label that the checkpoint knows".to_owned(),
                n => {
                    format!("has nothing but {n} recordings that the checkpoint was trained or validated on")
                }
            };
            return Err(Error::new(ErrorKind::Unusable, what).help("give another corpus"));
        }
        Ok(())
    }

    /// Speakers that have the name of one in training or validation. Where there were several corpora, names have their corpus
    /// in front, which one corpus alone has not.
    fn shared_speakers(&self, learnt: &LearntFrom) -> Vec<&String> {
        let is_in_front = |corpus: &str| corpus.ends_with('-');
        let same = |a: &str, b: &str| {
            a == b || a.strip_suffix(b).is_some_and(is_in_front) || b.strip_suffix(a).is_some_and(is_in_front)
        };
        let heard = || learnt.training.speakers.iter().chain(&learnt.validation.speakers);
        self.speakers.iter().filter(|name| heard().any(|known| same(name, known))).collect()
    }

    fn is_unseen(&self, learnt: &LearntFrom) -> bool {
        self.n_heard == 0 && self.n_unnamed == 0 && self.shared_speakers(learnt).is_empty()
    }

    /// What was evaluated, what was left out, and whether it may be called unseen.
    fn in_words(&self, learnt: &LearntFrom) -> String {
        let (n, labels) = (thousands(self.recordings.len() as u64), listed(&self.labels));
        let speakers = match self.speakers.len() {
            0 => "of speakers whom it does not name".to_owned(),
            1 => "of 1 speaker".to_owned(),
            count => format!("of {count} speakers"),
        };
        let mut words = vec![format!(
            "All {n} recordings {speakers} with a label that the checkpoint knows; the answer is the most probable of the \
             {} labels that both have ({labels}).",
            self.labels.len()
        )];
        if self.n_other_labels > 0 {
            words.push(format!(
                "{} recordings with other labels ({}) were left out.",
                thousands(self.n_other_labels),
                listed(&self.only_corpus)
            ));
        }
        if !self.only_checkpoint.is_empty() {
            words.push(format!(
                "The checkpoint also knows {}, which the corpus has not.",
                listed(&self.only_checkpoint)
            ));
        }
        let shared = self.shared_speakers(learnt);
        if self.n_heard > 0 {
            words.push(format!(
                "This is not an unseen corpus: {} recordings of it were heard in training or validation and left out; those \
                 that remain may be by the same speakers.",
                thousands(self.n_heard)
            ));
        }
        if !shared.is_empty() {
            words.push(format!(
                "This is not called unseen: speakers of these names were in training or validation ({}), and may be the same \
                 people.",
                listed(shared)
            ));
        }
        if self.n_unnamed > 0 {
            words.push(format!(
                "This is not called unseen: {} recordings do not name their speaker, who may have been in training or \
                 validation.",
                thousands(self.n_unnamed)
            ));
        }
        if self.is_unseen(learnt) {
            words
                .push("Neither a sound nor a speaker's name of it was in training or validation.".to_owned());
        }
        words.join(" ")
    }
}

/// A label as the checkpoint writes it, if it knows it; classes are the same whatever case they are written in.
fn as_known(known: &[String], label: &str) -> String {
    let folded = label.to_lowercase();
    let same = known.iter().find(|known| *known == label);
    let alike = || known.iter().find(|known| known.to_lowercase() == folded);
    same.or_else(alike).map_or_else(|| label.to_owned(), String::clone)
}

/// `a, b, c and 4 more`.
fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    match names.len() {
        0 => "none".to_owned(),
        n if n <= 2 * NAMES => names.join(", "),
        n => format!("{} and {} more", names[..NAMES].join(", "), n - NAMES),
    }
}
