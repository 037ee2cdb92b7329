//! `ser`: lists the commands and runs the one beside it.

use std::process::{Command, Output};

fn ser(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ser")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn alone_it_lists_every_command_with_a_line_each() {
    let output = ser(&[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for command in ["prep", "fit", "report", "predict", "export", "serve", "tune", "cache", "synth"] {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{command} ")));
        assert!(line.is_some_and(|line| line.trim().len() > command.len() + 20), "{command}: {text}");
    }
    assert_eq!(stdout(&ser(&["--help"])), text);
    assert_eq!(stdout(&ser(&["help"])), text);
    assert_eq!(stdout(&ser(&["--version"])), format!("ser {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_gets_its_arguments_and_ends_as_it_would_alone() {
    let direct = Command::new(env!("CARGO_BIN_EXE_ser-prep")).args(["--data", "/nowhere"]).output().unwrap();
    let through = ser(&["prep", "--data", "/nowhere"]);
    assert_eq!(through.status.code(), direct.status.code());
    assert_eq!(through.stderr, direct.stderr);
    assert_eq!(stdout(&ser(&["cache", "--help"])), stdout(&ser(&["help", "cache"])));
    // Wrong usage is what the command says it is.
    assert_eq!(ser(&["cache", "--nonsense"]).status.code(), Some(2));
}

#[test]
fn an_unknown_command_is_wrong_usage_and_names_those_there_are() {
    let output = ser(&["train"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        text,
        "ser: there is no command \"train\"; use one of prep, fit, report, predict, export, serve, tune, cache, synth\n"
    );
}
