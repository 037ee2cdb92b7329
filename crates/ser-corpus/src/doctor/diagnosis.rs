//! From what was seen of each recording to findings about the corpus.

use std::collections::{BTreeMap, BTreeSet};

use ser_core::text::thousands;

use crate::conventions::{CorpusConvention, Filename, Folder};
use crate::doctor::as_published::Deviation;
use crate::doctor::outliers::{far_speakers, unusual_lengths};
use crate::doctor::published::Recognition;
use crate::doctor::recording::{Examined, Sound};
use crate::doctor::sameness::{Shared, shared_length, shared_peak};
use crate::doctor::{CorpusFinding, CorpusStatistics, FindingItem, FindingKind, dbfs};
use crate::{LabelTable, Labelling, Segment};

/// A rate, or a number of channels, that this share of the recordings has is what is usual, in percent.
const USUAL_PERCENT: usize = 80;

/// Below this peak, in dB relative to full scale, a recording is nearly silent: ten bits of sixteen are unused.
const NEARLY_SILENT_DBFS: f64 = -60.0;

/// Above this share, there is more silence before and after the sound than sound.
const SILENT_SHARE: f64 = 0.5;

/// A mean that is both above −60 dB and above a quarter of the root mean square is a DC offset. A smaller share may
/// be chance: noise of 500 samples reaches a tenth once in fifty times.
const DC_LEAST: f32 = 0.001;
const DC_SHARE_OF_RMS: f32 = 0.25;

/// How many times as large as the smallest class the largest may be.
const IMBALANCE: f64 = 2.0;

/// Findings are broken down by class from this number on.
const BY_CLASS_FROM: usize = 5;

/// What a walk through the corpus showed, besides the recordings.
pub(super) struct NonRecordings {
    /// Files that are not named as recordings.
    pub(super) foreign: Vec<String>,
    /// Folders without a recording in them or below.
    pub(super) empty_folders: Vec<String>,
    /// Recordings that the table of labels names and that are not there.
    pub(super) missing_rows: Vec<String>,
}

/// Collects findings, kind by kind.
struct Diagnosis<'a> {
    examined: &'a [Examined],
    recognition: Option<&'a Recognition>,
    items: BTreeMap<FindingKind, Vec<FindingItem>>,
    summaries: BTreeMap<FindingKind, String>,
    /// Of kinds with items that are about several recordings each: how many recordings that is.
    counts: BTreeMap<FindingKind, usize>,
}

