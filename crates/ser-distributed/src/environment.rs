//! Who a process is among several, as its launcher says.
//!
//! | launcher | rank | number of ranks |
//! |---|---|---|
//! | `torchrun` | `RANK` | `WORLD_SIZE` |
//! | Slurm's `srun` | `SLURM_PROCID` | `SLURM_STEP_NUM_TASKS`, or else `SLURM_NTASKS` |
//! | an indexed job of Kubernetes | `JOB_COMPLETION_INDEX` | `WORLD_SIZE` |
//!
//! `SER_NCCL=0` keeps sums of GPUs off NCCL.
//!
//! All say where rank 0 is by `MASTER_ADDR` and `MASTER_PORT`; `torchrun` sets them itself. Without `MASTER_ADDR` the variables
//! of Slurm mean nothing here, since tasks of one job may also be runs of their own.

use ser_core::{Error, ErrorKind, Result};

/// The most ranks there may be.
const MOST_RANKS: u64 = 1024;

/// The port of rank 0 where nobody says one.
const DEFAULT_PORT: u64 = 29_500;

/// Who this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its number, from 0.
    pub rank: u32,
    /// How many processes there are.
    pub count: u32,
    /// Its number on this machine, from 0.
    pub local_rank: u32,
    /// How many of them are on this machine, as far as is known.
    pub local_count: u32,
    /// The machine of rank 0; empty where this process is the only one and nothing is said.
    pub address: String,
    /// The port there at which processes meet.
    pub port: u16,
    /// How often the launcher has started all processes again.
    pub restarts: u32,
    /// Whether the launcher serves that port, and not rank 0.
    pub launcher_serves: bool,
    /// The network interface that processes reach each other over, if it is said.
    pub interface: Option<String>,
    /// Whether sums of tensors on GPUs may go over NCCL.
    pub nccl: bool,
}

impl Environment {
    /// Reads it from variables, of which `variable` gives the value of one by its name. `None` where nobody has started
    /// several processes.
    ///
    /// # Errors
    /// When a variable is missing or no number, or they contradict each other.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let variables = Variables(variable);
        let names = variables.names();
        let Some([rank, count]) = variables.rank_and_count(names)? else { return Ok(None) };
        let address = match variables.text("MASTER_ADDR") {
            Some(address) => address,
            None if count == 1 => String::new(),
            None => return Err(lacks(names[1], "MASTER_ADDR")),
        };
        let port = variables.number("MASTER_PORT", u16::MAX.into())?.unwrap_or(DEFAULT_PORT);
        let local_rank = variables.number_or_slurms("LOCAL_RANK", "SLURM_LOCALID", MOST_RANKS - 1)?;
        let local_count = variables.number("LOCAL_WORLD_SIZE", MOST_RANKS)?;
        let (by_torchrun, by_slurm) = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT");
        let restarts = variables.number_or_slurms(by_torchrun, by_slurm, u32::MAX.into())?;
        let agent = variables.text("TORCHELASTIC_USE_AGENT_STORE");
        let local_count =
            local_count.unwrap_or(if is_loopback(&address) { count } else { 1 }).clamp(1, count);
        Ok(Some(Self {
            rank: rank as u32,
            count: count as u32,
            local_rank: local_rank.unwrap_or(if local_count == count { rank } else { 0 }) as u32,
            local_count: local_count as u32,
            address,
            port: port as u16,
            restarts: restarts.unwrap_or(0) as u32,
            launcher_serves: agent.is_some_and(|value| value == "True"),
            interface: variables.text("GLOO_SOCKET_IFNAME"),
            nccl: variables.number("SER_NCCL", 1)? != Some(0),
        }))
    }

    /// The same from the variables of this process.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn of_this_process() -> Result<Option<Self>> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Whether all processes are on this machine, so that they reach each other without a network.
    #[cfg_attr(not(feature = "c10d"), expect(dead_code, reason = "nothing is connected"))]
    pub(crate) fn is_one_machine(&self) -> bool {
        is_loopback(&self.address)
    }
}

/// The variables of a process, whose values a function gives by their names.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// The value of `name`; one that is empty is none.
    fn text(&self, name: &str) -> Option<String> {
        self.0(name).filter(|value| !value.is_empty())
    }

    /// The whole number from 0 to `most` that `name` is, if it is there.
    fn number(&self, name: &str, most: u64) -> Result<Option<u64>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let parsed = text.trim().parse().ok().filter(|number| *number <= most);
        let allowed = || wrong(&format!("{name}={text}"), &format!("give a whole number from 0 to {most}"));
        parsed.map(Some).ok_or_else(allowed)
    }

    /// The same, or else what `slurms` is where Slurm says who a process is.
    fn number_or_slurms(&self, name: &str, slurms: &str, most: u64) -> Result<Option<u64>> {
        match self.number(name, most)? {
            None if self.are_slurms() => self.number(slurms, most),
            given => Ok(given),
        }
    }

    /// Whether it is Slurm that says who a process is.
    fn are_slurms(&self) -> bool {
        self.text("MASTER_ADDR").is_some()
            && self.text("SLURM_PROCID").is_some()
            && self.text("RANK").is_none()
            && self.text("WORLD_SIZE").is_none()
    }

    /// Which of them say the rank and the number of ranks.
    fn names(&self) -> [&'static str; 2] {
        match self.are_slurms() {
            true if self.text("SLURM_STEP_NUM_TASKS").is_some() => ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS"],
            true => ["SLURM_PROCID", "SLURM_NTASKS"],
            false if self.text("RANK").is_none() && self.text("JOB_COMPLETION_INDEX").is_some() => {
                ["JOB_COMPLETION_INDEX", "WORLD_SIZE"]
            }
            false => ["RANK", "WORLD_SIZE"],
        }
    }

    /// Both as `names` say them; `None` where nobody has started several processes.
    fn rank_and_count(&self, names: [&str; 2]) -> Result<Option<[u64; 2]>> {
        let found = (self.number(names[0], MOST_RANKS - 1)?, self.number(names[1], MOST_RANKS)?);
        let [rank, count] = match found {
            (None, None) => return Ok(None),
            // The pod of an indexed job that has nothing to do with the others.
            (Some(_), None) if names[0] == "JOB_COMPLETION_INDEX" => return Ok(None),
            (Some(rank), Some(count)) => [rank, count],
            (Some(_), None) => return Err(lacks(names[0], names[1])),
            (None, Some(_)) => return Err(lacks(names[1], names[0])),
        };
        if rank < count {
            return Ok(Some([rank, count]));
        }
        let what = format!("{}={rank} and {}={count} contradict each other", names[0], names[1]);
        Err(Error::new(ErrorKind::Usage, what)
            .help("number the processes from 0, or start them with torchrun"))
    }
}

