//! Kaldi's data directories: `wav.scp`, and beside it `segments`, `utt2spk` and a file that gives every utterance its
//! label. There may be one directory for each split.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ser_core::{Error, ErrorKind, Result};

use crate::PublishedSide;
use crate::remote::is_file;
use crate::table::formats::{TableFormat, folder_name, table_folders};
use crate::table::{Column, ColumnNames, RawTable, read_text};

/// A data directory, or several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kaldi;

/// What recipes call the file of labels.
const LABEL_FILES: [&str; 7] =
    ["utt2emo", "utt2emotion", "utt2label", "utt2class", "emotion", "label", "labels"];

impl TableFormat for Kaldi {
    fn name(&self) -> &str {
        "kaldi"
    }

    fn main_file(&self, data: &Path) -> Option<PathBuf> {
        directories(data).into_iter().next().map(|directory| directory.join("wav.scp"))
    }

    fn read(&self, data: &Path, _: &ColumnNames) -> Result<Vec<RawTable>> {
        let directories = directories(data);
        if directories.is_empty() {
            return Err(Error::new(ErrorKind::Missing, "holds no wav.scp").at(data));
        }
        directories.iter().map(|directory| table(directory)).collect()
    }
}

fn directories(data: &Path) -> Vec<PathBuf> {
    table_folders(data).into_iter().filter(|folder| is_file(&folder.join("wav.scp"))).collect()
}

fn table(directory: &Path) -> Result<RawTable> {
    let recordings = Lines::read(&directory.join("wav.scp"))?;
    for (id, (line, location)) in &recordings.of {
        if location.ends_with('|') {
            let what = format!(
                "line {line}: {id} is the output of a command ({location:?}), and commands are not run"
            );
            return Err(Error::new(ErrorKind::Unsupported, what)
                .at(recordings.file)
                .help("write the recordings to files, and name those"));
        }
    }
    let labels = LABEL_FILES.map(|name| directory.join(name)).into_iter().find(|file| is_file(file));
    let Some(labels) = labels else {
        let what = format!("holds no file of labels; there should be one of {}", LABEL_FILES.join(", "));
        return Err(Error::new(ErrorKind::Missing, what)
            .at(directory)
            .help("each of its lines is: <utterance> <label>"));
    };
    let labels = Lines::read(&labels)?;
    let optional = |name: &str| {
        let file = directory.join(name);
        is_file(&file).then(|| Lines::read(&file)).transpose()
    };
    let (segments, speakers) = (optional("segments")?, optional("utt2spk")?);
    let columns = [Column::Path, Column::Label, Column::Speaker, Column::Start, Column::End, Column::Split];
    let side =
        Some(folder_name(directory)).filter(|name| PublishedSide::named(name).is_some()).unwrap_or_default();
    let notes = match &segments {
        Some(segments) => {
            check_channels(segments)?;
            let unlabelled = segments.of.keys().filter(|utterance| !labels.of.contains_key(*utterance));
            without_label(&segments.file, &labels.file, &unlabelled.collect::<Vec<_>>())
        }
        None => Vec::new(),
    };
    let mut rows = Vec::new();
    for (utterance, (line, label)) in &labels.of {
        let damaged = |what: String, file: &Path| Err(Error::new(ErrorKind::Damaged, what).at(file));
        let (recording, start, end) = match &segments {
            None => (utterance.as_str(), "", ""),
            Some(segments) => {
                let Some((line, segment)) = segments.of.get(utterance) else {
                    return damaged(
                        format!("line {line}: {utterance} has no line in segments"),
                        &labels.file,
                    );
                };
                match segment.split_ascii_whitespace().collect::<Vec<_>>()[..] {
                    // An end of -1 is that of the recording.
                    [recording, start, end] | [recording, start, end, _] => {
                        (recording, start, if end.starts_with('-') { "" } else { end })
                    }
                    _ => {
                        return damaged(
                            format!("line {line}: is not <utterance> <recording> <start> <end>"),
                            &segments.file,
                        );
                    }
                }
            }
        };
        let Some((_, location)) = recordings.of.get(recording) else {
            return damaged(format!("line {line}: {recording} has no line in wav.scp"), &labels.file);
        };
        let speaker = speakers.as_ref().and_then(|speakers| speakers.of.get(utterance));
        let speaker = speaker.map_or("", |(_, speaker)| speaker.as_str());
        let row = [location, label, speaker, start, end, &side].map(str::to_owned).to_vec();
        rows.push((*line, row));
    }
    let header = columns.iter().map(ToString::to_string).collect();
    Ok(RawTable { notes, ..RawTable::new(labels.file, header, rows) })
}

/// Refuses segments of different channels, as tables with such a column are.
fn check_channels(segments: &Lines) -> Result<()> {
    let channel = |(line, segment): &'_ (usize, String)| -> Option<(usize, String)> {
        Some((*line, segment.split_ascii_whitespace().nth(3)?.to_owned()))
    };
    let mut channels = segments.of.values().filter_map(channel);
    let Some((_, first)) = channels.next() else { return Ok(()) };
    match channels.find(|(_, channel)| *channel != first) {
        None => Ok(()),
        Some((line, other)) => {
            let what = format!(
                "line {line}: is of channel {other}, another of channel {first}: recordings are mixed down, so a segment \
                 cannot choose a channel"
            );
            Err(Error::new(ErrorKind::Unsupported, what)
                .at(&segments.file)
                .help("write each channel to a recording of its own, and take the channels out"))
        }
    }
}

/// Says how many segments have no label, and so are not used.
fn without_label(segments: &Path, labels: &Path, unlabelled: &[&String]) -> Vec<String> {
    let Some(first) = unlabelled.first() else { return Vec::new() };
    let (segments, labels) = (segments.display(), labels.display());
    let count = unlabelled.len();
    vec![format!(
        "{count} of the segments in {segments} are not used, such as {first}: {labels} has no line for them"
    )]
}

/// A file whose lines begin with an ID.
struct Lines {
    file: PathBuf,
    /// Of each ID its line and what follows on it.
    of: BTreeMap<String, (usize, String)>,
}

impl Lines {
    fn read(file: &Path) -> Result<Self> {
        let text = read_text(file)?;
        let mut of = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let damaged =
                |what: &str| Error::new(ErrorKind::Damaged, format!("line {line}: {what}")).at(file);
            let (id, rest) = text
                .trim()
                .split_once(|letter: char| letter.is_ascii_whitespace())
                .ok_or_else(|| damaged("has an ID and nothing else"))?;
            if of.insert(id.to_owned(), (line, rest.trim().to_owned())).is_some() {
                return Err(damaged(&format!("has {id} a second time")));
            }
        }
        Ok(Self { file: file.to_owned(), of })
    }
}
