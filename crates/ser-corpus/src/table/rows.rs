//! From rows of text to annotations.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::names::{SPEAKER_ID_RULE, check_relative, composed, is_speaker_id};
use crate::segment::Segment;
use crate::table::column::{Column, Places, lacking, why_not_passed_over};
use crate::table::{ColumnNames, RawTable, time};
use crate::{Annotation, PublishedSide};

/// What the rows of one table say.
pub(super) struct Annotations {
    /// Each with the path of its recording.
    pub(super) annotations: Vec<(String, Annotation)>,
    pub(super) unused: Vec<String>,
}

/// Reads every row of `table`, whose paths are those of the corpus in `data`.
pub(super) fn annotations(table: &RawTable, names: &ColumnNames, data: &Path) -> Result<Annotations> {
    let file = &table.file;
    let places =
        Places::of(&table.header, names).map_err(|what| Error::new(ErrorKind::Damaged, what).at(file))?;
    for needed in [Column::Path, Column::Label] {
        if !places.has(needed) {
            return Err(lacking(needed, &table.header).at(file));
        }
    }
    for name in &places.unused {
        if let Some(why) = why_not_passed_over(name).filter(|_| varies(table, name)) {
            let what = format!("has a column {name:?}, which cannot be passed over: {why}");
            return Err(Error::new(ErrorKind::Unsupported, what).at(file).help(remedy![
                "say what it means with ",
                Setting::Columns.to(format!("start={name}")),
                ", or take it out of the table"
            ]));
        }
    }
    let row = RowReader { places: &places, bases: Bases::of(data) };
    let annotations: Result<Vec<(String, Annotation)>> = (table.rows.iter())
        .map(|(line, cells)| {
            row.annotation(cells).map_err(|problem| {
                let error = Error::new(ErrorKind::Damaged, format!("line {line}: {}", problem.what)).at(file);
                match problem.help {
                    Some(help) => error.help(help),
                    None => error,
                }
            })
        })
        .collect();
    let annotations = annotations?;
    Ok(Annotations { annotations, unused: places.unused })
}

/// Whether a column says different things in different rows.
fn varies(table: &RawTable, name: &str) -> bool {
    let place = table.header.iter().position(|found| found == name).unwrap_or(usize::MAX);
    let mut cells = table.rows.iter().filter_map(|(_, row)| row.get(place)).filter(|cell| !cell.is_empty());
    let first = cells.next();
    cells.any(|cell| Some(cell) != first)
}

/// What is wrong with a row.
struct Problem {
    what: String,
    help: Option<&'static str>,
}

impl From<String> for Problem {
    fn from(what: String) -> Self {
        Self { what, help: None }
    }
}

struct RowReader<'a> {
    places: &'a Places,
    bases: Bases,
}

impl RowReader<'_> {
    fn annotation(&self, row: &[String]) -> Result<(String, Annotation), Problem> {
        let cell = |column| self.places.cell(row, column);
        let text = |column| cell(column).map(str::to_owned);
        let (Some(path), Some(label)) = (cell(Column::Path), cell(Column::Label)) else {
            return Err("lacks its path or its label (nan, none and null stand for nothing)"
                .to_owned()
                .into());
        };
        let path = self.bases.relative(path)?;
        let speaker = text(Column::Speaker).map(composed);
        if let Some(speaker) = speaker.as_deref().filter(|speaker| !is_speaker_id(speaker)) {
            return Err(Problem {
                what: format!("{speaker:?} cannot be a speaker's ID, since IDs name folders"),
                help: Some(SPEAKER_ID_RULE),
            });
        }
        let segment = self.segment(row)?;
        let parent = cell(Column::Parent).map(|path| self.bases.relative(path)).transpose()?;
        if parent.is_some() && segment.is_some() {
            return Err("is a segment and an augmented copy".to_owned().into());
        }
        let split = cell(Column::Split).map_or(Ok(None), side)?;
        // Segments of one recording share its room and microphone, if not more.
        let session = text(Column::Session).or_else(|| segment.map(|_| path.clone()));
        let annotation = Annotation {
            speaker,
            word: cell(Column::Word).map(str::to_lowercase),
            session,
            parent,
            segment,
            split,
            fold: text(Column::Fold),
            val_fold: text(Column::ValFold),
            ..Annotation::labelled(label)
        };
        Ok((path, annotation))
    }

    fn segment(&self, row: &[String]) -> Result<Option<Segment>, String> {
        let time = |column: Column| -> Result<Option<Duration>, String> {
            match self.places.cell(row, column) {
                Some(cell) if !time::is_open(cell) => time::parse(cell).map(Some).ok_or_else(|| {
                    format!("the {column} {cell:?} is no time; give seconds from 0 on, such as 1.5")
                }),
                _ => Ok(None),
            }
        };
        let start = time(Column::Start)?;
        let end = match (time(Column::End)?, time(Column::Duration)?) {
            // A start that is open is that of the recording.
            (None, Some(duration)) => start.unwrap_or_default().checked_add(duration),
            (end, _) => end,
        };
        match (start, end) {
            (None, None) => Ok(None),
            // The whole recording, as audformat says it.
            (Some(Duration::ZERO), None) => Ok(None),
            (start, end) => {
                Segment::new(start.unwrap_or_default(), end).map(Some).map_err(|error| error.reason())
            }
        }
    }
}

/// The side that a cell names; nothing where it says that the recording is on none.
fn side(name: &str) -> Result<Option<PublishedSide>, Problem> {
    match PublishedSide::named(name) {
        None if !PublishedSide::is_none(name) => Err(Problem {
            what: format!("the split {name:?} is none of train, val and test"),
            help: Some("write train, val or test, and other, or nothing, for what is on no side"),
        }),
        side => Ok(side),
    }
}

