//! Preparation by several machines: each computes a portion of the files into a folder of its own, and one run puts them
//! together.
//!
//! A portion is a cache without splits, and a record of which portion of how many it is. Files are dealt by their paths, so that
//! each machine knows its own without a word from the others. The run that puts them together is an ordinary one which
//! copies tensors from the portions instead of computing them, in the order in which it would have computed them: what it
//! writes is what one machine alone would have written.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use ser_cache::{
    Index, RowInfo, SeenFile, Sha, Shard, ShardLayout, TensorKey, check_inside, index_path, shard_path,
    shards_folder,
};
use ser_core::remedy::Setting;
use ser_core::storage::{Storage, read_text};
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::{Deserialize, Serialize};

use crate::prepare::PrepareOptions;
use crate::prepare::candidates::Candidates;

/// More portions than this are a typing mistake.
const MOST: u32 = 100_000;

/// The most bytes of a record.
const MOST_RECORD_BYTES: u64 = 1 << 16;

/// Which portion of a preparation: the `number`-th of `of`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Portion {
    number: u32,
    of: u32,
}

impl Portion {
    /// The `number`-th of `of` portions.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where there is no such portion.
    pub fn new(number: u32, of: u32) -> Result<Self> {
        if !(1..=MOST).contains(&of) || !(1..=of).contains(&number) {
            let what = format!("there is no portion {number} of {of}");
            return Err(Error::new(ErrorKind::Usage, what)
                .help(format!("give it as 1/8, 2/8 and so on, of at most {MOST}")));
        }
        Ok(Self { number, of })
    }

    /// How many portions there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether the file at `path` in the corpora is in it.
    pub(super) fn has(self, path: &str) -> bool {
        let digest = Sha::of(&[b"portion", path.as_bytes()]);
        let [a, b, c, d, e, f, g, h, ..] = digest.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) % u64::from(self.of) == u64::from(self.number - 1)
    }
}

impl fmt::Display for Portion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Portion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let Some((number, of)) = numbers else {
            let what = format!("{text:?} names no portion");
            return Err(Error::new(ErrorKind::Usage, what).help("give it as 1/8, 2/8 and so on"));
        };
        Self::new(number, of)
    }
}

/// What a portion says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PortionRecord {
    portion: Portion,
    /// The feature set that it has tensors of.
    feature_set: String,
    /// Digest of the paths and sizes of all files of the corpora.
    corpora: Sha,
}

impl PortionRecord {
    /// That of the run with `options` over all `candidates` for the feature set `id`; none where all is prepared.
    pub(super) fn of(options: &PrepareOptions, candidates: &Candidates, id: &str) -> Option<Self> {
        let portion = options.portion?;
        Some(Self { portion, feature_set: id.to_owned(), corpora: digest(candidates) })
    }

    fn place(folder: &Path) -> PathBuf {
        folder.join("portion.json")
    }

    /// That of the portion in `folder`; none where there is none.
    fn read(folder: &Path) -> Result<Option<Self>> {
        let path = Self::place(folder);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path, "the record of a portion", MOST_RECORD_BYTES)?;
        let record = serde_json::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Damaged, "is not the record of a portion").at(&path).caused_by(error)
        })?;
        Ok(Some(record))
    }

    pub(super) fn write(&self, storage: &Storage, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Io, "the record of a portion cannot be written").caused_by(error)
        })?;
        storage.replace_file(&Self::place(folder), &[&text])
    }

    /// Refuses to prepare into a folder that holds something else: all of a corpus where this is a portion of one, another
    /// portion, or a portion where all is to be prepared.
    pub(super) fn check_folder(record: Option<&Self>, out: &Path) -> Result<()> {
        let what = match (record, Self::read(out)?) {
            (None, None) => return Ok(()),
            (Some(_), None) if !index_path(out).exists() => return Ok(()),
            (Some(_), None) => "is a whole cache, and no portion of one".to_owned(),
            (Some(own), Some(other)) if own.portion == other.portion => return Ok(()),
            (_, Some(other)) => format!("holds portion {}", other.portion),
        };
        let help = remedy!["give another folder with ", Setting::Out];
        Err(Error::new(ErrorKind::Mismatch, what).at(out).help(help))
    }
}

/// Paths and sizes of all files, whichever portion they are in.
fn digest(candidates: &Candidates) -> Sha {
    let mut text = Vec::new();
    let originals = (0..).zip(candidates.iter()).filter(|(_, candidate)| candidate.copy.is_none());
    for (position, candidate) in originals {
        text.extend_from_slice(candidate.path.as_bytes());
        text.push(0);
        text.extend_from_slice(&candidates.stat(position).size.to_le_bytes());
    }
    Sha::of(&[&text])
}

/// All portions of a preparation, to be put together.
#[derive(Default)]
pub(super) struct Portions {
    places: HashMap<TensorKey, Place>,
    shards: Vec<PortionShard>,
    /// What the portions know of the files they read.
    pub(super) files: Vec<SeenFile>,
}

/// Where a tensor lies.
struct Place {
    shard: usize,
    position: u32,
    row: RowInfo,
}

/// A shard of a portion, opened when a tensor of it is first needed.
struct PortionShard {
    root: Arc<Path>,
    name: Sha,
    opened: Mutex<Option<Arc<Shard>>>,
}

