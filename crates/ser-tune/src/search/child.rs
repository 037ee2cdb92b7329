//! The process that trains a trial: started, stopped, and never left behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ser_core::{Error, ErrorKind, Result};
use ser_model::FitConfig;

/// First argument of a process that is to become the trainer: see [`launch`].
pub const LAUNCH: &str = "__launch";
/// How long a process that was asked to stop may take to save its state.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a failed process's stderr is kept, bytes.
const MAX_COMPLAINT: u64 = 4000;

/// How trials are trained.
#[derive(Debug, Clone)]
pub struct TrialRunner {
    /// The ser-fit to run.
    pub ser_fit: PathBuf,
    /// A program that calls [`launch`] when its first argument is [`LAUNCH`], which lets `ser_fit` end with us; without one
    /// `ser_fit` is run directly.
    pub launcher: Option<PathBuf>,
    /// How many threads each may use, unless its recipe says so itself.
    pub threads: Option<usize>,
}

impl TrialRunner {
    /// Begins or continues the run in `folder`, in the latter case with the places that `config` names: cache and
    /// recordings may have moved. The process holds `lock` as its standard input, so the lock is held as long as it lives,
    /// and its stderr goes to `output.txt`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(
        &self,
        folder: &Path,
        recipe: &Path,
        config: Option<&FitConfig>,
        lock: &File,
    ) -> Result<Running> {
        let io = |what: &str, path: &Path| {
            let (what, path) = (what.to_owned(), path.to_owned());
            move |error| Error::io(what, path, error)
        };
        let output = folder.join("output.txt");
        let output_file = File::create(&output).map_err(io("cannot be written", &output))?;
        let mut command = match &self.launcher {
            Some(launcher) => {
                let mut command = Command::new(launcher);
                command.arg(LAUNCH).arg(std::process::id().to_string()).arg(&self.ser_fit);
                command
            }
            None => Command::new(&self.ser_fit),
        };
        command.args(self.arguments(folder, recipe, config));
        // A search that torchrun has started several times trains whole trials in each process: its trials are no ranks.
        for variable in ["RANK", "WORLD_SIZE", "MASTER_ADDR"] {
            command.env_remove(variable);
        }
        command.stdin(lock.try_clone().map_err(io("cannot be shared", folder))?);
        command.stdout(Stdio::null()).stderr(output_file);
        // Ctrl-C at the terminal reaches us alone, and we ask each process once.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(io("cannot be run", &self.ser_fit))?;
        Ok(Running { child, output })
    }

    /// The command line of `ser-fit`, and all that a search asks of it. Whatever is put in the place of `ser-fit` must
    /// take it:
    ///
    /// | | |
    /// |---|---|
    /// | `--config RECIPE --run FOLDER` | train the network that the recipe describes |
    /// | `--resume FOLDER [--cache FOLDER] [--data FOLDER]…` | continue that run, with these places instead of the recorded ones |
    /// | `--threads NUMBER` | on so many threads |
    /// | `--quiet` | print nothing but errors, the last line being the reason, `ser-fit: ` before it or not |
    ///
    /// A run writes `config.toml` into its folder when it begins, and a line to `metrics.jsonl` after each epoch. On SIGINT it
    /// saves its state and ends.
    fn arguments(&self, folder: &Path, recipe: &Path, config: Option<&FitConfig>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        if folder.join("config.toml").exists() {
            arguments.extend(["--resume".into(), folder.into()]);
            if let Some(config) = config {
                arguments.extend(["--cache".into(), config.cache.clone().into()]);
                arguments.extend(config.data.iter().flat_map(|data| ["--data".into(), data.into()]));
            }
        } else {
            arguments.extend(["--config".into(), recipe.into(), "--run".into(), folder.into()]);
        }
        if let Some(threads) = self.threads {
            arguments.extend(["--threads".into(), threads.to_string().into()]);
        }
        arguments.push("--quiet".into());
        arguments
    }
}

/// A process that trains a trial. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    output: PathBuf,
}

/// How a process ended.
pub(crate) enum Ended {
    Finished,
    /// It was asked to stop, and has saved its state.
    Interrupted,
    /// With this on its stderr.
    Failed(String),
}

/// What a command exits with when it was interrupted.
const INTERRUPTED: i32 = 130;

impl Running {
    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// When the operating system reports an error.
    pub(crate) fn ended(&mut self) -> Result<Option<Ended>> {
        let status = self.child.try_wait();
        let status = status.map_err(|error| Error::io("cannot be watched", &self.output, error))?;
        Ok(status.map(|status| match status.code() {
            Some(0) => Ended::Finished,
            Some(INTERRUPTED) => Ended::Interrupted,
            _ => Ended::Failed(self.complaint(&status.to_string())),
        }))
    }

    /// Asks it to save its state and stop, and waits; kills it if it takes too long.
    pub(crate) fn stop(&mut self) {
        self.signal(false);
        let asked = Instant::now();
        while asked.elapsed() < STOP_TIMEOUT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The end of its stderr, or else its exit status.
    fn complaint(&self, status: &str) -> String {
        let mut text = Vec::new();
        let file = File::open(&self.output).and_then(|mut file| {
            let size = file.metadata()?.len();
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(size.saturating_sub(MAX_COMPLAINT)))?;
            Ok(file)
        });
        let _ = file.and_then(|file| file.take(MAX_COMPLAINT).read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        last.map_or(status, |line| line.strip_prefix("ser-fit: ").unwrap_or(line)).to_owned()
    }

    fn signal(&mut self, kill: bool) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let signal = if kill { Signal::KILL } else { Signal::INT };
        // A process that has been waited for has no group any more.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(true);
        let _ = self.child.wait();
    }
}

/// Becomes the command in `arguments`: the number of the process that asks, a program, and its arguments. On Linux the
/// operating system kills it when that process ends, however it ends.
///
/// # Errors
/// When it cannot; on success this never returns.
pub fn launch(arguments: &[OsString]) -> Error {
    let [asker, program, arguments @ ..] = arguments else {
        return Error::new(ErrorKind::Usage, format!("{LAUNCH} is for internal use"));
    };
    if let Err(error) = die_with(asker) {
        return error;
    }
    let error = std::os::unix::process::CommandExt::exec(Command::new(program).args(arguments));
    Error::io("cannot be run", PathBuf::from(program), error)
}

#[cfg(target_os = "linux")]
fn die_with(asker: &OsString) -> Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::io("cannot be tied to the search", "the trainer", error.into()))?;
    // It may have ended just before.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if parent.as_deref() == asker.to_str() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Interrupted, "the search that started this trial has ended"))
}

#[cfg(not(target_os = "linux"))]
fn die_with(_asker: &OsString) -> Result<()> {
    Ok(())
}
