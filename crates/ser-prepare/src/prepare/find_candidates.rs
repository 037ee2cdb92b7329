//! Which recordings there are, and what each is labelled: scan, annotate, map, exclude.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ser_core::remedy::Setting;
use ser_core::storage::objects::is_url;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::split::check_parents;
use ser_corpus::{
    Annotation, AudioFile, Corpora, Corpus, GivenCorpora, LabelMap, LabelTable, Labelling, Mapped, Scan,
    Segment, Spellings,
};

use crate::prepare::candidates::{Candidate, Candidates, SharedAnnotation};
use crate::prepare::report::Remark;
use crate::prepare::shared_annotations::SharedAnnotations;
use crate::prepare::{CorpusReport, PrepareOptions, PrepareReport};

/// Everything in the corpora of `options` that can be an utterance, as far as names and tables say.
pub(super) fn find_candidates(
    options: &PrepareOptions,
    report: &mut PrepareReport,
) -> Result<(Corpora, Candidates)> {
    let map = options.map.as_ref().map(LabelMap::read).transpose()?;
    let GivenCorpora { corpora, scans, labels, bundles, ignored } =
        GivenCorpora::find(&options.data, |number| options.labels_of(number).clone())?;
    report.data = corpora.iter().map(|corpus| corpus.data.clone()).collect();
    report.ignored += ignored;
    for bundle in &bundles {
        report.note(&bundle.folder.display().to_string(), bundle.in_words());
        for path in &bundle.outside {
            let what = "is in none of the corpora of its bundle";
            report
                .fail(bundle.folder.join(path).display().to_string(), &Error::new(ErrorKind::Unusable, what));
        }
        report.found += bundle.outside.len();
    }
    let mut found = Found::default();
    let mut lacked = Vec::new();
    for ((corpus, scan), source) in corpora.iter().zip(scans).zip(&labels) {
        if scan.files.is_empty() && scan.unusable.is_empty() {
            return Err(Error::new(
                ErrorKind::Unusable,
                format!("holds no recordings ({} other files)", scan.ignored),
            )
            .at(&corpus.data)
            .help(format!("recordings are files named .{}", ser_corpus::scan::EXTENSIONS.join(" ."))));
        }
        let paths: Vec<&str> = scan.files.iter().map(|file| file.path.as_str()).collect();
        let labelling = Labelling::new(source, &options.columns, &corpus.data, &paths)?;
        if let Some(table) = labelling.annotator().table() {
            lacked.push(table.lacked_columns().clone());
            note_table(table, paths.iter().copied(), &corpora, corpus, report)?;
        }
        drop(paths);
        found.add(scan, &corpora, corpus, &labelling, map.as_ref(), options, report);
    }
    options.columns.check_used(&lacked)?;
    let Found { annotations, mut candidates, labels, speakers } = found;
    note_speakers_alike(&speakers, report);
    if let Some(map) = &map {
        map.check(&labels)?;
    }
    write_classes_alike(&mut candidates, annotations, report);
    exclude(options, &mut candidates, report)?;
    check_parents(
        candidates.iter().map(|candidate| (candidate.path, candidate.annotation.parent.as_deref())),
    )?;
    Ok((corpora, candidates))
}

/// Notes what a table says that is not used: rows of recordings that are not there, and columns.
fn note_table<'a>(
    table: &LabelTable,
    recordings: impl Iterator<Item = &'a str> + Clone,
    corpora: &Corpora,
    corpus: &Corpus,
    report: &mut PrepareReport,
) -> Result<()> {
    let file = table.file().display();
    let without = table.rows_without(recordings)?;
    if !without.is_empty() {
        let (all, missing) = (table.recordings(), without.len());
        let what = format!("{} of the {all} recordings it names are there, {missing} are not", all - missing);
        report.note(&file.to_string(), what);
    }
    for path in without {
        let path = corpora.path(corpus, path.to_owned());
        report.note(&path, format!("has a row in {file}, but there is no such file"));
    }
    for note in table.notes() {
        report.note(&file.to_string(), note.clone());
    }
    if !table.unused_columns().is_empty() {
        let names: Vec<String> = table.unused_columns().iter().map(|name| format!("{name:?}")).collect();
        report.note(
            &file.to_string(),
            format!("says nothing that is used in its columns {}", names.join(", ")),
        );
    }
    Ok(())
}

