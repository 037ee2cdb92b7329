//! What the processes of a group do together.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ser_core::{Error, ErrorKind, Result};
use ser_torch::{Result as TorchResult, TorchError, operation};
use tch::{Kind, Tensor};

use crate::c10d::Group;
use crate::environment::Environment;

/// How long a rank waits for what the others say where all say something at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a rank waits for the others to end work of their own.
const LONG_PATIENCE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long rank 0 waits, before it goes, until all have heard what was said.
const FAREWELL: Duration = Duration::from_secs(10);

/// Numbers of the self-test.
const TESTED: i64 = 1000;

/// The processes that train together: one alone, or several, of which this is one.
///
/// Whatever they do together, all of them must do, in the same order.
#[derive(Debug)]
pub struct Ranks {
    rank: u32,
    count: u32,
    local_rank: u32,
    local_count: u32,
    restarts: u32,
    group: Option<Arc<Group>>,
    /// What has been said so far, so that every exchange has keys of its own.
    exchanges: Cell<u64>,
}

/// What connects a rank with the others, for work that must not borrow [`Ranks`], such as the way back through an operation.
#[derive(Debug, Clone)]
pub struct Connection {
    rank: u32,
    count: u32,
    group: Arc<Group>,
}

impl Connection {
    /// What each rank says, in their order, where this one says `own`; all say equally many numbers.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn numbers_of_all(&self, own: &[f64]) -> TorchResult<Vec<Vec<f64>>> {
        // Each has a place of its own in a sum, of which the others' places are 0.
        let mut said = vec![0.0; own.len() * self.count as usize];
        said[self.rank as usize * own.len()..][..own.len()].copy_from_slice(own);
        let sum = self.group.sum(&Tensor::f_from_slice(&said)?)?;
        let numbers = said.len();
        sum.f_copy_data(&mut said, numbers)?;
        Ok(said.chunks_exact(own.len().max(1)).map(<[f64]>::to_vec).collect())
    }
}

impl Ranks {
    /// One process that trains by itself.
    pub fn alone() -> Self {
        Self {
            rank: 0,
            count: 1,
            local_rank: 0,
            local_count: 1,
            restarts: 0,
            group: None,
            exchanges: Cell::new(0),
        }
    }

    /// Meets the other processes of `environment`, looks whether they are as many and of the same version, and connects them.
    /// `version` is what they must all be of.
    ///
    /// # Errors
    /// When one does not come, or is another than expected; when the sum over them is wrong.
    pub fn join(environment: &Environment, version: &str) -> Result<Self> {
        let &Environment { rank, count, local_rank, local_count, restarts, .. } = environment;
        let mut ranks = Self { rank, count, local_rank, local_count, restarts, ..Self::alone() };
        if count == 1 {
            return Ok(ranks);
        }
        let group = Group::meet(environment)?;
        if group.count(&format!("here/{rank}"))? > 1 {
            let what = format!("two processes are rank {rank} of {count}");
            return Err(Error::new(ErrorKind::Mismatch, what)
                .help("give each process a RANK of its own, or start them with torchrun"));
        }
        // Before anything that waits for as many as there should be.
        agree_on_count(&group, rank, count)?;
        ranks.group = Some(Arc::new(group));
        ranks.agree("the version of ser", version)?;
        if let Some(group) = &ranks.group {
            group.connect(environment)?;
        }
        ranks.test_itself()?;
        Ok(ranks)
    }

    /// Which of them this process is, from 0.
    pub fn rank(&self) -> u32 {
        self.rank
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Which of those on this machine it is, from 0.
    pub fn local_rank(&self) -> u32 {
        self.local_rank
    }

    /// How many there are on this machine.
    pub fn local_count(&self) -> u32 {
        self.local_count
    }

    /// How often the launcher has started all of them again.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether there are others.
    pub fn are_several(&self) -> bool {
        self.count > 1
    }

    /// Whether this is the one that writes and speaks for all.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Which of `total` rows are this rank's: equal parts side by side, in the order of ranks, some one row longer where they
    /// cannot be equal.
    pub fn rows(&self, total: usize) -> Range<usize> {
        let bound = |rank: u32| (total as u64 * u64::from(rank) / u64::from(self.count)) as usize;
        bound(self.rank)..bound(self.rank + 1)
    }

    /// What connects this rank with the others, if there are others.
    pub fn connection(&self) -> Option<Connection> {
        let group = Arc::clone(self.group.as_ref()?);
        Some(Connection { rank: self.rank, count: self.count, group })
    }

    /// Σ over ranks of `value`, which has the same shape on each: to the bit the same for all.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn sum(&self, value: &Tensor) -> TorchResult<Tensor> {
        match &self.group {
            Some(group) => group.sum(value),
            None => Ok(value.shallow_clone()),
        }
    }

