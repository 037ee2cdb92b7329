//! Only the commands that train or evaluate a network need libtorch, so only they link it: preparing a corpus on a machine
//! without libtorch, or in a small container, must just work.

use std::path::Path;
use std::process::Command;

/// Every command, and whether it needs libtorch.
const COMMANDS: &[(&str, bool)] = &[
    (env!("CARGO_BIN_EXE_ser"), false),
    (env!("CARGO_BIN_EXE_ser-cache"), false),
    (env!("CARGO_BIN_EXE_ser-prep"), false),
    (env!("CARGO_BIN_EXE_ser-synth"), false),
    (env!("CARGO_BIN_EXE_ser-tune"), false),
    #[cfg(feature = "torch")]
    (env!("CARGO_BIN_EXE_ser-fit"), true),
    #[cfg(feature = "torch")]
    (env!("CARGO_BIN_EXE_ser-report"), true),
];

/// The libraries that a program names as needed.
fn needed(program: &Path) -> Vec<String> {
    let output = Command::new("readelf").arg("-d").arg(program).output().expect("readelf is of binutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter(|line| line.contains("(NEEDED)"));
    names.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned())).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn only_commands_that_run_networks_link_libtorch() {
    for &(program, with_libtorch) in COMMANDS {
        let libraries = needed(Path::new(program));
        assert!(libraries.iter().any(|name| name.starts_with("libc.so")), "{program}: {libraries:?}");
        let torch: Vec<&String> =
            libraries.iter().filter(|name| name.contains("torch") || name.contains("c10")).collect();
        assert_eq!(!torch.is_empty(), with_libtorch, "{program} needs {libraries:?}");
    }
}

#[test]
fn every_command_of_the_package_is_checked() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let programs = manifest["bin"].as_array().unwrap().len();
    let of_torch = if cfg!(feature = "torch") { 0 } else { 2 };
    assert_eq!(COMMANDS.len() + of_torch, programs);
}