/// A recording that can be an utterance, as far as names and tables say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledRecording {
    /// Where it is.
    pub location: PathBuf,
    /// Its path in the corpus.
    pub path: String,
    /// The part of it that is meant, if it is not all.
    pub segment: Option<Segment>,
    /// Its class.
    pub label: String,
    /// Who speaks, if known.
    pub speaker: Option<String>,
}

/// Every recording that can be an utterance, as far as names and tables say: what a preparation starts from.
///
/// # Errors
/// Those of names and tables in [`crate::prepare`].
pub fn recordings(options: &PrepareOptions) -> Result<Vec<LabelledRecording>> {
    let (corpora, candidates) = find_candidates(options, &mut PrepareReport::default())?;
    let recording = |candidate: Candidate<'_>| {
        let location = corpora.location(candidate.path).ok()?;
        let (label, speaker) =
            (candidate.annotation.label.to_string(), candidate.annotation.speaker.as_deref());
        let (segment, speaker) = (candidate.segment(), speaker.map(str::to_owned));
        Some(LabelledRecording { location, path: candidate.path.to_owned(), segment, label, speaker })
    };
    Ok(candidates.iter().filter_map(recording).collect())
}

#[derive(Default)]
struct Found {
    annotations: SharedAnnotations,
    candidates: Candidates,
    /// The labels of each corpus, as they were before the map.
    labels: BTreeMap<String, BTreeSet<String>>,
    /// The speakers of each corpus that is none of the published ones, as they are called there.
    speakers: BTreeMap<String, BTreeSet<String>>,
}

impl Found {
    #[expect(clippy::too_many_arguments, reason = "what one corpus needs of the others")]
    fn add(
        &mut self,
        scan: Scan,
        corpora: &Corpora,
        corpus: &Corpus,
        labelling: &Labelling,
        map: Option<&LabelMap>,
        options: &PrepareOptions,
        report: &mut PrepareReport,
    ) {
        let Scan { files, ignored, unusable } = scan;
        let recordings = files.len() + unusable.len();
        report.found += recordings;
        report.ignored += ignored;
        report.corpora.push(CorpusReport {
            name: corpus.name.clone(),
            data: corpus.data.clone(),
            location: location_of(&corpus.data),
            found: recordings,
            labels_by: labelling.labels_by(),
            suggestion: labelling.suggestion(),
        });
        for merged in labelling.merged() {
            report.note(&merged.name, merged.text.clone());
        }
        let is_kept = |label: &str| {
            map.is_none_or(|map| map.of(&corpus.name, label) == Mapped::Same)
                && !options.exclude.iter().any(|excluded| excluded == label)
        };
        for doubt in labelling.doubts().iter().filter(|doubt| is_kept(&doubt.label)) {
            report.doubts.push(Remark { path: doubt.label.clone(), text: doubt.text.clone() });
        }
        if let Some((folder, why)) = labelling.unclear() {
            let help = Setting::Labels.to("'pattern:{speaker}/{}/{label}/{}'");
            report.note(folder, format!("{why}; say so if it is, with {help} or the like"));
        }
        for doubt in labelling.speaker_doubts() {
            report.note(&doubt.speaker, doubt.text.clone());
        }
        let is_own = corpora.are_several() && !labelling.annotator().is_published();
        for (path, error) in unusable {
            report.fail(corpora.path(corpus, path), &error);
        }
        self.labels.entry(corpus.name.clone()).or_default();
        self.candidates.reserve(files.len());
        for AudioFile { path, stat } in files {
            let annotations = match Segment::parse_path(&path) {
                (_, None) => labelling.annotations(&path),
                (_, Some(_)) => {
                    Err(Error::new(ErrorKind::Unusable, "is named like a segment of another recording")
                        .help("rename it, without #t="))
                }
            };
            let file = AudioFile { path: corpora.path(corpus, path), stat };
            match annotations {
                Ok(annotations) => {
                    for annotation in annotations {
                        if let Some(speaker) = annotation.speaker.as_ref().filter(|_| is_own) {
                            let speakers = self.speakers.entry(corpus.name.clone()).or_default();
                            speakers.insert(speaker.clone());
                        }
                        self.add_utterance(&file, annotation, corpora, corpus, map, report);
                    }
                }
                Err(error) => report.fail(file.path, &error),
            }
        }
    }

