//! What the processes of a group do together.
//!
//! They add numbers up in `sums`, tell each other texts in `exchange`, and compare in `agreement` what must be the same for
//! all. `gpus` chooses how sums of tensors on GPUs go; `failure` is what is said of a rank that is gone.

mod agreement;
mod exchange;
pub(crate) mod failure;
mod gpus;
mod self_test;
mod sums;

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use ser_core::{Error, ErrorKind, Result};
use tch::Device;

use crate::c10d::Group;
use crate::environment::Environment;
pub use sums::Connection;

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
    /// Whether sums of tensors on GPUs may go over NCCL.
    nccl: bool,
    group: Option<Arc<Group>>,
    /// What has been said so far, so that every exchange has keys of its own.
    exchanges: Cell<u64>,
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
            nccl: true,
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
        let &Environment { rank, count, local_rank, local_count, restarts, nccl, .. } = environment;
        let mut ranks = Self { rank, count, local_rank, local_count, restarts, nccl, ..Self::alone() };
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
        agreement::on_count(&group, rank, count)?;
        ranks.group = Some(Arc::new(group));
        ranks.agree("the version of ser", version)?;
        if let Some(group) = &ranks.group {
            group.connect(environment)?;
        }
        ranks.test_itself(Device::Cpu)?;
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
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

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
                        interface: None,
                        nccl: true,
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
            assert_eq!(ranks.compute_on(Device::Cpu).unwrap(), None);
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
    fn ranks_that_cannot_use_nccl_say_why_and_add_up_through_main_memory() {
        let said = joined(&[(0, 2, "1"), (1, 2, "1")], |ranks| {
            // Where libtorch has no CUDA it has no NCCL, and otherwise two ranks on one GPU cannot use it.
            let on_gpus = ranks.compute_on(Device::Cuda(0)).unwrap().unwrap();
            let mixed = if ranks.is_first() { Device::Cpu } else { Device::Cuda(0) };
            let mixed = ranks.compute_on(mixed).unwrap().unwrap();
            let sum = ranks.sum(&Tensor::from_slice(&[1.0f32])).unwrap();
            (on_gpus, mixed, sum.double_value(&[0]))
        });
        for said in said {
            let (on_gpus, mixed, sum) = said.unwrap();
            assert!(on_gpus.contains("NCCL"), "{on_gpus}");
            assert_eq!((mixed.as_str(), sum), ("rank 0 computes on the CPU", 2.0));
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
