//! Figures as files.

use std::path::{Path, PathBuf};

use ser_core::storage::Storage;
use ser_core::{Error, Result};

use crate::Plot;
use crate::figures::raster;

/// Pixels of a PNG for each unit of its drawing.
const PNG_SCALE: f32 = 2.0;

impl Plot {
    /// The figure as a PNG file, on white, with the font that ser brings along.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        raster::to_png(&self.to_svg(), PNG_SCALE)
    }
}

/// Writes every figure into `folder`, as SVG and as PNG, and names the files.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write_figures(folder: &Path, figures: &[Plot], storage: &Storage) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io("cannot be made", folder, error))?;
    let mut written = Vec::new();
    for figure in figures {
        for (ending, bytes) in [("svg", figure.to_svg().into_bytes()), ("png", figure.to_png()?)] {
            let path = folder.join(format!("{}.{ending}", figure.name));
            storage.replace_file(&path, &[&bytes])?;
            written.push(path);
        }
    }
    Ok(written)
}
