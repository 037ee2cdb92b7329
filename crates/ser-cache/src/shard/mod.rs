//! Shards: immutable safetensors files of many utterances, named by their own SHA-256.
//!
//! ```text
//! offset 0      u64 little-endian, length of the header
//! offset 8      header: JSON, padded with spaces so that the data starts at a multiple of 4,096 bytes
//! data          "features"  f32 or f16  [N, channel, n_mfcc, frame]
//!               "frames"    i32         [N]
//! ```
//!
//! The header's `__metadata__` holds the feature configuration and what is known of each row, so that a shard
//! explains itself without the index.

pub(crate) mod bytes;
pub(crate) mod row;
pub(crate) mod salvage;

use std::borrow::Cow;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use ser_core::remedy::{Action, Remedy};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_features::ValueType;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::shard::bytes::FileBytes;
use crate::{Checksum, Hex, RowInfo, Sha, shard_path};

/// Where the data starts is a multiple of this, bytes: the size of a memory page.
pub(crate) const ALIGNMENT: usize = 4096;

/// Version of the layout, kept in the header.
const VERSION: &str = "1";

/// Which features a shard holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardLayout {
    /// Shape of one utterance: `[channel, n_mfcc, frame]`.
    pub shape: [usize; 3],
    /// What its numbers are stored as.
    pub dtype: ValueType,
    /// Canonical JSON of the feature configuration.
    pub configuration: String,
}

impl ShardLayout {
    /// Bytes of one utterance's tensor.
    pub fn row_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bytes()
    }

    /// How many rows a shard of `bytes` bytes holds; at least one.
    pub fn rows_per_shard(&self, bytes: usize) -> usize {
        (bytes / self.row_bytes().max(1)).max(1)
    }
}

/// A shard being filled.
#[derive(Debug, Default)]
pub struct ShardBuffer {
    features: Vec<u8>,
    rows: Vec<RowInfo>,
}

impl ShardBuffer {
    /// Adds an utterance, whose `features` are stored as `dtype`, that of the shard's layout.
    pub fn push(&mut self, features: &[f32], dtype: ValueType, row: RowInfo) {
        self.features.extend_from_slice(&dtype.to_bytes(features));
        self.rows.push(row);
    }

    /// Forgets what it holds and keeps its memory.
    pub fn clear(&mut self) {
        self.features.clear();
        self.rows.clear();
    }

    /// How many utterances it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the shard into `folder` under its SHA-256, which is returned with its size in bytes. Once this
    /// returns it is on disk.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&self, storage: &Storage, folder: &Path, layout: &ShardLayout) -> Result<(Sha, u64)> {
        let header = self.header(layout)?;
        let length = (header.len() as u64).to_le_bytes();
        let frames: Vec<i32> = self.rows.iter().map(|row| row.frames as i32).collect();
        let pieces: [&[u8]; 4] = [&length, &header, &self.features, bytemuck::cast_slice(&frames)];
        let name = Sha::of(&pieces);
        // What stands under this name already is the same, or damaged and better replaced.
        storage.replace_file(&shard_path(folder, &name), &pieces)?;
        Ok((name, pieces.iter().map(|piece| piece.len() as u64).sum()))
    }

    fn header(&self, layout: &ShardLayout) -> Result<Vec<u8>> {
        let internal = |error| {
            Error::new(ErrorKind::Unsupported, format!("cannot describe a shard: {error}")).caused_by(error)
        };
        let [channels, n_mfcc, frames] = layout.shape;
        let n = self.rows.len();
        let end = self.features.len();
        let header = json!({
            "__metadata__": {
                "format": "ser-shard",
                "version": VERSION,
                "configuration": layout.configuration,
                "rows": serde_json::to_string(&self.rows).map_err(internal)?,
            },
            "features": {
                "dtype": stored_as(layout.dtype), "shape": [n, channels, n_mfcc, frames], "data_offsets": [0, end],
            },
            "frames": {
                "dtype": "I32", "shape": [n], "data_offsets": [end, end + n * size_of::<i32>()],
            },
        });
        let mut header = serde_json::to_vec(&header).map_err(internal)?;
        header.resize((header.len() + 8).next_multiple_of(ALIGNMENT) - 8, b' ');
        Ok(header)
    }
}

/// A shard opened for reading.
#[derive(Debug)]
pub struct Shard {
    bytes: FileBytes,
    /// Where `features` starts in the file, bytes.
    features_at: usize,
    frames_at: usize,
    rows: usize,
    row_len: usize,
    dtype: ValueType,
}

