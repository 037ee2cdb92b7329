//! What is said of ranks that are gone.

use ser_core::{Error, ErrorKind};

use super::Ranks;

impl Ranks {
    /// An error of a computation between whose parts ranks add up: where the connection to another rank broke in the middle,
    /// libtorch says so in its own words, and this says it in ours.
    pub fn explain(&self, error: Error) -> Error {
        let why = error.reason();
        let is_theirs = why.contains("gloo") || why.contains("NCCL");
        if !self.are_several() || !is_theirs || why.contains(LOST) {
            return error;
        }
        lost(&why)
    }
}

/// What every error of a connection that broke begins with.
const LOST: &str = "lost the connection to another rank";

/// The connection to another rank is gone.
pub(crate) fn lost(why: &str) -> Error {
    Error::new(ErrorKind::Io, format!("{LOST}: {why}")).help(
        "see what the other ranks said; training goes on from the last checkpoint when all are started again",
    )
}

/// The error of what `rank` was to say and did not.
pub(super) fn of_rank(rank: u32, error: &Error) -> Error {
    let what = match error.kind() {
        ErrorKind::Missing => format!("rank {rank} {}", error.reason()),
        _ => error.reason().to_owned(),
    };
    Error::new(error.kind(), what).help("look whether all ranks were started, and what they said")
}
