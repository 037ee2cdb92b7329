//! Text for people: safe to print, laid out for a terminal, escaped for HTML.

mod label_set;
mod layout;
mod markup;
mod printable;

pub use label_set::label_set;
pub use layout::{bytes, columns, cut, cut_front, left, right, sentence, thousands, wrap};
pub use markup::{Untrusted, escape};
pub use printable::printable;