    fn add_utterance(
        &mut self,
        file: &AudioFile,
        mut annotation: Annotation,
        corpora: &Corpora,
        corpus: &Corpus,
        map: Option<&LabelMap>,
        report: &mut PrepareReport,
    ) {
        let labels = self.labels.entry(corpus.name.clone()).or_default();
        if !labels.contains(&annotation.label) {
            labels.insert(annotation.label.clone());
        }
        match map.map(|map| map.of(&corpus.name, &annotation.label)) {
            None | Some(Mapped::Same) => {}
            Some(Mapped::To(label)) => annotation.label = label.to_owned(),
            Some(Mapped::Dropped) => {
                report.dropped += 1;
                return;
            }
        }
        let path = match annotation.segment.take() {
            Some(segment) => Cow::Owned(segment.path_in(&file.path)),
            None => Cow::Borrowed(file.path.as_str()),
        };
        let annotation = self.annotations.share(corpora.annotation(corpus, annotation));
        self.candidates.push(&path, file.stat, annotation);
    }
}

/// A folder from the root of its file system; a corpus in a store is at its URL.
fn location_of(data: &Path) -> PathBuf {
    let absolute = || std::path::absolute(data).ok();
    let local = (!is_url(data)).then(absolute).flatten();
    local.unwrap_or_else(|| data.to_owned())
}

/// Notes speakers of two corpora that are called the same: they count as different people.
fn note_speakers_alike(speakers: &BTreeMap<String, BTreeSet<String>>, report: &mut PrepareReport) {
    for (number, (one, of_one)) in speakers.iter().enumerate() {
        for (other, of_other) in speakers.iter().skip(number + 1) {
            let mut alike = of_one.intersection(of_other);
            let Some(first) = alike.next() else { continue };
            let count = 1 + alike.count();
            let what = format!(
                "has {count} speakers called as in {one}, such as {first}; they count as different people, and if they are \
                 not, their splits share voices"
            );
            report.note(other, what);
        }
    }
}

/// Gives classes that differ in case alone one name, also where they are of several corpora or of a map.
fn write_classes_alike(
    candidates: &mut Candidates,
    mut annotations: SharedAnnotations,
    report: &mut PrepareReport,
) {
    let mut classes: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    for candidate in candidates.iter() {
        match classes.get_mut(&candidate.annotation.label) {
            Some(count) => *count += 1,
            None => _ = classes.insert(candidate.annotation.label.clone(), 1),
        }
    }
    let spellings = Spellings::of("class", &classes);
    if spellings.merged().is_empty() {
        return;
    }
    for merged in spellings.merged() {
        report.note(&merged.name, merged.text.clone());
    }
    for annotation in candidates.annotations_mut() {
        let used = spellings.used(&annotation.label);
        if *used != *annotation.label {
            let label = annotations.name(used.to_owned());
            *annotation = annotations.share_named(SharedAnnotation { label, ..(**annotation).clone() });
        }
    }
}

/// Takes out classes by the names they have after the map.
fn exclude(options: &PrepareOptions, candidates: &mut Candidates, report: &mut PrepareReport) -> Result<()> {
    if options.exclude.is_empty() {
        return Ok(());
    }
    let classes: BTreeSet<Arc<str>> =
        candidates.iter().map(|candidate| candidate.annotation.label.clone()).collect();
    if let Some(unknown) = options.exclude.iter().find(|label| !classes.contains(label.as_str())) {
        let classes: Vec<&str> = classes.iter().map(|label| &**label).collect();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("{}: there is no such class", Setting::Exclude.to(unknown)),
        )
        .help(format!("choose among {}", classes.join(", "))));
    }
    let before = candidates.len();
    candidates
        .retain(|candidate| !options.exclude.iter().any(|label| **label == *candidate.annotation.label));
    report.excluded += before - candidates.len();
    Ok(())
}
