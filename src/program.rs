//! Starting another of the commands in this process's place.

use std::path::PathBuf;
use std::process::Command;

/// The program `ser-<name>` beside this one, or else the one on `PATH`.
pub fn program(name: &str) -> PathBuf {
    let name = format!("ser-{name}{}", std::env::consts::EXE_SUFFIX);
    let here = std::env::current_exe().ok().and_then(|path| path.parent().map(ToOwned::to_owned));
    here.map(|folder| folder.join(&name)).filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// Runs `command` in this process's place, so that signals, exit codes and the terminal are the command's own. Only returns
/// if that fails.
pub fn replace_process(command: &mut Command) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    command.exec()
}
