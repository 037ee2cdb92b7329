//! What the commands have in common: exit codes, printing, progress bars.

mod bar;
mod feature_options;
#[cfg(feature = "torch")]
mod fit_table;
mod interrupt;
#[cfg(feature = "torch")]
mod learning_options;
#[cfg(feature = "torch")]
mod matrix_table;
#[cfg(feature = "torch")]
mod place_options;
#[cfg(feature = "png")]
mod report_files;
mod tune_table;

use std::io::Write;
use std::process::ExitCode;

pub use bar::Bar;
pub use feature_options::FeatureOptions;
#[cfg(feature = "torch")]
pub use fit_table::FitTable;
pub use interrupt::stop_on_interrupt;
#[cfg(feature = "torch")]
pub use learning_options::LearningOptions;
#[cfg(feature = "torch")]
pub use matrix_table::MatrixTable;
#[cfg(feature = "torch")]
pub use place_options::PlaceOptions;
#[cfg(feature = "png")]
pub use report_files::ReportFiles;
pub use tune_table::TuneTable;

use crate::{Error, ErrorKind, Result};

/// How a command ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything was done.
    Done,
    /// Done, but some inputs could not be used; each was named.
    SomeUnusable,
    /// What was asked has been answered, with no: there is damage, or a difference, and it was named.
    AnsweredNo,
}

/// Runs a command and turns its result into the exit code of the contract: 0 done, 1 failed or
/// answered with no, 2 wrong usage, 3 done but some inputs could not be used. Prints the error, if there is one, to stderr.
pub fn run(name: &str, command: impl FnOnce() -> Result<Ending>) -> ExitCode {
    match command() {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::SomeUnusable) => ExitCode::from(3),
        Ok(Ending::AnsweredNo) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{name}: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Usage => 2,
        // As a shell reports a process that SIGINT ended.
        ErrorKind::Interrupted => 130,
        _ => 1,
    }
}

/// Prints a result to stdout. A reader that has gone away, as `head` does, is no error.
///
/// # Errors
/// When stdout cannot be written for another reason, such as a full disk.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("cannot be written", "stdout", error))
        }
        _ => Ok(()),
    }
}

/// A value as one JSON object.
///
/// # Errors
/// When it holds something that JSON cannot say.
pub fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}")))
}

/// A value of an option that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> Self {
        switch == Switch::On
    }
}

/// Columns of the terminal; 100 where stdout is none.
pub fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(100, |size| usize::from(size.ws_col).max(40))
}