impl Shard {
    /// Opens the shard at `path`, mapped into memory, and checks that it holds what `layout` says, at an aligned
    /// place.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or holds other features. Its values are not read: their
    /// checksums are for [`Shard::check`].
    pub fn open(path: &Path, layout: &ShardLayout) -> Result<Self> {
        Self::open_by(path, layout, true)
    }

    /// As [`Shard::open`]; mapped into memory only if asked to.
    pub fn open_by(path: &Path, layout: &ShardLayout, map: bool) -> Result<Self> {
        let bytes = FileBytes::open(path, map).map_err(|error| error.help(repair()))?;
        let damaged = |what: String| damaged(path, what);
        let (data, metadata) = read_header(&bytes)?;
        let extra = metadata.metadata().as_ref();
        let field = |name: &str| extra.and_then(|extra| extra.get(name)).map_or("", String::as_str);
        if field("format") != "ser-shard" {
            return Err(damaged("is not a ser shard".to_owned()));
        }
        if field("version") != VERSION {
            return Err(damaged(format!(
                "is a shard of version {:?}, this program reads version {VERSION}",
                field("version")
            )));
        }
        if field("configuration") != layout.configuration {
            return Err(Error::new(ErrorKind::Mismatch, "holds features of another configuration").at(path));
        }
        let tensor = |name: &str, dtype: Dtype| match metadata.info(name) {
            Some(info) if info.dtype == dtype => Ok(info),
            _ => Err(damaged(format!("holds no tensor {name:?} of type {dtype:?}"))),
        };
        let (features, frames) =
            (tensor("features", stored_as(layout.dtype))?, tensor("frames", Dtype::I32)?);
        let (rows, shape) = match features.shape.split_first() {
            Some((rows, shape)) if shape == layout.shape => (*rows, shape),
            _ => return Err(damaged(format!("holds features of shape {:?}", features.shape))),
        };
        if frames.shape != [rows] {
            return Err(damaged(format!("holds {rows} rows of features but frames of {:?}", frames.shape)));
        }
        let (features_at, frames_at) = (data + features.data_offsets.0, data + frames.data_offsets.0);
        if !features_at.is_multiple_of(ALIGNMENT) || !frames_at.is_multiple_of(size_of::<i32>()) {
            return Err(damaged("holds tensors that are not aligned".to_owned()));
        }
        let row_len = shape.iter().product();
        Ok(Self { bytes, features_at, frames_at, rows, row_len, dtype: layout.dtype })
    }