    /// The same, through which gradients flow: all ranks then go back through it, in the same order. What each rank's share
    /// changes is the sum on every rank, so that its gradient is the sum of all ranks' gradients.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn sum_differentiably(&self, value: &Tensor) -> TorchResult<Tensor> {
        let Some(group) = &self.group else { return Ok(value.shallow_clone()) };
        let sum = tch::no_grad(|| group.sum(value))?;
        let group = Arc::clone(group);
        operation(&[value], sum, move |gradient| Ok(vec![Some(group.sum(gradient)?)]))
    }

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

    /// An error of a computation between whose parts ranks add up: where the connection to another rank broke in the middle,
    /// libtorch says so in its own words, and this says it in ours.
    pub fn explain(&self, error: Error) -> Error {
        let why = error.reason();
        if !self.are_several() || !why.contains("gloo") || why.contains(LOST) {
            return error;
        }
        lost(&why)
    }

    /// What all ranks say, in their order.
    fn exchange(&self, value: &str, patience: Duration) -> Result<Vec<String>> {
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

    /// Adds up numbers whose sum is known, forwards and backwards: c10d's own layout in memory is what could be wrong.
    fn test_itself(&self) -> Result<()> {
        let wrong = |found: f64, expected: f64| {
            let what = format!("the self-test of the ranks gave {found} in the place of {expected}");
            Error::new(ErrorKind::Unsupported, what)
                .help("build ser with the libtorch that it runs with, and start all ranks with it")
        };
        let test = || -> TorchResult<[f64; 2]> {
            let options = (Kind::Double, tch::Device::Cpu);
            let value = Tensor::f_arange(TESTED, options)?.f_mul_scalar(f64::from(self.rank + 1))?;
            let value = value.f_set_requires_grad(true)?;
            let sum = self.sum_differentiably(&value)?;
            let loss = sum.f_mul_scalar(f64::from(self.rank + 1))?.f_sum(Kind::Double)?;
            let gradient = Tensor::f_run_backward(&[&loss], &[&value], false, false)?;
            Ok([sum.f_double_value(&[TESTED - 1])?, gradient[0].f_double_value(&[TESTED - 1])?])
        };
        // 1 + 2 + … + n of the last number, and of the gradient of each rank's loss.
        let times = f64::from(self.count) * f64::from(self.count + 1) / 2.0;
        let found = test()?;
        for (found, expected) in found.into_iter().zip([times * (TESTED - 1) as f64, times]) {
            if found != expected {
                return Err(wrong(found, expected));
            }
        }
        Ok(())
    }
}

