//! How a command ends: its exit code, and its error on stderr.

use std::process::ExitCode;

use ser_core::{Error, ErrorKind, Result};

use crate::output::say;
use crate::wording::CommandWording;

/// How a command ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything was done.
    Done,
    /// Done, but some inputs could not be used; each was named.
    SomeUnusable,
    /// The answer is no: there is damage, or a difference, and it was reported.
    AnsweredNo,
}

/// Runs a command and turns its result into the exit code of the contract: 0 done, 1 failed or
/// answered with no, 2 wrong usage, 3 done but some inputs could not be used. Prints the error, if there is one, to stderr.
pub fn run(name: &str, command: impl FnOnce() -> Result<Ending>) -> ExitCode {
    ser_core::remedy::set_wording(&CommandWording);
    #[cfg(feature = "stores")]
    ser_store::install();
    match command() {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::SomeUnusable) => ExitCode::from(3),
        Ok(Ending::AnsweredNo) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{name}: {error}"));
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
