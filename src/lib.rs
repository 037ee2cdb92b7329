//! What the commands of ser have in common: exit codes, printing, progress bars, values of options.
//!
//! The work is done by the crates of this workspace; here is what a person types and sees.

mod bar;
mod ending;
mod interrupt;
mod option;
mod output;
pub mod tables;
mod wording;

pub use bar::Bar;
pub use ending::{Ending, run};
pub use interrupt::stop_on_interrupt;
pub use option::{Switch, choice, set};
pub use output::{print, terminal_width, to_json};
