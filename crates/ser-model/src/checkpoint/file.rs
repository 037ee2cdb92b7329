//! PyTorch files as a whole: the pickle `data.pkl`, the storages `data/<n>`, and what surrounds them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::archive::{ArchiveEntry, shown};
use crate::checkpoint::pickle::pickle;
use crate::checkpoint::unpickle::unpickle;
use crate::checkpoint::{Value, archive};

/// The largest file that is read or written: 1 GiB, a thousand times the default network's.
pub const MAX_FILE_BYTES: usize = 1 << 30;

/// Reads a file made by `torch.save` or by [`write()`].
///
/// Nothing in the file is executed: a pickle that asks for more than plain values and tensors is refused. Memory
/// stays within a small multiple of the file's size.
///
/// # Errors
/// [`ErrorKind::Damaged`] for a truncated, extended or altered file, [`ErrorKind::Unsupported`] for what is not a
/// dict of plain values and tensors saved by `torch.save` (TorchScript, files from before PyTorch 1.6, whole
/// modules), [`ErrorKind::Limit`] for sizes beyond reason, [`ErrorKind::Io`].
pub fn read(path: impl AsRef<Path>) -> Result<Value> {
    let path = path.as_ref();
    let bytes = read_file(path)?;
    read_bytes(&bytes).map_err(|error| error.at(path))
}

/// As [`read`], from bytes in memory.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8]) -> Result<Value> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    let entries = archive::read(bytes)?;
    let mut code = None;
    let mut storages = HashMap::new();
    for &(name, data) in &entries {
        match name {
            "data.pkl" => code = Some(data),
            "version" => check_archive_version(data)?,
            "byteorder" => check_byte_order(data)?,
            ".format_version" | ".storage_alignment" | ".data/serialization_id" => {}
            _ => match storage_key(name) {
                Some(key) => _ = storages.insert(key, (data, false)),
                None => return Err(unknown_entry(name)),
            },
        }
    }
    let code = code.ok_or_else(|| damaged("is a zip archive without a data.pkl, so not a PyTorch file"))?;
    let value = unpickle(code, bytes.len(), |key| {
        let (data, used) =
            storages.get_mut(key).ok_or_else(|| damaged(format!("lacks the storage {}", shown(key))))?;
        *used = true;
        Ok(*data)
    })?;
    match storages.iter().find(|(_, (_, used))| !used) {
        Some((key, _)) => Err(damaged(format!("holds a storage, {}, that belongs to no tensor", shown(key)))),
        None => Ok(value),
    }
}

/// Writes `value` as a file that `torch.load(path, weights_only=True)` opens, replacing `path` atomically: whatever
/// happens, `path` is the old file or the new one, whole, and no scratch file stays behind.
///
/// # Errors
/// As [`to_bytes`], and [`ErrorKind::Io`].
pub fn write(storage: &Storage, path: impl AsRef<Path>, value: &Value) -> Result<()> {
    let path = path.as_ref();
    storage.replace_file(path, &[&to_bytes(value).map_err(|error| error.at(path))?])
}

/// The bytes of the file that [`write()`] writes. Equal values give equal bytes, on every machine and at any time.
///
/// # Errors
/// [`ErrorKind::Limit`] for what [`read`] would refuse for its size; [`ErrorKind::Usage`] for a dict with a key
/// that comes twice.
pub fn to_bytes(value: &Value) -> Result<Vec<u8>> {
    let pickle = pickle(value)?;
    let names: Vec<String> = (0..pickle.storages.len()).map(|index| format!("data/{index}")).collect();
    // In PyTorch's order. `version` is that of the archive's layout.
    let mut entries: Vec<ArchiveEntry<'_>> = vec![("data.pkl", &pickle.code), ("byteorder", b"little")];
    entries.extend(names.iter().map(String::as_str).zip(pickle.storages.iter().copied()));
    entries.push(("version", b"3\n"));

    // 256 bytes cover an entry's two headers, names and padding.
    let sizes = entries.iter().map(|(_, data)| data.len().saturating_add(256));
    let mut bytes = Vec::with_capacity(sizes.fold(0, usize::saturating_add).min(MAX_FILE_BYTES));
    archive::encode(&entries, |piece| {
        if bytes.len().saturating_add(piece.len()) > MAX_FILE_BYTES {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("a checkpoint takes at most {MAX_FILE_BYTES} bytes"),
            ));
        }
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let cannot_read = |source| Error::io("cannot read", path, source);
    let metadata = fs::metadata(path).map_err(cannot_read)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Usage, "is not a file")
            .at(path)
            .help("name a checkpoint such as best.pt"));
    }
    if metadata.len() > MAX_FILE_BYTES as u64 {
        return Err(too_large(metadata.len()).at(path));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed, in case the file grows meanwhile.
    let file = File::open(path).map_err(cannot_read)?;
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot_read)?;
    Ok(bytes)
}

/// The number in `data/<number>`.
fn storage_key(name: &str) -> Option<&str> {
    let key = name.strip_prefix("data/")?;
    (!key.is_empty() && key.len() <= 10 && key.bytes().all(|byte| byte.is_ascii_digit())).then_some(key)
}

fn unknown_entry(name: &str) -> Error {
    if name == "constants.pkl" || name.starts_with("code/") || name.starts_with("constants/") {
        return Error::new(
            ErrorKind::Unsupported,
            "is a TorchScript archive, which is a program; it was not executed",
        )
        .help("save the module's state_dict() with torch.save instead");
    }
    damaged(format!("holds an entry, {}, that torch.save does not write", shown(name)))
}

fn check_archive_version(data: &[u8]) -> Result<()> {
    // PyTorch 2.11 writes 3 and reads 1 to 10.
    let version = std::str::from_utf8(data).ok().and_then(|text| text.trim_end().parse::<u32>().ok());
    match version {
        Some(1..=10) => Ok(()),
        Some(version) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("is a PyTorch archive of the unknown version {version}"),
        )),
        None => Err(damaged("does not give the version of its archive")),
    }
}

fn check_byte_order(data: &[u8]) -> Result<()> {
    match data {
        b"little" => Ok(()),
        b"big" => Err(Error::new(ErrorKind::Unsupported, "was saved on a big-endian machine")
            .help("load it in PyTorch on a little-endian machine and save it again")),
        _ => Err(damaged("does not give its byte order")),
    }
}

fn too_large(bytes: u64) -> Error {
    Error::new(
        ErrorKind::Limit,
        format!("is {bytes} bytes long; checkpoints up to {MAX_FILE_BYTES} are read"),
    )
}

fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, what)
}
