//! Figures as PNG files, the same on every machine, beside those as SVG.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};

use crate::render::svg::Plot;

/// DejaVu Sans with the characters that labels usually need; its licence and origin are beside it.
const FONT: &[u8] = include_bytes!("DejaVuSans-subset.ttf");

/// Pixels of a PNG for each unit of its drawing.
const PNG_SCALE: f32 = 2.0;

impl Plot {
    /// The figure as a PNG file, on white, with the font that ser brings along.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        to_png(&self.to_svg(), PNG_SCALE)
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

/// Draws `svg` with `scale` pixels for each of its units.
///
/// Fonts of the system are asked for only where a character is not in ours, so that figures with ordinary labels come
/// to the same pixels everywhere, also where there are no fonts.
fn to_png(svg: &str, scale: f32) -> Result<Vec<u8>> {
    let mut fonts = Database::new();
    fonts.load_font_data(FONT.to_vec());
    if !svg.chars().all(in_font) {
        fonts.load_system_fonts();
    }
    let options =
        Options { font_family: "DejaVu Sans".to_owned(), fontdb: Arc::new(fonts), ..Options::default() };
    let wrong = |what: &str| Error::new(ErrorKind::Unsupported, format!("a figure cannot be drawn: {what}"));
    let tree = Tree::from_str(svg, &options).map_err(|error| wrong(&error.to_string()))?;
    let size = tree.size().to_int_size();
    let scaled = size.scale_by(scale).ok_or_else(|| wrong("it is too large"))?;
    let mut pixels = Pixmap::new(scaled.width(), scaled.height()).ok_or_else(|| wrong("it is too large"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| wrong(&error.to_string()))
}

/// Whether the font was made with this character: `DejaVuSans-subset.txt` lists them.
fn in_font(c: char) -> bool {
    matches!(c,
        '\n' | ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{45f}'
        | '\u{2018}'..='\u{201e}' | '…')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_drawn_without_a_font_of_the_system() {
        let svg = |text: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"40\" font-family=\"'DejaVu Sans',\
                 sans-serif\"><text x=\"5\" y=\"25\">{text}</text></svg>"
            )
        };
        let ink = |text: &str| {
            let png = to_png(&svg(text), 1.0).unwrap();
            let pixels = Pixmap::decode_png(&png).unwrap();
            pixels.pixels().iter().filter(|pixel| pixel.alpha() > 0).count()
        };
        assert_eq!(ink(""), 0);
        for text in ["angry", "Überraschung", "злость", "η", "0.5 %"] {
            assert!(text.chars().all(in_font) && ink(text) > 20, "{text}");
        }
    }
}
