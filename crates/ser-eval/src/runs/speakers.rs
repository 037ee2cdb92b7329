//! The row over all speakers: each of them the test set of a model that never heard them.

use std::collections::{BTreeMap, BTreeSet};

use ser_core::Result;
use ser_core::text::thousands;

use crate::evaluation::answers::recalls;
use crate::evaluation::unit::{MIN_UNITS, caution};
use crate::evaluation::voices::voices;
use crate::evaluation::{Resampled, Unit, Voices};
use crate::metrics::{BootstrapOptions, Scores, SetCoverage, bootstrap_mean, mean, sample_deviation};
use crate::runs::row::{Group, METRICS, recall, with_intervals};
use crate::runs::{MetricSummary, ProtocolRow, Recall};

/// That row, and the UAR of each speaker, mean over seeds.
pub(super) struct Pooled {
    pub(super) row: ProtocolRow,
    pub(super) uar: Vec<(String, f64)>,
    /// Whether there is such a row of another corpus.
    pub(super) is_one_of_several: bool,
}

/// What the runs that never heard a speaker score on that speaker.
struct Speaker {
    name: String,
    /// By seed.
    scores: BTreeMap<u64, Scores>,
    /// Recall of each class, mean over seeds; none where the speaker has no utterance of it.
    recall: Vec<Option<f64>>,
    n_utterances: u64,
}

impl Speaker {
    fn scores(&self) -> Vec<Scores> {
        self.scores.values().copied().collect()
    }
}