/// All findings, the most important first.
pub(super) fn diagnose(
    examined: &[Examined],
    labelling: &Labelling,
    recognition: Option<&Recognition>,
    deviations: &[Deviation],
    non_recordings: NonRecordings,
    numbers: &CorpusStatistics,
) -> Vec<CorpusFinding> {
    let mut diagnosis = Diagnosis {
        examined,
        recognition,
        items: BTreeMap::new(),
        summaries: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    diagnosis.find_in_recordings(numbers);
    diagnosis.find_in_names(labelling);
    diagnosis.find_in_labels(labelling);
    diagnosis.find_identical();
    diagnosis.compare_with_expectation();
    diagnosis.compare_with_publication(deviations);
    diagnosis.find_sameness();
    diagnosis.find_outliers();
    diagnosis.find_in_classes(numbers);
    let mut add = |kind, paths: Vec<String>| {
        paths.into_iter().for_each(|path| diagnosis.add(kind, FindingItem::new(path, "")));
    };
    add(FindingKind::Foreign, non_recordings.foreign);
    add(FindingKind::EmptyFolder, non_recordings.empty_folders);
    add(FindingKind::MissingRows, non_recordings.missing_rows);
    let table = labelling.annotator().table();
    add(FindingKind::UnusedColumns, table.map(|table| table.unused_columns().to_vec()).unwrap_or_default());
    for note in table.map(LabelTable::notes).unwrap_or_default() {
        diagnosis.add(FindingKind::Unclear, FindingItem::new("", note.clone()));
    }
    if let Some((folder, why)) = labelling.unclear() {
        diagnosis.add(FindingKind::Unclear, FindingItem::new("", format!("{folder:?} {why}")));
    }
    diagnosis.into_findings()
}

impl<'a> Diagnosis<'a> {
    fn add(&mut self, kind: FindingKind, item: FindingItem) {
        self.items.entry(kind).or_default().push(item);
    }

    fn add_about(&mut self, index: usize, kind: FindingKind, text: impl Into<String>) {
        let Some(examined) = self.examined.get(index) else { return };
        let known = self.recognition.is_some_and(|recognition| recognition.is_known(index, kind));
        self.add(kind, FindingItem { known, ..FindingItem::new(&examined.path, text) });
    }

    /// The recordings that have a sound, with their numbers.
    fn sounds(&self) -> impl Iterator<Item = (usize, &'a Examined, &'a Sound)> + use<'a> {
        let with_sound =
            |(index, examined): (usize, &'a Examined)| Some((index, examined, examined.sound.as_ref().ok()?));
        self.examined.iter().enumerate().filter_map(with_sound)
    }

    fn find_in_recordings(&mut self, numbers: &CorpusStatistics) {
        for (index, examined) in self.examined.iter().enumerate() {
            if let Err(trouble) = &examined.sound {
                self.add_about(index, trouble.kind, &trouble.text);
            } else if let Err(reason) = &examined.annotation {
                self.add_about(index, FindingKind::Unlabelled, reason);
            }
        }
        let usual_rate = self.usual(&numbers.sample_rates, FindingKind::OtherRate, "sample rate", " Hz");
        let usual_channels =
            self.usual(&numbers.channels, FindingKind::OtherChannels, "number of channels", "");
        for (index, examined, sound) in self.sounds() {
            let (recording, levels) = (&sound.recording, &sound.levels);
            if let Some(usual) = usual_rate.filter(|usual| *usual != recording.sample_rate) {
                let [own, usual] = [recording.sample_rate, usual].map(|rate| thousands(u64::from(rate)));
                self.add_about(index, FindingKind::OtherRate, format!("{own} Hz, most have {usual} Hz"));
            }
            if let Some(usual) = usual_channels.filter(|usual| *usual != recording.channels) {
                let text = format!("{}, most have {usual}", recording.channels);
                self.add_about(index, FindingKind::OtherChannels, text);
            }
            if let Some(only) = recording.only_channel {
                let text = format!("channel {only} of {} is used", recording.channels);
                self.add_about(index, FindingKind::OppositePhase, text);
            }
            let (file, _) = Segment::parse_path(&examined.path);
            let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
            let extensions = recording.container.extensions();
            if !extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)) {
                let text = format!("is {} inside .{extension}", recording.container);
                self.add_about(index, FindingKind::Disguised, text);
            }
            if levels.clipped_samples > 0 {
                let at = levels.first_clipped as f64 / f64::from(recording.sample_rate.max(1));
                let text = format!(
                    "{} samples at full scale in runs of up to {}, the first at {at:.3} s",
                    thousands(levels.clipped_samples),
                    levels.longest_clipped_run,
                );
                self.add_about(index, FindingKind::Clipped, text);
            }
            if dbfs(levels.peak) < NEARLY_SILENT_DBFS {
                let text = format!("its peak is {:.1} dBFS", dbfs(levels.peak.max(1e-10)));
                self.add_about(index, FindingKind::NearlySilent, text);
            }
            if sound.silence_share() > SILENT_SHARE {
                let [before, after] = [levels.leading_silence_s, levels.trailing_silence_s];
                let whole = recording.duration_s();
                let text = format!("{before:.2} s before and {after:.2} s after the sound, of {whole:.2} s");
                self.add_about(index, FindingKind::MostlySilence, text);
            }
            if levels.mean.abs() > DC_LEAST && levels.mean.abs() > DC_SHARE_OF_RMS * levels.rms {
                let text = format!(
                    "a mean of {:+.4} of full scale, where the RMS is {:.4}",
                    levels.mean, levels.rms
                );
                self.add_about(index, FindingKind::DcOffset, text);
            }
        }
    }

    /// What nearly all have. Where nothing is, one item says so.
    fn usual<T: Copy + std::fmt::Display>(
        &mut self,
        counts: &BTreeMap<T, usize>,
        kind: FindingKind,
        what: &str,
        unit: &str,
    ) -> Option<T> {
        let all: usize = counts.values().sum();
        let (usual, count) = counts.iter().max_by_key(|(_, count)| **count)?;
        if *count * 100 >= all * USUAL_PERCENT {
            return Some(*usual);
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(value, count)| format!("{} have {value}{unit}", thousands(*count as u64)))
            .collect();
        self.add(kind, FindingItem::new("", format!("no {what} predominates: {}", counts.join(", "))));
        None
    }

    fn find_in_names(&mut self, labelling: &Labelling) {
        let speakers: BTreeSet<&str> = self
            .examined
            .iter()
            .filter_map(|examined| examined.annotation.as_ref().ok()?.speaker.as_deref())
            .collect();
        for (index, examined) in self.examined.iter().enumerate() {
            let Ok(annotation) = &examined.annotation else { continue };
            if annotation.notes.is_empty() {
                continue;
            }
            if annotation.segment.is_some() {
                self.add_about(index, FindingKind::Overlapping, annotation.notes.join("; "));
                continue;
            }
            if labelling.annotator().contradicting_folder(&examined.path, &annotation.label).is_some() {
                self.add_about(index, FindingKind::Mislabelled, annotation.notes.join("; "));
                continue;
            }
            let name = examined.path.rsplit_once('/').map_or(examined.path.as_str(), |(_, name)| name);
            // Other remarks on names are not about a folder that says otherwise.
            let Ok(named) = Filename.annotate(name) else { continue };
            let folder = Folder.annotate(&examined.path).ok();
            let grave = folder.is_some_and(|folder| {
                let other_speaker = named.speaker != folder.speaker
                    && named.speaker.is_some_and(|speaker| speakers.contains(speaker.as_str()));
                named.label != folder.label || other_speaker
            });
            let kind = if grave { FindingKind::Mislabelled } else { FindingKind::Misnamed };
            self.add_about(index, kind, annotation.notes.join("; "));
        }
    }

    fn find_in_labels(&mut self, labelling: &Labelling) {
        for doubt in labelling.doubts() {
            self.add(
                FindingKind::Doubtful,
                FindingItem::new("", format!("{:?} {}", doubt.label, doubt.text)),
            );
        }
        for merged in labelling.merged() {
            self.add(
                FindingKind::Spelling,
                FindingItem::new("", format!("{:?} {}", merged.name, merged.text)),
            );
        }
        if let (Some(suggestion), true) =
            (labelling.suggestion(), self.items.contains_key(&FindingKind::Unlabelled))
        {
            self.summaries.insert(FindingKind::Unlabelled, ser_core::text::sentence(&suggestion));
        }
    }

    fn find_identical(&mut self) {
        let groups = identical_sounds(self.examined);
        let mut doubled: Vec<(&str, &str)> = Vec::new();
        for group in &groups {
            self.compare_within(group, &mut doubled);
        }
        if let Some(summary) = repeated_folder(&doubled) {
            self.summaries.insert(FindingKind::Doubled, summary);
        }
    }

    fn compare_within(&mut self, group: &IdenticalSounds, doubled: &mut Vec<(&'a str, &'a str)>) {
        let examined = self.examined;
        let member = |index: &usize| {
            let examined = examined.get(*index)?;
            Some((*index, examined, examined.sound.as_ref().ok()?))
        };
        let mut members = group.iter().filter_map(member);
        let Some((_, first, first_sound)) = members.next() else { return };
        let label = |examined: &'a Examined| examined.annotation.as_ref().ok().map(|a| &*a.label);
        // The first of each label stands for its label.
        let mut seen = vec![(label(first), first, first_sound)];
        for (index, copy, sound) in members {
            let same = seen.iter().find(|(seen, ..)| *seen == label(copy));
            match (same, label(copy), label(first)) {
                (Some((_, original, original_sound)), ..) => {
                    doubled.push((&original.path, &copy.path));
                    let text = format!("{} {}", relation(original_sound, sound), original.path);
                    self.add_about(index, FindingKind::Doubled, text);
                }
                (None, Some(own), Some(other)) => {
                    let text = format!(
                        "labelled {own}, {} {}, labelled {other}",
                        relation(first_sound, sound),
                        first.path
                    );
                    self.add_about(index, FindingKind::TwoLabels, text);
                    seen.push((Some(own), copy, sound));
                }
                (None, ..) => seen.push((label(copy), copy, sound)),
            }
        }
    }

    fn compare_with_expectation(&mut self) {
        let Some(recognition) = self.recognition else { return };
        for item in recognition.missing_items() {
            self.add(FindingKind::Missing, item);
        }
        let mut takes: BTreeMap<&str, Vec<(usize, u128)>> = BTreeMap::new();
        for (index, (examined, recording)) in self.examined.iter().zip(&recognition.recordings).enumerate() {
            match (recording, &examined.sound) {
                (None, _) => {
                    let text = format!("its name is not one of {}", recognition.corpus.name);
                    self.add_about(index, FindingKind::Extra, text);
                }
                (Some(recording), Ok(sound)) => {
                    takes.entry(&recording.name).or_default().push((index, sound.audio_hash))
                }
                (Some(_), Err(_)) => {}
            }
        }
        for (name, takes) in takes {
            let first = takes.first().copied();
            let other = takes.iter().find(|take| first.is_some_and(|first| first.1 != take.1));
            if let (Some((first, _)), Some((other, _))) = (first, other)
                && let Some(first) = self.examined.get(first)
            {
                self.add_about(
                    *other,
                    FindingKind::TwoTakes,
                    format!("{name} is also {}, another sound", first.path),
                );
            }
        }
    }

    fn compare_with_publication(&mut self, deviations: &[Deviation]) {
        let mut others = BTreeSet::new();
        for deviation in deviations {
            others.extend(deviation.recordings().map(|(index, _)| index));
            if deviation.is_of_all() {
                self.add(FindingKind::NotAsPublished, FindingItem::new("", deviation.in_words()));
                continue;
            }
            for (index, text) in deviation.recordings() {
                self.add_about(index, FindingKind::NotAsPublished, text);
            }
        }
        self.counts.insert(FindingKind::NotAsPublished, others.len());
        if let Some(audio) = self.recognition.and_then(|recognition| recognition.corpus.audio.as_ref()) {
            let summary = format!("As published: see {}.", audio.source);
            self.summaries.insert(FindingKind::NotAsPublished, summary);
        }
    }

    fn find_sameness(&mut self) {
        let sounds: Vec<_> = self.sounds().map(|(index, _, sound)| (index, sound)).collect();
        let mut add = |kind, shared: Option<Shared>, text: &dyn Fn(f64) -> String| {
            let Some(shared) = shared else { return };
            let count = shared.indices.len();
            let who = match count == shared.of {
                true => format!("all {}", thousands(count as u64)),
                false => [count, shared.of].map(|number| thousands(number as u64)).join(" of "),
            };
            self.add(kind, FindingItem::new("", format!("{who} {}", text(shared.value))));
            self.counts.insert(kind, count);
        };
        let length = |seconds| format!("are exactly {seconds:.2} s long");
        let peak = |level| format!("have a peak of {level:.2} dBFS");
        add(FindingKind::EqualLengths, shared_length(&sounds), &length);
        add(FindingKind::EqualPeaks, shared_peak(&sounds), &peak);
    }

    fn find_outliers(&mut self) {
        let sounds: Vec<_> = self.sounds().map(|(index, _, sound)| (index, sound)).collect();
        let unusual = unusual_lengths(&sounds);
        for (index, length) in unusual.lengths {
            let text = format!("{length:.2} s, where the median is {:.2} s", unusual.median_s);
            self.add_about(index, FindingKind::UnusualLength, text);
        }
        for (speaker, decibels) in far_speakers(self.examined) {
            let how = if decibels > 0.0 { "louder" } else { "softer" };
            let text = format!(
                "speaker {speaker} is {:.1} dB {how} than the other speakers, class by class",
                decibels.abs()
            );
            self.add(FindingKind::SpeakerLevel, FindingItem::new("", text));
        }
    }

    fn find_in_classes(&mut self, numbers: &CorpusStatistics) {
        let usable = self.examined.iter().filter(|examined| examined.sound.is_ok());
        let annotations: Vec<_> = usable.filter_map(|examined| examined.annotation.as_ref().ok()).collect();
        if let Err(error) = crate::split::check_classes(annotations.iter().map(|a| &*a.label)) {
            self.add(FindingKind::Classes, FindingItem::new("", error.reason()));
        }
        if numbers.largest_to_smallest >= IMBALANCE {
            let sizes = numbers.classes.iter().map(|class| (class.recordings, &class.label));
            if let (Some((most, largest)), Some((fewest, smallest))) = (sizes.clone().max(), sizes.min()) {
                let ratio = numbers.largest_to_smallest;
                let text = format!("{largest} has {most}, {smallest} {fewest}: {ratio:.1} times as many");
                self.add(FindingKind::Imbalance, FindingItem::new("", text));
            }
        }
        if self.recognition.is_some() {
            return; // what a speaker lacks is already reported as missing
        }
        let mut classes_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for annotation in &annotations {
            if let Some(speaker) = &annotation.speaker {
                classes_of.entry(speaker).or_default().insert(&annotation.label);
            }
        }
        let all: BTreeSet<&str> = classes_of.values().flatten().copied().collect();
        for (speaker, classes) in classes_of {
            let absent: Vec<&str> = all.difference(&classes).copied().collect();
            if !absent.is_empty() {
                let text = format!("speaker {speaker} has no {}", absent.join(", "));
                self.add(FindingKind::AbsentClass, FindingItem::new("", text));
            }
        }
    }

    fn into_findings(mut self) -> Vec<CorpusFinding> {
        let labels: BTreeMap<&str, &str> = self
            .examined
            .iter()
            .filter_map(|examined| Some((examined.path.as_str(), &*examined.annotation.as_ref().ok()?.label)))
            .collect();
        let finding = |(kind, mut items): (FindingKind, Vec<FindingItem>)| {
            items.sort();
            let by_class = || by_class(kind, &items, &labels);
            CorpusFinding {
                kind,
                severity: kind.severity(),
                title: kind.title(),
                advice: kind.advice(),
                summary: self.summaries.remove(&kind).or_else(by_class),
                count: match (kind, self.recognition) {
                    (FindingKind::Missing, Some(recognition)) => recognition.missing(),
                    _ => self.counts.get(&kind).copied().unwrap_or(items.len()),
                },
                items,
            }
        };
        std::mem::take(&mut self.items).into_iter().map(finding).collect()
    }
}

