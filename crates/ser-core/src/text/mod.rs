//! Text for people: safe to print, laid out for a terminal, escaped for HTML.

mod layout;
mod markup;
mod printable;

pub use layout::{bytes, columns, cut, left, right, sentence, thousands, wrap};
pub use markup::escape;
pub use printable::printable;
