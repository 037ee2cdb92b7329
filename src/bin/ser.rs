//! `ser`: lists the commands, and runs one of them by its short name.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use ser::{Ending, program, replace_process};
use ser_core::{Error, ErrorKind, Result};

/// The commands, in the order in which they are used, and a line about each.
const COMMANDS: [(&str, &str); 9] = [
    ("prep", "decode recordings, compute features, keep them in a cache with split manifests"),
    ("fit", "train a network on a cache and keep the best checkpoint"),
    ("report", "say what a checkpoint is worth on the test side of its split"),
    ("predict", "say what a checkpoint hears in recordings, and how sure it is"),
    ("export", "turn a checkpoint into an ONNX model, safetensors, or a page for browsers"),
    ("serve", "answer over HTTP, and show a page that listens to a microphone"),
    ("tune", "search for a good recipe"),
    ("cache", "list, verify, repair, measure, clear, export and compare caches"),
    ("synth", "write a synthetic speech corpus for trying things out"),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(first) = arguments.next() else { return ser::run("ser", || list(Ending::Done)) };
    match first.to_str() {
        Some("help" | "--help" | "-h") => match arguments.next() {
            None => ser::run("ser", || list(Ending::Done)),
            Some(name) => forward(&name, vec!["--help".into()]),
        },
        Some("--version" | "-V") => ser::run("ser", || {
            ser::print(&format!("ser {}\n", env!("CARGO_PKG_VERSION"))).map(|()| Ending::Done)
        }),
        _ => forward(&first, arguments.collect()),
    }
}

fn list(ending: Ending) -> Result<Ending> {
    let mut text =
        "Speech emotion recognition: recordings in, a trained classifier and honest numbers out\n\n\
                    Usage: ser <COMMAND> [OPTIONS], or ser-<COMMAND> [OPTIONS]\n\nCommands:\n"
            .to_owned();
    for (name, about) in COMMANDS {
        text.push_str(&format!("  {name:<7} {about}\n"));
    }
    text.push_str("  help    say more about a command: ser help prep\n");
    ser::print(&text)?;
    Ok(ending)
}

/// Runs `ser-<name>` with `arguments` in this process's place, and ends as it ends.
fn forward(name: &OsString, arguments: Vec<OsString>) -> ExitCode {
    let known = name.to_str().and_then(|name| COMMANDS.into_iter().find(|(known, _)| *known == name));
    let Some((name, _)) = known else {
        return ser::run("ser", || Err(unknown(name)));
    };
    let program = program(name);
    let error = replace_process(Command::new(&program).args(arguments));
    ser::run("ser", || {
        let error = Error::io("cannot be run", &program, error);
        Err(error
            .help("build it with ./just build; ser-fit, ser-report, ser-predict and ser-serve need the features torch and serve"))
    })
}

fn unknown(name: &OsString) -> Error {
    let known = COMMANDS.map(|(name, _)| name).join(", ");
    let what = format!("there is no command {:?}", name.to_string_lossy());
    Error::new(ErrorKind::Usage, what).help(format!("use one of {known}"))
}
