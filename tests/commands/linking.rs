//! Only the commands that train or evaluate a network need libtorch, so only they link it: preparing a corpus on a machine
//! without libtorch, or in a small container, must just work.

use std::process::Command;

/// Every command, and whether it needs libtorch.
const COMMANDS: &[(&str, bool)] = &[
    (env!("CARGO_BIN_EXE_ser"), false),
    (env!("CARGO_BIN_EXE_ser-cache"), false),
    (env!("CARGO_BIN_EXE_ser-export"), false),
    (env!("CARGO_BIN_EXE_ser-prep"), false),
    (env!("CARGO_BIN_EXE_ser-synth"), false),
    (env!("CARGO_BIN_EXE_ser-tune"), false),
    #[cfg(feature = "torch")]
    (env!("CARGO_BIN_EXE_ser-encode"), true),
    #[cfg(feature = "torch")]
    (env!("CARGO_BIN_EXE_ser-fit"), true),
    #[cfg(feature = "torch")]
    (env!("CARGO_BIN_EXE_ser-report"), true),
    #[cfg(feature = "torch")]
    (env!("CARGO_BIN_EXE_ser-predict"), true),
    #[cfg(feature = "serve")]
    (env!("CARGO_BIN_EXE_ser-serve"), true),
];

/// What `readelf -d` says of a program: the libraries it needs, and the folders they are looked for in.
#[cfg(target_os = "linux")]
fn dynamic_section(program: &str) -> (Vec<String>, Vec<String>) {
    let output = Command::new("readelf").arg("-d").arg(program).output().expect("readelf is of binutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let tagged = |tags: &[&str]| -> Vec<String> {
        let lines = text.lines().filter(|line| tags.iter().any(|tag| line.contains(tag)));
        lines.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned())).collect()
    };
    (tagged(&["(NEEDED)"]), tagged(&["(RPATH)", "(RUNPATH)"]))
}

#[test]
#[cfg(target_os = "linux")]
fn only_commands_that_run_networks_link_libtorch() {
    for &(program, with_libtorch) in COMMANDS {
        let (needed, folders) = dynamic_section(program);
        let needs = |parts: &[&str]| needed.iter().any(|name| parts.iter().any(|part| name.contains(part)));
        assert!(needs(&["libc.so"]), "{program}: {needed:?}");
        if with_libtorch {
            assert!(
                needs(&["libtorch_cpu.so"]) && !folders.is_empty(),
                "{program}: {needed:?} in {folders:?}"
            );
            // CUDA is loaded when it is asked for.
            assert!(!needs(&["cuda"]), "{program}: {needed:?}");
        } else {
            assert!(!needs(&["torch", "c10", "gomp", "cuda"]), "{program}: {needed:?}");
            assert!(folders.is_empty(), "{program}: {folders:?}");
        }
    }
}

#[test]
fn every_command_of_the_package_is_checked() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let programs = manifest["bin"].as_array().unwrap().len();
    let of_torch = if cfg!(feature = "torch") { 0 } else { 4 };
    let of_serve = if cfg!(feature = "serve") { 0 } else { 1 };
    assert_eq!(COMMANDS.len() + of_torch + of_serve, programs);
}
