//! What the commands of ser have in common: exit codes, printing, progress bars, values of options.
//!
//! The work is done by the crates of this workspace; here is what a person types and sees.

mod bar;
mod ending;
mod interrupt;
mod option;
mod output;
pub mod prep;
mod program;
pub mod tables;
mod wording;

pub use bar::Bar;
pub use ending::{Ending, run};
pub use interrupt::stop_on_interrupt;
pub use option::{Switch, choice, set};
pub use output::{print, say, terminal_width, to_json};
pub use program::{program, replace_process};

/// The worked examples of the guide, run as a program outside of the crates would use them.
#[cfg(all(doctest, feature = "torch"))]
#[doc = include_str!("../CONTRIBUTING.md")]
mod contributing {}
