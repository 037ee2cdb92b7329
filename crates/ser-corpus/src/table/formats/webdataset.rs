//! WebDataset: tar files with recordings, and beside each `.json` or `.cls` in them what it is.

use std::path::{Path, PathBuf};

use ser_core::{Error, ErrorKind, Result};

use crate::table::formats::{TableFormat, archive_table, archives};
use crate::table::{ColumnNames, RawTable};

/// The format of the library `webdataset`.
#[derive(Debug, Clone, Copy)]
pub(super) struct WebDataset;

impl TableFormat for WebDataset {
    fn name(&self) -> &str {
        "webdataset"
    }

    fn main_file(&self, data: &Path) -> Option<PathBuf> {
        // Tar files that say nothing of their recordings leave labels to folders and names.
        let describes = |file: &PathBuf| !matches!(archive_table(file, data), Ok(None));
        archives(data, "tar").into_iter().find(describes)
    }

    fn read(&self, data: &Path, _: &ColumnNames) -> Result<Vec<RawTable>> {
        let tables =
            archives(data, "tar").into_iter().filter_map(|file| archive_table(&file, data).transpose());
        let tables: Vec<RawTable> = tables.collect::<Result<_>>()?;
        if tables.is_empty() {
            let what = "holds no tar file whose recordings have a .json or .cls beside them";
            return Err(Error::new(ErrorKind::Missing, what).at(data));
        }
        Ok(tables)
    }
}
