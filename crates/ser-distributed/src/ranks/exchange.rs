//! Texts that ranks tell each other, such as whether one can go on.

use std::time::Duration;

use ser_core::{Error, ErrorKind, Result};

use super::Ranks;
use super::failure::of_rank;

/// How long a rank waits for what the others say where all say something at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// How long a rank waits for the others to end work of their own.
const LONG_PATIENCE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long rank 0 waits, before it goes, until all have heard what was said.
pub(super) const FAREWELL: Duration = Duration::from_secs(10);

impl Ranks {
    /// What rank 0 says of a question that each could answer by itself, such as whether a file is there.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn as_first_says(&self, value: bool) -> Result<bool> {
        Ok(self.exchange(if value { "yes" } else { "no" }, PATIENCE)?[0] == "yes")
    }

    /// Goes on if all ranks were able to do something.
    ///
    /// # Errors
    /// When one was not: the error of this rank, or else word of the first that has one.
    pub fn together<T>(&self, result: Result<T>) -> Result<T> {
        if !self.are_several() {
            return result;
        }
        let said = match &result {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        let all = self.exchange(&said, PATIENCE);
        let done = result?;
        match all?.iter().position(|said| !said.is_empty()) {
            None => Ok(done),
            Some(other) => {
                Err(Error::new(ErrorKind::Io, format!("rank {other} could not go on, so that no rank can"))
                    .help(format!("see what rank {other} said")))
            }
        }
    }

    /// Waits, however long it takes, until all ranks have come here, each with some text or with why it has none, and gives what
    /// they said in their order.
    ///
    /// # Errors
    /// This rank's own error; else the first one that another had, or that a rank is gone.
    pub fn gather(&self, value: Result<String>) -> Result<Vec<String>> {
        let said = match &value {
            Ok(text) => format!("+{text}"),
            Err(error) => format!("-{error}"),
        };
        let all = self.exchange(&said, LONG_PATIENCE);
        value?;
        let told = all?.into_iter().enumerate().map(|(rank, said)| match said.split_at_checked(1) {
            Some(("+", text)) => Ok(text.to_owned()),
            _ => {
                let why = said.strip_prefix('-').unwrap_or_default();
                Err(Error::new(ErrorKind::Io, format!("rank {rank} could not finish: {why}")))
            }
        });
        told.collect()
    }

    /// What all ranks say, in their order.
    pub(super) fn exchange(&self, value: &str, patience: Duration) -> Result<Vec<String>> {
        let Some(group) = &self.group else { return Ok(vec![value.to_owned()]) };
        let number = self.exchanges.get();
        self.exchanges.set(number + 1);
        group.set(&format!("{number}/{}", self.rank), value.as_bytes())?;
        let said = (0..self.count).map(|rank| {
            let bytes = group.get(&format!("{number}/{rank}"), patience);
            let bytes = bytes.map_err(|error| of_rank(rank, &error))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        });
        let said: Vec<String> = said.collect::<Result<_>>()?;
        // Rank 0 may serve what the others still have to read.
        if group.count(&format!("{number}/heard"))? == u64::from(self.count) {
            group.set(&format!("{number}/done"), b"")?;
        }
        if self.is_first() {
            let _ = group.get(&format!("{number}/done"), FAREWELL);
        }
        Ok(said)
    }
}
