//! What must be the same for all ranks, compared.

use std::time::{Duration, Instant};

use ser_core::{Error, ErrorKind, Result};
use ser_torch::TorchError;
use tch::Tensor;

use super::Ranks;
use super::exchange::{FAREWELL, PATIENCE};
use super::failure::of_rank;
use crate::c10d::Group;

impl Ranks {
    /// Looks whether all ranks say the same `value` of `what`: lines of text.
    ///
    /// # Errors
    /// When they do not, on all of them: the error names two that differ and the first line in which they do.
    pub fn agree(&self, what: &str, value: &str) -> Result<()> {
        let said = self.exchange(value, PATIENCE)?;
        let Some(other) = said.iter().position(|other| *other != said[0]) else { return Ok(()) };
        let (first, second) = differing_lines(&said[0], &said[other]);
        let what = format!("ranks 0 and {other} disagree on {what}: {first} and {second}");
        Err(Error::new(ErrorKind::Mismatch, what)
            .help("start all ranks with the same program, options and files"))
    }

    /// The same for a number, by a sum: much faster, and it tells at once when a rank is gone.
    ///
    /// # Errors
    /// When ranks differ, on all of them: the error names two of them.
    pub fn agree_on_number(&self, what: &str, number: i64) -> Result<()> {
        if !self.are_several() {
            return Ok(());
        }
        let mut said = vec![0_i64; self.count as usize];
        said[self.rank as usize] = number;
        let sum = self.sum(&Tensor::from_slice(&said))?;
        sum.f_copy_data(&mut said, self.count as usize).map_err(TorchError::from)?;
        let Some(other) = said.iter().position(|other| *other != said[0]) else { return Ok(()) };
        let what = format!("ranks 0 and {other} disagree on {what}: {} and {}", said[0], said[other]);
        Err(Error::new(ErrorKind::Mismatch, what)
            .help("start all ranks on machines of one kind, with the same program, options and files"))
    }
}

/// Looks whether all processes were told of `count` ranks. Where they were not, rank 0, which serves what they say, stays until
/// each of them has heard why.
pub(super) fn on_count(group: &Group, rank: u32, count: u32) -> Result<()> {
    group.set(&format!("count/{rank}"), count.to_string().as_bytes())?;
    let differs = |other: u32| -> Result<Option<String>> {
        let said = group.get(&format!("count/{other}"), PATIENCE).map_err(|error| of_rank(other, &error))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((said != count.to_string()).then_some(said))
    };
    let refused = |what: String| {
        Err(Error::new(ErrorKind::Mismatch, what).help("give all processes the same WORLD_SIZE"))
    };
    let look = || {
        if let Some(said) = differs(0)? {
            return refused(format!("rank {rank} was told of {count} ranks, and rank 0 of {said}"));
        }
        for other in 1..count {
            if let Some(said) = differs(other)? {
                let what =
                    format!("ranks 0 and {other} disagree on the number of ranks: `{count}` and `{said}`");
                return refused(what);
            }
        }
        Ok(())
    };
    let agreed = look();
    group.set(&format!("counted/{rank}"), b"")?;
    if agreed.is_err() && rank == 0 {
        let leave = Instant::now() + FAREWELL;
        for other in 1..count {
            // A time of 0 would be without end.
            let left = leave.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let _ = group.get(&format!("counted/{other}"), left);
        }
    }
    agreed
}

/// The first lines in which two texts differ, quoted.
fn differing_lines(first: &str, second: &str) -> (String, String) {
    let quoted = |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("`{line}`"));
    let (mut first, mut second) = (first.lines(), second.lines());
    loop {
        match (first.next(), second.next()) {
            (Some(one), Some(other)) if one == other => {}
            (one, other) => return (quoted(one), quoted(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disagreement_names_the_line() {
        let (one, other) = differing_lines("a = 1\nlr = 0.1\nz = 0\n", "a = 1\nlr = 0.2\nz = 1\n");
        assert_eq!((one.as_str(), other.as_str()), ("`lr = 0.1`", "`lr = 0.2`"));
        assert_eq!(differing_lines("a\n", "a\nb\n"), ("nothing".to_owned(), "`b`".to_owned()));
    }
}
