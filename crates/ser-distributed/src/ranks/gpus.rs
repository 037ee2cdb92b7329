//! How sums of tensors on GPUs go: over NCCL where every rank can, and otherwise through main memory.

use std::fs;

use ser_core::{Error, ErrorKind, Result};
use tch::Device;

use super::Ranks;
use super::exchange::PATIENCE;
use crate::c10d::Group;

/// What a rank says that computes on the CPU.
const ON_THE_CPU: &str = "cpu";

/// What a rank says whose libtorch has no NCCL.
const WITHOUT_NCCL: &str = "no NCCL";

/// What a rank says that was told not to use it.
const NOT_WANTED: &str = "SER_NCCL=0";

/// How sums of tensors on GPUs go.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// There are none: all ranks compute on the CPU.
    None,
    Nccl,
    /// By Gloo, for this reason.
    MainMemory(String),
}

impl Ranks {
    /// Tells the others that this rank computes on `device`. Where each of them has a GPU of its own, sums of tensors on GPUs go over
    /// NCCL from now on; where they pass through main memory although there is a GPU, the answer is why.
    ///
    /// # Errors
    /// When a rank is gone; when NCCL cannot connect the GPUs, or their sum is wrong.
    pub fn compute_on(&self, device: Device) -> Result<Option<String>> {
        let Some(group) = &self.group else { return Ok(None) };
        let said = self.exchange(&self.place(device), PATIENCE)?;
        match way(&said) {
            Way::None => Ok(None),
            Way::MainMemory(why) => Ok(Some(why)),
            Way::Nccl => {
                // One that fails must not wait for the others: what they wait for is that it ends.
                group.connect_gpus(self.rank, self.count).map_err(|error| unusable(&error))?;
                self.test_itself(device).map_err(|error| match error.kind() {
                    ErrorKind::Io => unusable(&error),
                    _ => error,
                })?;
                Ok(None)
            }
        }
    }

    /// What this rank says of where it computes: one of the above, or which GPU it is of all machines.
    fn place(&self, device: Device) -> String {
        let Device::Cuda(index) = device else { return ON_THE_CPU.to_owned() };
        if !self.nccl {
            return NOT_WANTED.to_owned();
        }
        let Some(address) = Group::gpu(index) else { return WITHOUT_NCCL.to_owned() };
        // Containers of one machine have names of their own, and this in common.
        let machine = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        format!("{} {address}", machine.trim())
    }
}

/// How sums go between ranks that say `places`, each where it computes.
fn way(places: &[String]) -> Way {
    if places.iter().all(|place| place == ON_THE_CPU) {
        return Way::None;
    }
    let reasons = [
        (ON_THE_CPU, "computes on the CPU"),
        (NOT_WANTED, "was started with SER_NCCL=0"),
        (WITHOUT_NCCL, "has a libtorch without NCCL"),
    ];
    for (place, reason) in reasons {
        if let Some(rank) = places.iter().position(|said| said == place) {
            return Way::MainMemory(format!("rank {rank} {reason}"));
        }
    }
    for (second, place) in places.iter().enumerate() {
        if let Some(first) = places.iter().take(second).position(|earlier| earlier == place) {
            let why = format!(
                "ranks {first} and {second} compute on one GPU, and NCCL needs one for each; start as many ranks on \
                 a machine as it has GPUs"
            );
            return Way::MainMemory(why);
        }
    }
    Way::Nccl
}

fn unusable(error: &Error) -> Error {
    Error::new(ErrorKind::Io, format!("GPUs cannot add up over NCCL: {}", error.what())).help(
        "see what NCCL_DEBUG=WARN says; set NCCL_SOCKET_IFNAME to the network interface that the machines share, or \
         SER_NCCL=0 to add up through main memory",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(places: &[&str]) -> Way {
        way(&places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>())
    }

    fn why(places: &[&str]) -> String {
        match of(places) {
            Way::MainMemory(why) => why,
            other => panic!("{places:?}: {other:?}"),
        }
    }

    #[test]
    fn gpus_of_their_own_use_nccl_and_everything_else_says_why_not() {
        assert_eq!(of(&["cpu", "cpu"]), Way::None);
        assert_eq!(of(&["a 0000:01:00.0", "a 0000:02:00.0"]), Way::Nccl);
        // The same address on two machines.
        assert_eq!(of(&["a 0000:01:00.0", "b 0000:01:00.0"]), Way::Nccl);
        assert_eq!(why(&["a 0000:01:00.0", "cpu"]), "rank 1 computes on the CPU");
        assert_eq!(why(&["no NCCL", "a 0000:01:00.0"]), "rank 0 has a libtorch without NCCL");
        assert_eq!(why(&["no NCCL", "no NCCL"]), "rank 0 has a libtorch without NCCL");
        assert_eq!(why(&["a 0000:01:00.0", "SER_NCCL=0"]), "rank 1 was started with SER_NCCL=0");
        let one = why(&["a 0000:01:00.0", "a 0000:02:00.0", "a 0000:01:00.0"]);
        assert!(one.starts_with("ranks 0 and 2 compute on one GPU, and NCCL needs one for each"), "{one}");
    }

    #[test]
    fn a_rank_says_where_it_computes() {
        assert_eq!(Ranks::alone().place(Device::Cpu), ON_THE_CPU);
        assert_eq!(Ranks { nccl: false, ..Ranks::alone() }.place(Device::Cuda(0)), NOT_WANTED);
        // There are not as many GPUs, whatever libtorch has.
        assert_eq!(Ranks::alone().place(Device::Cuda(999)), WITHOUT_NCCL);
        assert_eq!(Ranks::alone().compute_on(Device::Cuda(0)).unwrap(), None);
    }
}