/// Looks whether all processes were told of `count` ranks. Where they were not, rank 0, which serves what they say, stays until
/// each of them has heard why.
fn agree_on_count(group: &Group, rank: u32, count: u32) -> Result<()> {
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

const LOST: &str = "lost the connection to another rank";

/// The connection to another rank is gone.
pub(crate) fn lost(why: &str) -> Error {
    Error::new(ErrorKind::Io, format!("{LOST}: {why}")).help(
        "see what the other ranks said; training goes on from the last checkpoint when all are started again",
    )
}

fn of_rank(rank: u32, error: &Error) -> Error {
    let what = match error.kind() {
        ErrorKind::Missing => format!("rank {rank} {}", error.reason()),
        _ => error.reason().to_owned(),
    };
    Error::new(error.kind(), what).help("look whether all ranks were started, and what they said")
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
    fn rows_are_dealt_in_order_and_each_once() {
        for (total, count) in [(16, 2), (10, 4), (3, 4), (1, 2), (0, 3), (58, 7)] {
            let mut next = 0;
            for rank in 0..count {
                let rows = Ranks { rank, count, ..Ranks::alone() }.rows(total);
                assert_eq!(rows.start, next, "{total} rows, rank {rank} of {count}");
                assert!(rows.len() == total / count as usize || rows.len() == total / count as usize + 1);
                next = rows.end;
            }
            assert_eq!(next, total);
        }
    }

    #[test]
    fn a_disagreement_names_the_line() {
        let (one, other) = differing_lines("a = 1\nlr = 0.1\nz = 0\n", "a = 1\nlr = 0.2\nz = 1\n");
        assert_eq!((one.as_str(), other.as_str()), ("`lr = 0.1`", "`lr = 0.2`"));
        assert_eq!(differing_lines("a\n", "a\nb\n"), ("nothing".to_owned(), "`b`".to_owned()));
    }

    #[test]
    fn one_rank_agrees_with_itself_and_is_its_own_sum() {
        let alone = Ranks::alone();
        alone.agree("anything", "x").unwrap();
        assert_eq!(alone.together(Ok(7)).unwrap(), 7);
        let value = Tensor::from_slice(&[1.0f32, 2.0]);
        assert_eq!(alone.sum(&value).unwrap(), value);
        assert!(alone.as_first_says(true).unwrap() && !alone.as_first_says(false).unwrap());
    }

    /// What each of some threads says that joins with the environment and the version given for it.
    #[cfg(feature = "c10d")]
    fn joined<T: Send>(
        wanted: &[(u32, u32, &str)],
        then: impl Fn(Ranks) -> T + Sync,
    ) -> Vec<std::result::Result<T, String>> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let then = &then;
        std::thread::scope(|scope| {
            let threads: Vec<_> = wanted
                .iter()
                .map(|&(rank, count, version)| {
                    let environment = Environment {
                        rank,
                        count,
                        local_rank: rank,
                        local_count: count,
                        address: "127.0.0.1".to_owned(),
                        port: free,
                        restarts: 0,
                        launcher_serves: false,
                        interface: String::new(),
                    };
                    scope.spawn(move || {
                        Ranks::join(&environment, version).map(then).map_err(|error| error.to_string())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[cfg(feature = "c10d")]
    #[test]
    fn ranks_add_up_and_hear_of_each_other() {
        let said = joined(&[(0, 3, "1"), (1, 3, "1"), (2, 3, "1")], |ranks| {
            let value = Tensor::from_slice(&[0.1f32, f32::from(ranks.rank() as u8)]);
            let sum = Vec::<f32>::try_from(ranks.sum(&value).unwrap()).unwrap();
            let numbers = [f64::from(ranks.rank()), 0.1];
            let of_all = ranks.connection().unwrap().numbers_of_all(&numbers).unwrap();
            assert_eq!(of_all, [[0.0, 0.1], [1.0, 0.1], [2.0, 0.1]]);
            ranks.agree_on_number("the epoch", 7).unwrap();
            let number = ranks.agree_on_number("the epoch", i64::from(ranks.rank() / 2) << 40).unwrap_err();
            assert!(
                number.to_string().starts_with("ranks 0 and 2 disagree on the epoch: 0 and 1099511627776")
            );
            let heard = ranks.gather(Ok(format!("{}", ranks.rank()))).unwrap().join(",");
            // Those that come to the end wait for the others, and hear why one has not.
            let missing = if ranks.rank() == 1 {
                Err(Error::new(ErrorKind::Missing, "no such run"))
            } else {
                Ok(String::new())
            };
            let lost = ranks.gather(missing).unwrap_err().to_string();
            let disagreement = ranks.agree("the recipe", &format!("lr = {}", ranks.rank() / 2)).unwrap_err();
            let result = match ranks.rank() {
                1 => Err(Error::new(ErrorKind::Missing, "no such file")),
                _ => Ok(()),
            };
            let failure = ranks.together(result).unwrap_err();
            (sum[0].to_bits(), sum[1], heard, disagreement.to_string(), failure.to_string(), lost)
        });
        let said: Vec<_> = said.into_iter().map(std::result::Result::unwrap).collect();
        for (rank, (first, second, heard, disagreement, failure, lost)) in said.iter().enumerate() {
            assert_eq!((*first, *second, heard.as_str()), (said[0].0, 3.0, "0,1,2"));
            let expected = "ranks 0 and 2 disagree on the recipe: `lr = 0` and `lr = 1`";
            assert!(disagreement.starts_with(expected), "{disagreement}");
            let expected = if rank == 1 { "no such file" } else { "rank 1 could not go on" };
            assert!(failure.starts_with(expected), "{failure}");
            let expected = if rank == 1 { "no such run" } else { "rank 1 could not finish: no such run" };
            assert!(lost.starts_with(expected), "{lost}");
        }
    }

    #[cfg(feature = "c10d")]
    #[test]
    fn ranks_that_do_not_belong_together_are_refused_by_name() {
        for said in joined(&[(0, 2, "0.1.0"), (1, 2, "0.2.0")], |_| ()) {
            let said = said.unwrap_err();
            let expected = "ranks 0 and 1 disagree on the version of ser: `0.1.0` and `0.2.0`";
            assert!(said.starts_with(expected), "{said}");
        }
        let said = joined(&[(0, 2, "1"), (1, 3, "1")], |_| ());
        let expected =
            ["disagree on the number of ranks: `2` and `3`", "rank 1 was told of 3 ranks, and rank 0 of 2"];
        for (said, expected) in said.into_iter().zip(expected) {
            let said = said.unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
