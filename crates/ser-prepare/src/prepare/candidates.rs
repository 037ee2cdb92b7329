//! Which recordings there are, and what each is labelled: scan, annotate, map, exclude.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::split::check_parents;
use ser_corpus::{Annotation, Annotator, AudioFile, Corpora, Corpus, LabelMap, LabelTable, Mapped, Scan, Segment};

use crate::prepare::{Candidate, CorpusReport, PrepareOptions, PrepareReport};

/// Everything in `corpora` that can be an utterance, as far as names and tables say.
pub(super) fn find_candidates(
    options: &PrepareOptions,
    corpora: &Corpora,
    report: &mut PrepareReport,
) -> Result<Vec<Candidate>> {
    let map = options.map.as_ref().map(LabelMap::read).transpose()?;
    let mut found = Found { names: Names::default(), candidates: Vec::new(), labels: BTreeMap::new() };
    for (number, corpus) in corpora.iter().enumerate() {
        let scan = ser_corpus::scan(&corpus.data)?;
        if scan.files.is_empty() && scan.unusable.is_empty() {
            return Err(Error::new(
                ErrorKind::Unusable,
                format!("holds no recordings ({} other files)", scan.ignored),
            )
            .at(&corpus.data)
            .help(format!("recordings are files named .{}", ser_corpus::scan::EXTENSIONS.join(" ."))));
        }
        let paths = || scan.files.iter().map(|file| file.path.as_str());
        let annotator =
            Annotator::new(options.labels_of(number), &options.columns, &corpus.data, paths())?;
        if let Some(table) = annotator.table() {
            note_table(table, paths(), corpora, corpus, report)?;
        }
        found.add(scan, corpora, corpus, &annotator, map.as_ref(), options, report);
    }
    let Found { candidates, labels, .. } = found;
    if let Some(map) = &map {
        map.check(&labels)?;
    }
    check_excluded(options, map.as_ref(), &labels)?;
    check_parents(
        candidates
            .iter()
            .map(|candidate| (candidate.file.path.as_str(), candidate.annotation.parent.as_deref())),
    )?;
    Ok(candidates)
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
    if !table.unused_columns().is_empty() {
        let names: Vec<String> = table.unused_columns().iter().map(|name| format!("{name:?}")).collect();
        report.note(&file.to_string(), format!("says nothing that is used in its columns {}", names.join(", ")));
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
    let corpora = Corpora::new(&options.data)?;
    let candidates = find_candidates(options, &corpora, &mut PrepareReport::default())?;
    let recording = |Candidate { file, annotation, .. }: Candidate| {
        let location = corpora.location(&file.path).ok()?;
        let (label, speaker) =
            (annotation.label.to_string(), annotation.speaker.as_deref().map(str::to_owned));
        let segment = annotation.segment;
        Some(LabelledRecording { location, path: file.path, segment, label, speaker })
    };
    Ok(candidates.into_iter().filter_map(recording).collect())
}

struct Found {
    names: Names,
    candidates: Vec<Candidate>,
    /// The labels of each corpus, as they were before the map.
    labels: BTreeMap<String, BTreeSet<String>>,
}

impl Found {
    #[expect(clippy::too_many_arguments, reason = "what one corpus needs of the others")]
    fn add(
        &mut self,
        scan: Scan,
        corpora: &Corpora,
        corpus: &Corpus,
        annotator: &Annotator,
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
            found: recordings,
            labels_by: annotator.to_string(),
        });
        for (path, error) in unusable {
            report.fail(corpora.path(corpus, path), &error);
        }
        self.labels.entry(corpus.name.clone()).or_default();
        self.candidates.reserve_exact(files.len());
        for AudioFile { path, stat } in files {
            let annotations = match Segment::parse_path(&path) {
                (_, None) => annotator.annotations(&path),
                (_, Some(_)) => Err(Error::new(ErrorKind::Unusable, "is named like a segment of another recording")
                    .help("rename it, without #t=")),
            };
            let file = AudioFile { path: corpora.path(corpus, path), stat };
            match annotations {
                Ok(annotations) => {
                    for annotation in annotations {
                        self.add_utterance(&file, annotation, corpora, corpus, map, options, report);
                    }
                }
                Err(error) => report.fail(file.path, &error),
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what one corpus needs of the others")]
    fn add_utterance(
        &mut self,
        file: &AudioFile,
        mut annotation: Annotation,
        corpora: &Corpora,
        corpus: &Corpus,
        map: Option<&LabelMap>,
        options: &PrepareOptions,
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
        if options.exclude.contains(&annotation.label) {
            report.excluded += 1;
            return;
        }
        let path = match &annotation.segment {
            Some(segment) => segment.path_in(&file.path),
            None => file.path.clone(),
        };
        let file = AudioFile { path, stat: file.stat };
        let annotation = corpora.annotation(corpus, annotation);
        let annotation = annotation.map_names(|name| self.names.share(name));
        self.candidates.push(Candidate { file, annotation, copy: None, content: None, key: None });
    }
}

/// Names, each in memory once.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn share(&mut self, name: String) -> Arc<str> {
        if let Some(shared) = self.0.get(name.as_str()) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        self.0.insert(shared.clone());
        shared
    }
}

/// Classes are excluded by the names they have after the map.
fn check_excluded(
    options: &PrepareOptions,
    map: Option<&LabelMap>,
    labels: &BTreeMap<String, BTreeSet<String>>,
) -> Result<()> {
    let mut classes: BTreeSet<&str> = BTreeSet::new();
    for (corpus, label) in labels.iter().flat_map(|(corpus, labels)| labels.iter().map(move |l| (corpus, l)))
    {
        match map.map(|map| map.of(corpus, label)) {
            None | Some(Mapped::Same) => _ = classes.insert(label),
            Some(Mapped::To(label)) => _ = classes.insert(label),
            Some(Mapped::Dropped) => {}
        }
    }
    match options.exclude.iter().find(|label| !classes.contains(label.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(Error::new(
            ErrorKind::Usage,
            format!("{}: there is no such class", Setting::Exclude.to(unknown)),
        )
        .help(format!("choose among {}", classes.into_iter().collect::<Vec<_>>().join(", ")))),
    }
}
