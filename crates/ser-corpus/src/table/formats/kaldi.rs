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

/// The columns of the table that a directory becomes.
const COLUMNS: [Column; 6] =
    [Column::Path, Column::Label, Column::Speaker, Column::Start, Column::End, Column::Split];

fn table(directory: &Path) -> Result<RawTable> {
    let directory = Directory::read(directory)?;
    let notes = match &directory.segments {
        Some(segments) => {
            check_channels(segments)?;
            without_label(segments, &directory.labels)
        }
        None => Vec::new(),
    };
    let utterances = directory.labels.of.keys();
    let rows = utterances.map(|utterance| directory.row(utterance)).collect::<Result<_>>()?;
    let header = COLUMNS.iter().map(ToString::to_string).collect();
    Ok(RawTable { notes, ..RawTable::new(directory.labels.file, header, rows) })
}

/// The files of a data directory.
struct Directory {
    /// `wav.scp`
    recordings: Lines,
    labels: Lines,
    segments: Option<Lines>,
    /// `utt2spk`
    speakers: Option<Lines>,
    /// The side of a split that the directory is named for; empty where it is named for none.
    side: String,
}

impl Directory {
    fn read(directory: &Path) -> Result<Self> {
        let recordings = Lines::read(&directory.join("wav.scp"))?;
        refuse_commands(&recordings)?;
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
        let side = Some(folder_name(directory)).filter(|name| PublishedSide::named(name).is_some());
        Ok(Self { recordings, labels, segments, speakers, side: side.unwrap_or_default() })
    }

    /// The row of an utterance that has a label, and the line of that.
    fn row(&self, utterance: &str) -> Result<(usize, Vec<String>)> {
        let damaged = |what: String, lines: &Lines| Error::new(ErrorKind::Damaged, what).at(&lines.file);
        let (line, label) = self.labels.get(utterance).unwrap_or_default();
        let (recording, start, end) = match &self.segments {
            None => (utterance, "", ""),
            Some(segments) => {
                let (segment_line, segment) = segments.get(utterance).ok_or_else(|| {
                    damaged(format!("line {line}: {utterance} has no line in segments"), &self.labels)
                })?;
                parts_of_segment(segment).ok_or_else(|| {
                    let what = format!("line {segment_line}: is not <utterance> <recording> <start> <end>");
                    damaged(what, segments)
                })?
            }
        };
        let (_, location) = self.recordings.get(recording).ok_or_else(|| {
            damaged(format!("line {line}: {recording} has no line in wav.scp"), &self.labels)
        })?;
        let speaker = self.speakers.as_ref().and_then(|speakers| speakers.get(utterance));
        let speaker = speaker.map_or("", |(_, speaker)| speaker);
        Ok((line, [location, label, speaker, start, end, &self.side].map(str::to_owned).to_vec()))
    }
}

/// Refuses recordings that are the output of commands.
fn refuse_commands(recordings: &Lines) -> Result<()> {
    match recordings.of.iter().find(|(_, (_, location))| location.ends_with('|')) {
        None => Ok(()),
        Some((id, (line, location))) => {
            let what = format!(
                "line {line}: {id} is the output of a command ({location:?}), and commands are not run"
            );
            Err(Error::new(ErrorKind::Unsupported, what)
                .at(&recordings.file)
                .help("write the recordings to files, and name those"))
        }
    }
}

/// The recording, the start and the end of a line of `segments`, which may name a channel as well. An end of -1 is that of the
/// recording.
fn parts_of_segment(segment: &str) -> Option<(&str, &str, &str)> {
    match segment.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [recording, start, end] | [recording, start, end, _] => {
            Some((recording, start, if end.starts_with('-') { "" } else { end }))
        }
        _ => None,
    }
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
fn without_label(segments: &Lines, labels: &Lines) -> Vec<String> {
    let unlabelled = || segments.of.keys().filter(|utterance| !labels.of.contains_key(*utterance));
    let Some(first) = unlabelled().next() else { return Vec::new() };
    let (count, segments, labels) = (unlabelled().count(), segments.file.display(), labels.file.display());
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

    /// The line of an ID and what follows on it.
    fn get(&self, id: &str) -> Option<(usize, &str)> {
        self.of.get(id).map(|(line, rest)| (*line, rest.as_str()))
    }
}
