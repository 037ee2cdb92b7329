//! Gives the programs that use libtorch a run path to it, so that `target/release/ser-fit` starts without
//! `LD_LIBRARY_PATH`. Where it is, the crate that links it has found out.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let Some(folder) = env::var_os("DEP_SER_LIBTORCH_FOLDER") else { return };
    // A run path (DT_RUNPATH) serves only what the program itself names. That is enough: libtorch's libraries find their
    // neighbours and CUDA's by a run path of their own, relative to themselves.
    for word in ["-Xlinker".into(), "-rpath".into(), "-Xlinker".into(), folder] {
        let word = word.display();
        for command in ["ser-encode", "ser-fit", "ser-report", "ser-predict", "ser-serve"] {
            println!("cargo::rustc-link-arg-bin={command}={word}");
        }
        for kind in ["tests", "benches", "examples"] {
            println!("cargo::rustc-link-arg-{kind}={word}");
        }
    }
}
