//! SVG as PNG, the same on every machine.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};
use ser_core::{Error, ErrorKind, Result};

/// DejaVu Sans with the characters that labels usually need; its licence and origin are beside it.
const FONT: &[u8] = include_bytes!("DejaVuSans-subset.ttf");

/// Draws `svg` with `scale` pixels for each of its units.
///
/// Fonts of the system are asked for only where a character is not in ours, so that figures with ordinary labels come
/// to the same pixels everywhere, also where there are no fonts.
pub(super) fn to_png(svg: &str, scale: f32) -> Result<Vec<u8>> {
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
