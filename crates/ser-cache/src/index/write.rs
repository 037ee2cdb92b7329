//! Writing an index, which is as large as a corpus's list of files, without holding it a second time: what it is made of is
//! encoded once for its digest and once more into the file.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use ser_core::storage::{Storage, folder_of};
use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Sha;
use crate::index::{HEADER, Index, MAGIC, VERSION};

/// How much is encoded before it is digested or written, bytes.
const PIECE: usize = 1 << 16;

impl<F: Serialize> Index<F> {
    /// Replaces the index at `path`, unless it is the same already.
    ///
    /// # Errors
    /// When writing fails; the old index then stays.
    pub fn write(&self, storage: &Storage, path: &Path) -> Result<()> {
        let mut digest = Digested::default();
        self.encode(&mut digest)?;
        let header = digest.header();
        if holds(path, &header).is_ok_and(|same| same) {
            // The process that wrote it may have been killed before its name was durable.
            return storage.sync_folder(&folder_of(path));
        }
        storage.replace_file_with(path, |write| {
            write(&header)?;
            let mut failed = None;
            let mut pieces = Pieces { write, failed: &mut failed };
            let encoded = self.encode(&mut pieces);
            failed.map_or(encoded, Err)
        })
    }

    fn encode(&self, into: &mut impl Write) -> Result<()> {
        let mut into = BufWriter::with_capacity(PIECE, into);
        let cannot = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Unsupported, format!("cannot encode the index: {error}"))
        };
        bincode::serde::encode_into_std_write(self, &mut into, bincode::config::standard())
            .map_err(|error| cannot(&error))?;
        into.flush().map_err(|error| cannot(&error))
    }
}

/// The digest and the length of what is written to it.
#[derive(Default)]
struct Digested {
    hasher: Sha256,
    length: u64,
}

impl Digested {
    /// The header of an index with this payload.
    fn header(self) -> Vec<u8> {
        let digest: [u8; 32] = self.hasher.finalize().into();
        [&MAGIC[..], &VERSION.to_le_bytes(), &self.length.to_le_bytes(), &digest].concat()
    }
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands on what is written to it, and keeps the error where that fails.
struct Pieces<'a> {
    write: &'a mut dyn FnMut(&[u8]) -> Result<()>,
    failed: &'a mut Option<Error>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (self.write)(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                *self.failed = Some(error);
                Err(io::Error::other("writing failed"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the file at `path` is an index with this header, and undamaged.
fn holds(path: &Path, header: &[u8]) -> io::Result<bool> {
    let mut file = std::fs::File::open(path)?;
    let mut found = [0; HEADER];
    file.read_exact(&mut found)?;
    if found != *header {
        return Ok(false);
    }
    let (digest, _) = Sha::of_reader(&mut file, |_| {})?;
    Ok(header.ends_with(&digest.0))
}