fn is_loopback(address: &str) -> bool {
    address == "localhost" || address == "::1" || address.starts_with("127.")
}

fn wrong(given: &str, help: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{given} is not valid")).help(help.to_owned())
}

fn lacks(given: &str, missing: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{given} is set in the environment, and {missing} is not"))
        .help(format!("set {missing} too, start with torchrun, or unset {given} to train with one process"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Environment>> {
        let pairs: Vec<(&str, &str)> =
            text.split_whitespace().map(|word| word.split_once('=').unwrap()).collect();
        Environment::read(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn ranks(text: &str) -> [u32; 4] {
        let read = read(text).unwrap().unwrap();
        [read.rank, read.count, read.local_rank, read.local_count]
    }

    #[test]
    fn launchers_say_who_a_process_is() {
        let torchrun = "RANK=3 WORLD_SIZE=4 LOCAL_RANK=1 LOCAL_WORLD_SIZE=2 MASTER_ADDR=node-1 MASTER_PORT=4321 \
                        TORCHELASTIC_RESTART_COUNT=2 TORCHELASTIC_USE_AGENT_STORE=True";
        assert_eq!(ranks(torchrun), [3, 4, 1, 2]);
        let environment = read(torchrun).unwrap().unwrap();
        assert_eq!((environment.address.as_str(), environment.port), ("node-1", 4321));
        assert_eq!((environment.restarts, environment.launcher_serves), (2, true));
        let nccl = |more| read(&format!("{torchrun} {more}")).unwrap().unwrap().nccl;
        assert!(nccl("") && nccl("SER_NCCL=1") && !nccl("SER_NCCL=0"));
        // Two shells on one machine.
        assert_eq!(ranks("RANK=1 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1"), [1, 2, 1, 2]);
        let slurm = "SLURM_PROCID=5 SLURM_NTASKS=8 SLURM_LOCALID=1 MASTER_ADDR=node-1 SLURM_RESTART_COUNT=1";
        assert_eq!(ranks(slurm), [5, 8, 1, 1]);
        assert_eq!(read(slurm).unwrap().unwrap().restarts, 1);
        assert_eq!(ranks(&format!("{slurm} SLURM_STEP_NUM_TASKS=6"))[1], 6);
        assert_eq!(ranks("JOB_COMPLETION_INDEX=2 WORLD_SIZE=3 MASTER_ADDR=job-0.job"), [2, 3, 0, 1]);
        // torchrun on nodes of Slurm, or in a pod: its own variables are nearer.
        assert_eq!(ranks(&format!("{torchrun} {slurm} JOB_COMPLETION_INDEX=0"))[..2], [3, 4]);
    }

    #[test]
    fn a_process_that_nobody_started_together_with_others_is_alone() {
        for alone in [
            "",
            "RANK= WORLD_SIZE=",
            // Tasks of Slurm and pods of Kubernetes that are runs of their own.
            "SLURM_PROCID=1 SLURM_NTASKS=4",
            "JOB_COMPLETION_INDEX=3",
            "MASTER_ADDR=node-1 JOB_COMPLETION_INDEX=3",
            "MASTER_ADDR=node-1 MASTER_PORT=29500",
        ] {
            assert_eq!(read(alone).unwrap(), None, "{alone}");
        }
        assert_eq!(ranks("RANK=0 WORLD_SIZE=1"), [0, 1, 0, 1]);
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_variable() {
        for (text, said) in [
            ("RANK=1", "RANK is set in the environment, and WORLD_SIZE is not"),
            ("WORLD_SIZE=2", "WORLD_SIZE is set in the environment, and RANK is not"),
            ("RANK=0 WORLD_SIZE=2", "and MASTER_ADDR is not"),
            ("RANK=2 WORLD_SIZE=2 MASTER_ADDR=x", "RANK=2 and WORLD_SIZE=2 contradict each other"),
            ("RANK=0 WORLD_SIZE=0", "contradict each other"),
            ("RANK=one WORLD_SIZE=2", "RANK=one is not valid"),
            ("RANK=-1 WORLD_SIZE=2", "RANK=-1 is not valid"),
            ("RANK=0 WORLD_SIZE=99999", "WORLD_SIZE=99999 is not valid"),
            ("RANK=0 WORLD_SIZE=2 MASTER_ADDR=x MASTER_PORT=70000", "MASTER_PORT=70000 is not valid"),
            ("RANK=0 WORLD_SIZE=2 MASTER_ADDR=x SER_NCCL=no", "SER_NCCL=no is not valid"),
            (
                "MASTER_ADDR=x SLURM_PROCID=0",
                "SLURM_PROCID is set in the environment, and SLURM_NTASKS is not",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