/// What paths may begin with that stands for the folder of the corpus.
struct Bases(Vec<String>);

impl Bases {
    fn of(data: &Path) -> Self {
        let folders = [std::path::absolute(data), data.canonicalize()];
        let text = |folder: std::path::PathBuf| Some(format!("{}/", folder.to_str()?.trim_end_matches('/')));
        Self(folders.into_iter().flatten().filter_map(text).collect())
    }

    /// The path as seen from the corpus.
    fn relative(&self, path: &str) -> Result<String, String> {
        let path = path.replace('\\', "/");
        let inside = self.0.iter().find_map(|base| path.strip_prefix(base.as_str()));
        let path = inside.unwrap_or(&path);
        let path = path.strip_prefix("./").unwrap_or(path);
        check_relative(path).map_err(|error| {
            let elsewhere = path.starts_with('/') || path.as_bytes().get(1) == Some(&b':');
            match elsewhere {
                true => {
                    format!("{path:?} is not inside the folder of the corpus; give paths relative to that")
                }
                false => error.reason(),
            }
        })?;
        Ok(composed(path.to_owned()))
    }
}

/// Refuses what validates a fold that there is not: the split of the fold that is meant would have another validation.
pub(super) fn check_folds(annotations: &[(String, Annotation)]) -> Result<(), String> {
    let folds: BTreeSet<&str> = annotations.iter().filter_map(|(_, row)| row.fold.as_deref()).collect();
    let mut validated = annotations.iter().filter_map(|(_, row)| row.val_fold.as_deref());
    let Some(unknown) = validated.find(|fold| !folds.contains(fold)) else { return Ok(()) };
    let known: Vec<String> = folds.iter().map(|fold| format!("{fold:?}")).collect();
    Err(match known.is_empty() {
        true => format!("has a val_fold {unknown:?} and no folds"),
        false => format!("has a val_fold {unknown:?} that is none of its folds {}", known.join(", ")),
    })
}

/// The annotations of each recording, in the order of their segments.
pub(super) fn by_recording(
    annotations: Vec<(String, Annotation)>,
) -> Result<HashMap<String, Vec<Annotation>>, String> {
    let mut rows: HashMap<String, Vec<Annotation>> = HashMap::new();
    for (path, annotation) in annotations {
        rows.entry(path).or_default().push(annotation);
    }
    for (path, of_path) in rows.iter_mut().filter(|(_, of_path)| of_path.len() > 1) {
        of_path.sort_by_key(|annotation| annotation.segment);
        if of_path.iter().all(|annotation| annotation.segment.is_none()) {
            return Err(format!("names {path} twice"));
        }
        if of_path.iter().any(|annotation| annotation.segment.is_none()) {
            return Err(format!("names {path} as a whole and a segment of it"));
        }
        note_overlaps(path, of_path)?;
    }
    complete_copies(&mut rows)?;
    Ok(rows)
}

/// Notes segments, sorted by their start, that begin before an earlier one ends.
fn note_overlaps(path: &str, segments: &mut [Annotation]) -> Result<(), String> {
    let mut latest: Option<Segment> = None;
    for annotation in segments {
        let Some(segment) = annotation.segment else { continue };
        if latest == Some(segment) {
            return Err(format!("names {} twice", segment.path_in(path)));
        }
        if let Some((earlier, overlap)) =
            latest.and_then(|earlier| Some((earlier, segment.overlap(&earlier)?)))
        {
            annotation.notes.push(format!(
                "shares {:.2} s of sound with the segment {earlier}, which may be on another side of a split",
                overlap.as_secs_f64()
            ));
        }
        // An end that is open is the latest of all.
        let end = |segment: &Segment| segment.end().unwrap_or(Duration::MAX);
        if latest.is_none_or(|earlier| end(&segment) >= end(&earlier)) {
            latest = Some(segment);
        }
    }
    Ok(())
}

/// Gives the rows of augmented copies what they leave open from their parents' rows.
fn complete_copies(rows: &mut HashMap<String, Vec<Annotation>>) -> Result<(), String> {
    let mut copies: Vec<(&String, &Annotation)> = rows
        .iter()
        .filter_map(|(path, of_path)| Some((path, of_path.first().filter(|row| row.parent.is_some())?)))
        .collect();
    copies.sort_unstable_by_key(|(path, _)| *path);
    let complete = |(path, copy): (&String, &Annotation)| {
        let name = copy.parent.clone().unwrap_or_default();
        let parent = match rows.get(&name).map(Vec::as_slice) {
            None | Some([]) => return Err(format!("{path} is a copy of {name}, which has no row")),
            Some([_, _, ..]) => {
                return Err(format!("{path} is a copy of {name}, which is divided into segments"));
            }
            Some([parent]) => parent,
        };
        if parent.parent.is_some() {
            return Err(format!("{path} is a copy of {name}, which is a copy itself"));
        }
        if parent.label != copy.label {
            return Err(format!(
                "{path} is labelled {:?}, but the recording it copies, {name}, {:?}",
                copy.label, parent.label
            ));
        }
        let copy = copy.clone();
        let of_parent = |own: Option<String>, of: &Option<String>| own.or_else(|| of.clone());
        Ok((
            path.clone(),
            Annotation {
                speaker: of_parent(copy.speaker, &parent.speaker),
                word: of_parent(copy.word, &parent.word),
                session: of_parent(copy.session, &parent.session),
                ..copy
            },
        ))
    };
    let completed: Result<Vec<(String, Annotation)>, String> = copies.into_iter().map(complete).collect();
    for (path, copy) in completed? {
        rows.insert(path, vec![copy]);
    }
    Ok(())
}