/// One row over all speakers for each family of protocols that assigns every speaker to its own test side or to a
/// fold, of one corpus; none for a family with a single test side, or where a speaker is tested twice. Sides are of one corpus
/// where each has the speakers of another in training.
pub(super) fn pooled(
    groups: &[Group<'_>],
    options: BootstrapOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Pooled>> {
    let mut families: BTreeMap<Family, Vec<&Group<'_>>> = BTreeMap::new();
    for group in groups.iter().filter(|group| voices(group.test()) == Voices::New) {
        if let Some(family) = Family::of(group.protocol()) {
            families.entry(family).or_default().push(group);
        }
    }
    let mut rows = Vec::new();
    for (family, groups) in families {
        let corpora = of_one_corpus(groups);
        let is_alone = corpora.len() == 1;
        for groups in corpora.into_iter().filter(|groups| groups.len() > 1) {
            let name = family.row(groups.len());
            let speakers: BTreeSet<String> =
                groups.iter().flat_map(|group| group.test().side().speakers).collect();
            // Rows of several corpora have to be told apart.
            let name = match (speakers.first(), speakers.last()) {
                (Some(first), Some(last)) if !is_alone => format!("{name}, {first} to {last}"),
                _ => name,
            };
            let row = over_speakers(&name, &groups, options, notes)?;
            rows.extend(row.map(|row| Pooled { is_one_of_several: !is_alone, ..row }));
        }
    }
    Ok(rows)
}

/// Those that belong together, since one of them has learnt from the speakers that another is tested on.
fn of_one_corpus<'a, 'b>(groups: Vec<&'a Group<'b>>) -> Vec<Vec<&'a Group<'b>>> {
    let mut corpora: Vec<(BTreeSet<String>, Vec<&Group<'_>>)> = Vec::new();
    for group in groups {
        let mut speakers = group.test().side().speakers;
        speakers.extend(group.test().train.speakers.iter().cloned());
        let mut members = vec![group];
        corpora.retain_mut(|(known, others)| {
            let apart = known.is_disjoint(&speakers);
            if !apart {
                speakers.append(known);
                members.splice(..0, others.drain(..));
            }
            apart
        });
        corpora.push((speakers, members));
    }
    corpora.into_iter().map(|(_, members)| members).collect()
}

/// The protocols that a protocol belongs to. Another corpus has other voices too, but differs in more than these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// Each speaker alone.
    Speakers,
    /// So many folds of speakers.
    Folds(usize),
}

impl Family {
    fn of(protocol: &str) -> Option<Self> {
        if protocol.starts_with("speaker-") {
            return Some(Self::Speakers);
        }
        let (_, folds) = protocol.strip_prefix("speakers-")?.split_once("-of-")?;
        folds.parse().ok().map(Self::Folds)
    }

    /// The name of its row, where so many of its test sides are there.
    fn row(&self, sides: usize) -> String {
        match self {
            Self::Speakers => "speaker-independent".to_owned(),
            Self::Folds(all) if sides == *all => format!("speakers, {all} folds"),
            Self::Folds(all) => format!("speakers, {sides} of {all} folds"),
        }
    }
}

fn over_speakers(
    name: &str,
    groups: &[&Group<'_>],
    options: BootstrapOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Pooled>> {
    let mut speakers: Vec<Speaker> = Vec::new();
    for group in groups {
        for speaker_id in group.test().side().speakers {
            if speakers.iter().any(|speaker| speaker.name == speaker_id) {
                notes.push(format!("the speaker {speaker_id} is tested twice, so there is no row {name}"));
                return Ok(None);
            }
            speakers.push(speaker(group, speaker_id)?);
        }
    }
    let n_train = groups.iter().map(|group| group.test().train.utterances).min().unwrap_or(0);
    let labels = groups[0].labels();
    let sets = groups.iter().map(|group| group.sets()).collect::<Option<Vec<_>>>();
    let sets = sets.and_then(|sets| SetCoverage::mean(&sets));
    let row = ProtocolRow { sets, ..row(name, &speakers, labels, n_train, options)? };
    Ok(Some(Pooled { row, uar: uar_of_each(&speakers), is_one_of_several: false }))
}

fn speaker(group: &Group<'_>, name: String) -> Result<Speaker> {
    let (mut scores, mut per_run, mut n_utterances) = (BTreeMap::new(), Vec::new(), 0);
    for run in &group.runs {
        let metrics = run.metrics(|utterance| utterance.speaker.as_ref() == Some(&name))?;
        scores.insert(run.seed, Scores::from(&metrics));
        n_utterances = metrics.n_utterances;
        per_run.push(recalls(&metrics));
    }
    let of_class = |class: usize| per_run.iter().filter_map(|run| run[class]).collect::<Vec<f64>>();
    let recall =
        (0..group.labels().len()).map(of_class).map(|values| (!values.is_empty()).then(|| mean(&values)));
    Ok(Speaker { name, scores, recall: recall.collect(), n_utterances })
}

fn uar_of_each(speakers: &[Speaker]) -> Vec<(String, f64)> {
    speakers.iter().map(|speaker| (speaker.name.clone(), Scores::mean(&speaker.scores()).uar)).collect()
}

fn row(
    name: &str,
    speakers: &[Speaker],
    labels: &[String],
    n_train: u64,
    options: BootstrapOptions,
) -> Result<ProtocolRow> {
    let n = speakers.len();
    let per_speaker: Vec<Scores> = speakers.iter().map(|speaker| Scores::mean(&speaker.scores())).collect();
    let seeds = common_seeds(speakers);
    let per_seed: Vec<Scores> = (seeds.iter())
        .map(|seed| {
            let of_seed: Vec<Scores> =
                speakers.iter().filter_map(|speaker| speaker.scores.get(seed)).copied().collect();
            Scores::mean(&of_seed)
        })
        .collect();
    let [accuracy, uar, macro_f1] = if n >= MIN_UNITS {
        with_intervals(&per_seed, &bootstrap_mean(&per_speaker, options)?)
    } else {
        with_ranges(&per_seed, &per_speaker)
    };
    let of_class = |class: usize| speakers.iter().filter_map(|s| s.recall[class]).collect::<Vec<f64>>();
    Ok(ProtocolRow {
        protocol: name.to_owned(),
        split: None,
        n_utterances: speakers.iter().map(|speaker| speaker.n_utterances).sum(),
        n_train,
        voices: Voices::New,
        accuracy,
        uar,
        macro_f1,
        resampled: Resampled { unit: Unit::Speaker, n, in_words: what_is_drawn(n) },
        recall: (labels.iter().enumerate())
            .map(|(class, label)| Recall { deviation: None, ..recall(label, &of_class(class)) })
            .collect(),
        notes: notes(speakers, &seeds),
        sets: None,
        seeds,
    })
}

/// What an interval over `n` speakers is about, or why there is none.
fn what_is_drawn(n: usize) -> String {
    if n >= MIN_UNITS {
        return format!(
            "{n} speakers, each counting the same: the interval is about speakers like these{}",
            caution(n)
        );
    }
    format!(
        "{n} speakers are too few to resample: the second line is the range from the lowest to the highest, and \
         says little about others"
    )
}

/// Which seeds are missing somewhere, and what each speaker scores; `common` are the seeds that every speaker has.
fn notes(speakers: &[Speaker], common: &[u64]) -> Vec<String> {
    let mut notes = Vec::new();
    let all: BTreeSet<u64> = speakers.iter().flat_map(|speaker| speaker.scores.keys().copied()).collect();
    if all.len() > common.len() {
        notes.push(format!(
            "{} of {} seeds were not trained for every speaker; the deviation leaves them out",
            all.len() - common.len(),
            all.len()
        ));
    }
    let uar_of_each: Vec<String> =
        uar_of_each(speakers).iter().map(|(name, uar)| format!("{name} {uar:.4}")).collect();
    notes.push(format!(
        "UAR of each speaker, mean over seeds: {}; {} utterances in all",
        uar_of_each.join(", "),
        thousands(speakers.iter().map(|speaker| speaker.n_utterances).sum())
    ));
    notes
}

/// Seeds that every speaker has a run of.
fn common_seeds(speakers: &[Speaker]) -> Vec<u64> {
    let Some((first, rest)) = speakers.split_first() else { return Vec::new() };
    let common = |seed: &&u64| rest.iter().all(|speaker| speaker.scores.contains_key(seed));
    first.scores.keys().filter(common).copied().collect()
}

fn with_ranges(per_seed: &[Scores], per_speaker: &[Scores]) -> [MetricSummary; 3] {
    METRICS.map(|metric| {
        let values: Vec<f64> = per_speaker.iter().map(metric).collect();
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        MetricSummary {
            mean: mean(&values),
            deviation: sample_deviation(&per_seed.iter().map(metric).collect::<Vec<_>>()),
            interval: None,
            range: Some([lowest, highest]),
        }
    })
}
