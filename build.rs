//! Gives the commands that use libtorch a run path to it, so that `target/release/ser-fit` starts without
//! `LD_LIBRARY_PATH`.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_LIB");
    if std::env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    let Some(root) = std::env::var_os("LIBTORCH_LIB").or_else(|| std::env::var_os("LIBTORCH")) else {
        return;
    };
    let library = PathBuf::from(root).join("lib");
    // RPATH, not RUNPATH: libtorch's own libraries must find their neighbours through it too.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", library.display());
    println!("cargo:rustc-env=SER_LIBTORCH_LIB={}", library.display());
}
