//! WebDataset: tar files with recordings, and beside each `.json` or `.cls` in them what it is.

use std::path::{Path, PathBuf};

use ser_core::{Error, ErrorKind, Result};

use crate::table::formats::{TableFormat, archive_table, archives};
use crate::table::{Column, ColumnNames, RawTable};

/// The format of the library `webdataset`.
#[derive(Debug, Clone, Copy)]
pub(super) struct WebDataset;

impl TableFormat for WebDataset {
    fn name(&self) -> &str {
        "webdataset"
    }

    fn main_file(&self, data: &Path) -> Option<PathBuf> {
        // Tar files without labels leave them to folders and names.
        archives(data, "tar").into_iter().find(|file| {
            let table = archive_table(file, data).ok().flatten();
            table.is_some_and(|table| {
                table.header.iter().any(|name| Column::named(name) == Some(Column::Label))
            })
        })
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
