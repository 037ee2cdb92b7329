//! Tar files, also those of WebDataset: the files of a sample have one name and different endings, such as `0001.flac`,
//! `0001.json` and `0001.cls`.

use std::collections::{BTreeMap, HashSet, btree_map};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use parquet::file::reader::Length;
use ser_audio::Limits;
use ser_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use crate::archive::source::Source;
use crate::archive::{Archive, Description, Member, PassedOver};
use crate::audio_file::{BEGINNING, has_audio_extension, is_hidden, not_decoded};
use crate::check_relative;

/// No description of a sample is read that is larger than this, bytes.
const LARGEST_DESCRIPTION: u64 = 1 << 16;

/// A tar file.
#[derive(Debug)]
pub(super) struct Tar {
    members: Vec<Member>,
    /// Where the bytes of each member begin.
    offsets: Vec<u64>,
    /// What is said of each sample, by its path without any ending.
    samples: BTreeMap<String, Sample>,
    passed_over: PassedOver,
    damage: Option<String>,
}

/// What the files beside a recording say of it.
#[derive(Debug, Default)]
struct Sample {
    /// `.json`
    fields: Map<String, Value>,
    /// `.cls`, the number of its class where `.json` has the name.
    class: Option<String>,
    /// The files that say it, by their endings.
    files: BTreeMap<&'static str, String>,
    /// What is wrong with one of them.
    problem: Option<String>,
}

impl Tar {
    /// Goes through the headers of `file`.
    ///
    /// # Errors
    /// When it cannot be read, or is no tar file at all.
    pub(super) fn index(file: Source) -> Result<Self> {
        let mut found = Self {
            members: Vec::new(),
            offsets: Vec::new(),
            samples: BTreeMap::new(),
            passed_over: PassedOver::default(),
            damage: None,
        };
        let size = file.len();
        let mut archive = ::tar::Archive::new(BufReader::new(file));
        let mut names = HashSet::new();
        let entries = archive.entries_with_seek().map_err(|error| damaged(&error))?;
        for entry in entries {
            if let Err(problem) =
                entry.map_err(|error| error.to_string()).and_then(|entry| found.add(entry, size, &mut names))
            {
                // What comes after it cannot be found.
                found.damage = Some(problem);
                break;
            }
        }
        if found.members.is_empty()
            && let Some(damage) = &found.damage
        {
            return Err(Error::new(ErrorKind::Damaged, format!("cannot be read as a tar file: {damage}"))
                .help("copy it again from its source"));
        }
        Ok(found)
    }

    /// Notes what `entry` is, in a tar file of `size_of_file` bytes in which recordings of these `names` came before it.
    fn add(
        &mut self,
        mut entry: ::tar::Entry<'_, impl Read>,
        size_of_file: u64,
        names: &mut HashSet<String>,
    ) -> Result<(), String> {
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            return Ok(());
        }
        let path = entry.path_bytes().into_owned();
        let Ok(path) = String::from_utf8(path) else { return Err("a name in it is not UTF-8".to_owned()) };
        let path = path.trim_start_matches("./").to_owned();
        if path.split('/').any(|part| is_hidden(part.as_ref())) {
            return Ok(());
        }
        if !kind.is_file() {
            self.pass_over(path, kind);
            return Ok(());
        }
        check_relative(&path).map_err(|error| error.reason())?;
        let (offset, size) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(size).is_none_or(|end| end > size_of_file) {
            return Err(format!("ends within {path}"));
        }
        if !has_audio_extension(Path::new(&path)) && !self.note_unless_audio(&path, &mut entry)? {
            return Ok(());
        }
        if !names.insert(path.clone()) {
            return Err(format!("{path} is in it twice"));
        }
        self.members.push(Member { name: path, size });
        self.offsets.push(offset);
        Ok(())
    }

    /// Whether the file at `path`, which is not named as a recording, is one by its content. What is none is noted: as the
    /// description of a sample, as audio that is not decoded, or as another file.
    fn note_unless_audio(
        &mut self,
        path: &str,
        entry: &mut ::tar::Entry<'_, impl Read>,
    ) -> Result<bool, String> {
        let cannot_read = |error: std::io::Error| format!("{path}: {error}");
        let (key, ending) = sample_of(path);
        if let Some(ending) = ["json", "cls"].into_iter().find(|known| *known == ending) {
            let mut bytes = Vec::new();
            let is_read = entry.size() <= LARGEST_DESCRIPTION;
            if is_read {
                entry.read_to_end(&mut bytes).map_err(cannot_read)?;
            }
            let sample = self.samples.entry(key.to_owned()).or_default();
            sample.add(path, ending, is_read.then_some(&bytes));
            return Ok(false);
        }
        let mut beginning = Vec::new();
        entry.take(BEGINNING).read_to_end(&mut beginning).map_err(cannot_read)?;
        match ser_audio::sniff(&beginning) {
            Some(Ok(_)) => return Ok(true),
            Some(Err(kind)) => self.passed_over.unusable.push((path.to_owned(), not_decoded(kind))),
            None => self.passed_over.ignored += 1,
        }
        Ok(false)
    }

    /// Notes what is neither a file nor a folder.
    fn pass_over(&mut self, path: String, kind: ::tar::EntryType) {
        if !has_audio_extension(Path::new(&path)) {
            self.passed_over.ignored += 1;
            return;
        }
        let what = match kind.is_symlink() || kind.is_hard_link() {
            true => "is a link in a tar file, which is not followed",
            false => "is no plain file in its tar file",
        };
        let error = Error::new(ErrorKind::Unusable, what).help("put the recording itself into the tar file");
        self.passed_over.unusable.push((path, error));
    }
}