/// How many of each class, where it matters whether a class has more than its share.
fn by_class(kind: FindingKind, items: &[FindingItem], labels: &BTreeMap<&str, &str>) -> Option<String> {
    let tells_a_class = matches!(
        kind,
        FindingKind::Clipped
            | FindingKind::NearlySilent
            | FindingKind::MostlySilence
            | FindingKind::DcOffset
            | FindingKind::OtherRate
            | FindingKind::OtherChannels
            | FindingKind::UnusualLength
    );
    if !tells_a_class || items.len() < BY_CLASS_FROM {
        return None;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(labels.get(item.path.as_str())?).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(label, count)| format!("{label} {}", thousands(*count as u64))).collect();
    Some(format!("By class: {}.", counts.join(", ")))
}

/// Recordings that sound the same to the last bit, the one nearest to the top of the corpus first.
type IdenticalSounds = Vec<usize>;

/// All groups of two and more, in the order of their first path.
fn identical_sounds(examined: &[Examined]) -> Vec<IdenticalSounds> {
    let mut by_sound: Vec<(u128, usize)> = examined
        .iter()
        .enumerate()
        .filter_map(|(index, examined)| Some((examined.sound.as_ref().ok()?.audio_hash, index)))
        .collect();
    by_sound.sort_unstable();
    let path =
        |index: &usize| examined.get(*index).map(|examined| examined.path.as_str()).unwrap_or_default();
    let mut groups: Vec<IdenticalSounds> = by_sound
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|same| same.len() > 1)
        .map(|same| {
            let mut group: IdenticalSounds = same.iter().map(|(_, index)| *index).collect();
            group.sort_by_key(|index| (path(index).matches('/').count(), path(index)));
            group
        })
        .collect();
    groups.sort_by_key(|group| group.first().map(path));
    groups
}

