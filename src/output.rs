//! Results on stdout, and what else there is to say on stderr.

use std::io::Write;

use ser_core::text::printable;
use ser_core::{Error, ErrorKind, Result};

/// Prints a result to stdout. A reader that closes early, as `head` does, is not an error.
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

/// Prints `text` and a line break to stderr, safe for a terminal. Lines stay lines. A stderr that is closed is no error.
pub fn say(text: &str) {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
}

/// A value as one JSON object.
///
/// # Errors
/// When it holds something that JSON cannot express.
pub fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}")))
}

/// Columns of the terminal; 100 where stdout is not one.
pub fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(100, |size| usize::from(size.ws_col).max(40))
}