impl Portions {
    /// Opens the portions in `options.merge` for the feature set `id` of the corpora that these `candidates` are of.
    ///
    /// # Errors
    /// When one is no portion, is of another corpus, of other features, or of another number of portions; when one is there
    /// twice, or is missing: each by its name.
    pub(super) fn open(options: &PrepareOptions, candidates: &Candidates, id: &str) -> Result<Self> {
        let mut portions = Self::default();
        if options.merge.is_empty() {
            return Ok(portions);
        }
        let corpora = digest(candidates);
        let mut found: BTreeMap<u32, (&Path, u32)> = BTreeMap::new();
        for folder in &options.merge {
            let refuse = |kind, what: String| Error::new(kind, what).at(folder);
            let Some(PortionRecord { portion, feature_set, corpora: of }) = PortionRecord::read(folder)?
            else {
                return Err(refuse(
                    ErrorKind::Mismatch,
                    "holds no portion: portion.json is missing".to_owned(),
                )
                .help(remedy!["prepare it with ", Setting::Shard]));
            };
            if feature_set != id {
                let what = format!("is of the feature set {feature_set}, not {id}");
                return Err(refuse(ErrorKind::Mismatch, what)
                    .help("give the options that all portions were prepared with"));
            }
            if of != corpora {
                let what = "was prepared from other files than those that are there now".to_owned();
                return Err(
                    refuse(ErrorKind::Mismatch, what).help("prepare all portions from the same recordings")
                );
            }
            if let Some((other, _)) = found.get(&portion.number) {
                let what = format!("is portion {portion}, as is {}", other.display());
                return Err(refuse(ErrorKind::Mismatch, what).help("give each portion once"));
            }
            if let Some((other, parts)) = found.values().find(|(_, parts)| *parts != portion.of) {
                let what = format!("is portion {portion}, but {} is one of {parts}", other.display());
                return Err(refuse(ErrorKind::Mismatch, what));
            }
            found.insert(portion.number, (folder, portion.of));
            portions.add(folder, id)?;
        }
        let of = found.values().next().map_or(0, |(_, of)| *of);
        let missing: Vec<String> = (1..=of)
            .filter(|number| !found.contains_key(number))
            .take(20)
            .map(|number| format!("{number}/{of}"))
            .collect();
        if !missing.is_empty() {
            let what = format!("portions are missing: {}", missing.join(", "));
            return Err(
                Error::new(ErrorKind::Mismatch, what).help(remedy!["give all of them with ", Setting::Merge])
            );
        }
        Ok(portions)
    }

    fn add(&mut self, folder: &Path, id: &str) -> Result<()> {
        let not_there =
            || Error::new(ErrorKind::Damaged, "is a portion whose index lacks its tensors").at(folder);
        let index = Index::read(&index_path(folder))?.ok_or_else(not_there)?;
        let set = index.feature_sets.into_iter().find(|set| set.id == id).ok_or_else(not_there)?;
        let (root, first): (Arc<Path>, usize) = (folder.into(), self.shards.len());
        self.shards.extend(set.shards.into_iter().map(|name| PortionShard {
            root: root.clone(),
            name,
            opened: Mutex::default(),
        }));
        for entry in set.entries {
            let place =
                Place { shard: first + entry.shard as usize, position: entry.position, row: entry.row };
            self.places.entry(place.row.key).or_insert(place);
        }
        self.files.extend(index.files);
        Ok(())
    }

    /// Whether one of them has the tensor with this key.
    pub(super) fn have(&self, key: &TensorKey) -> bool {
        self.places.contains_key(key)
    }

    /// The tensor with this key and what is known of it, compared with its checksum; none where no portion has it.
    ///
    /// # Errors
    /// When its shard is missing or damaged, which is named.
    pub(super) fn tensor(
        &self,
        key: &TensorKey,
        layout: &ShardLayout,
    ) -> Result<Option<(Vec<f32>, RowInfo)>> {
        let Some(Place { shard, position, row }) = self.places.get(key) else { return Ok(None) };
        let Some(of) = self.shards.get(*shard) else { return Ok(None) };
        let shard = of.open(layout)?;
        let position = *position as usize;
        shard.check(position, row.frames, &row.checksum)?;
        Ok(Some((shard.features(position, 1)?.into_owned(), row.clone())))
    }
}

impl PortionShard {
    fn open(&self, layout: &ShardLayout) -> Result<Arc<Shard>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shard) = &*opened {
            return Ok(shard.clone());
        }
        let path = shard_path(&shards_folder(&self.root), &self.name);
        check_inside(&self.root, &path)?;
        let shard = Arc::new(Shard::open(&path, layout)?);
        *opened = Some(shard.clone());
        Ok(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_one_portion_and_no_portion_is_empty() {
        let portions: Vec<Portion> = (1..=5).map(|number| Portion::new(number, 5).unwrap()).collect();
        let mut sizes = [0; 5];
        for file in 0..1_000 {
            let path = format!("speaker_{}/{file}.wav", file % 7);
            let of: Vec<usize> = (0..5).filter(|&number| portions[number].has(&path)).collect();
            assert_eq!(of.len(), 1, "{path}");
            sizes[of[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (140..260).contains(size)), "{sizes:?}");
    }

    #[test]
    fn what_is_no_portion_is_refused() {
        assert_eq!("2/8".parse::<Portion>().unwrap().to_string(), "2/8");
        for wrong in ["", "1", "0/4", "5/4", "1/0", "a/b", "-1/2", "1/200000", "1/2/3"] {
            assert_eq!(wrong.parse::<Portion>().unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }
}
