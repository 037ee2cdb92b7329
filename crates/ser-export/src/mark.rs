//! The file by which an earlier export is told from a folder of someone else, and what else is in the folder from what the
//! export wrote.

use std::fmt;
use std::io::Read;
use std::path::Path;

use ser_core::storage::open_regular_no_follow;
use ser_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::json::to_json;

/// Its name.
pub(crate) const MARK: &str = ".ser-export";

/// What it said before it listed files.
pub(crate) const EARLIER: &str =
    "Made by ser-export, which replaces this folder when it is given it again.\n";

/// What is read of it: more than its list ever takes.
const MOST_BYTES: u64 = 1 << 16;

/// What a folder was exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Safetensors,
    Page,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Page => "a page",
        })
    }
}

/// What an export says of the folder it made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// For people who find it.
    about: String,
    pub(crate) kind: Kind,
    /// The files besides this one, with `/` between folders and names.
    pub(crate) files: Vec<String>,
}

impl Mark {
    pub(crate) fn new(kind: Kind, files: &[&str]) -> Self {
        let about = "Made by ser-export, which replaces this folder when it is given it again and it holds these files alone.";
        Self { about: about.to_owned(), kind, files: files.iter().map(|&name| name.to_owned()).collect() }
    }

    /// That of `folder`; `None` where there is none that is understood. One without a list stands for an export of `kind` with
    /// these `files`.
    ///
    /// # Errors
    /// When the system refuses to read it.
    pub(crate) fn read(folder: &Path, kind: Kind, files: &[&str]) -> Result<Option<Self>> {
        let path = folder.join(MARK);
        if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        let cannot = "cannot be read";
        let mut bytes = Vec::new();
        let read = open_regular_no_follow(&path, cannot)?.take(MOST_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| Error::io(cannot, &path, error))?;
        if bytes == EARLIER.as_bytes() {
            return Ok(Some(Self::new(kind, files)));
        }
        Ok(serde_json::from_slice(&bytes).ok())
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        to_json(self)
    }
}