impl Sample {
    /// Adds what the file at `path` says, which ends with `ending`; nothing where it is too large to be read.
    fn add(&mut self, path: &str, ending: &'static str, bytes: Option<&Vec<u8>>) {
        let problem = match (self.files.entry(ending), bytes) {
            (btree_map::Entry::Occupied(first), _) => Some(format!(
                "{} and {path} in it describe one sample, since the name of a sample ends at its first dot",
                first.get()
            )),
            (_, None) => {
                let most = LARGEST_DESCRIPTION >> 10;
                Some(format!("{path} in it is larger than {most} KiB, too large to describe a recording"))
            }
            (btree_map::Entry::Vacant(place), Some(bytes)) => {
                place.insert(path.to_owned());
                match ending {
                    "json" => serde_json::from_slice(bytes)
                        .map(|fields| self.fields = fields)
                        .err()
                        .map(|error| format!("{path} in it is not a JSON object: {error}")),
                    _ => std::str::from_utf8(bytes)
                        .map(|class| self.class = Some(class.trim().to_owned()))
                        .err()
                        .map(|_| format!("{path} in it is not text")),
                }
            }
        };
        if let Some(problem) = problem {
            self.problem.get_or_insert(problem);
        }
    }
}

/// The path of a sample without any ending, and the last ending: of `train/0001.seg.json`, `train/0001` and `json`.
fn sample_of(path: &str) -> (&str, &str) {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = path.get(name..).and_then(|name| name.find('.')).map_or(path.len(), |dot| name + dot);
    (path.get(..dot).unwrap_or(path), path.rsplit('.').next().unwrap_or_default())
}

fn damaged(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Damaged, format!("cannot be read as a tar file: {error}"))
        .help("copy it again from its source")
}

impl Archive for Tar {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }

    fn descriptions(&self, file: &Path) -> Result<Vec<Description>> {
        let described = |Member { name, .. }: &Member| {
            let Sample { fields, class, problem, .. } = self.samples.get(sample_of(name).0)?;
            Some(match problem {
                Some(problem) => Err(Error::new(ErrorKind::Damaged, problem.clone()).at(file).help(
                    "pack it again, each sample with a name of its own, one .json or .cls at most, and null for NaN",
                )),
                None => Ok(Description { name: name.clone(), fields: fields.clone(), class: class.clone() }),
            })
        };
        self.members.iter().filter_map(described).collect()
    }

    fn read(&self, file: &Path, position: usize, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
        let (Some(member), Some(offset)) = (self.members.get(position), self.offsets.get(position)) else {
            return Err(Error::new(ErrorKind::Missing, "is not in its archive"));
        };
        limits.check_bytes(member.size)?;
        let mut file = Source::open(file)?;
        let cannot = |error: std::io::Error| {
            Error::new(ErrorKind::Io, format!("cannot be read: {error}")).caused_by(error)
        };
        file.seek(SeekFrom::Start(*offset)).map_err(cannot)?;
        let read = file.take(member.size).read_to_end(bytes).map_err(cannot)?;
        match read as u64 == member.size {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Io, "ended early: its archive has changed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_sample_go_by_their_name_up_to_the_first_dot() {
        assert_eq!(sample_of("0001.flac"), ("0001", "flac"));
        assert_eq!(sample_of("a.b/0001.seg.json"), ("a.b/0001", "json"));
        assert_eq!(sample_of("none"), ("none", "none"));
    }
}