    /// How many utterances it holds.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        self.bytes.path()
    }

    /// The tensors of `count` utterances from `first` on, `[count, channel, n_mfcc, frame]`: straight from the
    /// mapping, if it is mapped and they are stored as f32.
    ///
    /// # Errors
    /// When it does not hold that many, or has been cut short since it was opened.
    pub fn features(&self, first: usize, count: usize) -> Result<Cow<'_, [f32]>> {
        if first.checked_add(count).is_none_or(|end| end > self.rows) {
            let last = first.saturating_add(count.saturating_sub(1));
            return Err(damaged(self.path(), format!("has {} rows, not row {last}", self.rows)));
        }
        self.values(first, count * self.row_len)
    }

    /// The first `count` values of the tensor in `row`.
    ///
    /// # Errors
    /// As [`Shard::features`], and when a tensor has fewer values.
    pub fn beginning(&self, row: usize, count: usize) -> Result<Cow<'_, [f32]>> {
        if row >= self.rows || count > self.row_len {
            return Err(damaged(self.path(), format!("has {} rows of {} values", self.rows, self.row_len)));
        }
        self.values(row, count)
    }

    /// `count` values from the beginning of the tensor in `row`.
    fn values(&self, row: usize, count: usize) -> Result<Cow<'_, [f32]>> {
        let at = self.features_at + row * self.row_len * self.dtype.bytes();
        let values = match self.dtype {
            ValueType::F32 => self.bytes.floats(at, count),
            dtype => self.bytes.bytes(at, count * dtype.bytes()).map(|bytes| dtype.from_bytes(&bytes).into()),
        };
        values.map_err(|error| error.help(repair()))
    }

    /// Lets the operating system fetch the tensor in `row`, which will be wanted soon.
    pub(crate) fn prefetch(&self, row: usize) {
        let width = self.row_len * self.dtype.bytes();
        if row < self.rows {
            self.bytes.prefetch(self.features_at + row * width, width);
        }
    }

    /// How many frames of the utterance in `row` are real.
    ///
    /// # Errors
    /// When it has no such row.
    pub fn frames(&self, row: usize) -> Result<u32> {
        if row >= self.rows {
            return Err(damaged(self.path(), format!("has {} rows, not row {row}", self.rows)));
        }
        let stored = self.bytes.bytes(self.frames_at + row * size_of::<i32>(), size_of::<i32>());
        let stored = stored.map_err(|error| error.help(repair()))?;
        Ok(stored.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    /// Reads the tensor in `row` and compares it and its number of frames with what was written.
    ///
    /// # Errors
    /// When either differs, naming the shard and the row.
    pub fn check(&self, row: usize, frames: u32, expected: &Checksum) -> Result<()> {
        self.check_features(row, &self.features(row, 1)?, frames, expected)
    }

    /// As [`Shard::check`], for the tensor in `row` when it has been read already.
    pub(crate) fn check_features(
        &self,
        row: usize,
        features: &[f32],
        frames: u32,
        expected: &Checksum,
    ) -> Result<()> {
        let stored = self.frames(row)?;
        if stored != frames {
            return Err(damaged(self.path(), format!("row {row} has {stored} frames, not {frames}")));
        }
        if Checksum::of_row(features, self.dtype, frames) == *expected {
            return Ok(());
        }
        Err(damaged(self.path(), format!("row {row} has changed since it was written: its checksum differs")))
    }

    /// Reads what the shard says of its own rows, and checks each row against it and the whole file against its
    /// name. For shards that no index names.
    ///
    /// # Errors
    /// When anything differs.
    pub fn verified_rows(&self) -> Result<Vec<RowInfo>> {
        let mut hasher = Sha256::new();
        self.bytes.for_each_piece(|piece| hasher.update(piece))?;
        let name = Hex(hasher.finalize().into()).to_string();
        if self.path().file_stem().and_then(|stem| stem.to_str()) != Some(&name) {
            return Err(damaged(
                self.path(),
                "does not have the content that its name gives the digest of".to_owned(),
            ));
        }
        let (_, metadata) = read_header(&self.bytes)?;
        let rows =
            metadata.metadata().as_ref().and_then(|extra| extra.get("rows")).map_or("", String::as_str);
        let rows: Vec<RowInfo> = serde_json::from_str(rows)
            .map_err(|error| damaged(self.path(), format!("has a damaged list of rows: {error}")))?;
        if rows.len() != self.rows {
            return Err(damaged(
                self.path(),
                format!("describes {} rows and holds {}", rows.len(), self.rows),
            ));
        }
        for (position, row) in rows.iter().enumerate() {
            self.check(position, row.frames, &row.checksum)?;
        }
        Ok(rows)
    }
}

/// The type's name in safetensors.
fn stored_as(dtype: ValueType) -> Dtype {
    match dtype {
        ValueType::F32 => Dtype::F32,
        ValueType::F16 => Dtype::F16,
    }
}

/// Reads the header, and returns where the data starts with it. Its tensors fill the rest of the file exactly.
fn read_header(bytes: &FileBytes) -> Result<(usize, Metadata)> {
    let damaged = |what: &str| damaged(bytes.path(), format!("is damaged: {what}"));
    if bytes.len() < 8 {
        return Err(damaged("it is too short for a header"));
    }
    let length = bytes.bytes(0, 8)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let fits = usize::try_from(length).ok().filter(|length| *length <= bytes.len() - 8);
    let length = fits.ok_or_else(|| damaged(&format!("it declares a header of {length} bytes")))?;
    if length > LARGEST_HEADER {
        return Err(damaged(&format!("its header has {length} bytes, more than {LARGEST_HEADER}")));
    }
    let metadata: Metadata = serde_json::from_slice(&bytes.bytes(8, length)?)
        .map_err(|error| damaged(&format!("its header cannot be understood: {error}")))?;
    if metadata.data_len() != bytes.len() - 8 - length {
        return Err(damaged("its tensors do not fill it"));
    }
    Ok((8 + length, metadata))
}

/// No header is read that is larger than this, bytes: about a hundred thousand rows.
pub(crate) const LARGEST_HEADER: usize = 64 << 20;

fn repair() -> Remedy {
    remedy![Action::Repair, ", or delete this shard and ", Action::Prepare, " again"]
}

fn damaged(path: &Path, what: String) -> Error {
    Error::new(ErrorKind::Damaged, what).at(path).help(repair())
}