/// Whether the files are the same as well, and not only what they sound like.
fn relation(a: &Sound, b: &Sound) -> &'static str {
    if a.file_hash == b.file_hash { "the same file as" } else { "sounds as" }
}

/// What the pairs (original, copy) of paths have in common: a folder that repeats another.
fn repeated_folder(pairs: &[(&str, &str)]) -> Option<String> {
    let mut roots: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (original, copy) in pairs {
        if let Some(pair) = without_common_end(original, copy) {
            *roots.entry(pair).or_default() += 1;
        }
    }
    let ((original, copy), count) = roots.into_iter().max_by_key(|(_, count)| *count)?;
    if count < 2 || count * 2 < pairs.len() {
        return None;
    }
    let how_many = if count == pairs.len() { "All".to_owned() } else { thousands(count as u64) };
    Some(match original {
        "" => format!("{how_many} in {copy}/, which repeats what is beside it."),
        _ => format!("{how_many} in {copy}/, which repeats {original}/."),
    })
}

/// `a/x/1.wav`, `b/x/1.wav` → `a`, `b`; nothing where not even the file names agree.
fn without_common_end<'a>(a: &'a str, b: &'a str) -> Option<(&'a str, &'a str)> {
    let (mut a, mut b) = (a, b);
    let mut agreed = false;
    loop {
        let (a_rest, a_last) = a.rsplit_once('/').unwrap_or(("", a));
        let (b_rest, b_last) = b.rsplit_once('/').unwrap_or(("", b));
        if a_last != b_last || a.is_empty() || b.is_empty() {
            return agreed.then_some((a, b));
        }
        (a, b, agreed) = (a_rest, b_rest, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_repeats_another_is_named() {
        assert_eq!(without_common_end("OAF/1.wav", "T/OAF/1.wav"), Some(("", "T")));
        assert_eq!(without_common_end("T/OAF/1.wav", "T/T/OAF/1.wav"), Some(("", "T")));
        assert_eq!(without_common_end("a/1.wav", "b/1.wav"), Some(("a", "b")));
        assert_eq!(without_common_end("a/1.wav", "a/2.wav"), None);
        let pairs = [("OAF/1.wav", "T/OAF/1.wav"), ("YAF/1.wav", "T/YAF/1.wav"), ("x/1.wav", "x/2.wav")];
        assert_eq!(repeated_folder(&pairs).unwrap(), "2 in T/, which repeats what is beside it.");
        assert_eq!(repeated_folder(&pairs[2..]), None);
        let pairs = [("a/1.wav", "b/1.wav"), ("a/2.wav", "b/2.wav")];
        assert_eq!(repeated_folder(&pairs).unwrap(), "All in b/, which repeats a/.");
    }
}
