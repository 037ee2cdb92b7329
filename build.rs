//! Gives the programs that use libtorch a run path to it, so that `target/release/ser-fit` starts without
//! `LD_LIBRARY_PATH`. Where it is, the crate that links it has found out.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let Some(folder) = env::var_os("DEP_SER_LIBTORCH_FOLDER") else { return };
    // A run path (DT_RUNPATH) serves only what the program itself names. That is enough: libtorch's libraries find their
    // neighbours and CUDA's by a run path of their own, relative to themselves. It goes to every program, since cargo has no
    // way to say "these commands, tests and doctests"; the others look for nothing there.
    for word in ["-Xlinker".into(), "-rpath".into(), "-Xlinker".into(), folder] {
        println!("cargo::rustc-link-arg={}", word.display());
    }
}
