//! Compiles the interface to c10d against the headers of the libtorch that the programs are linked with, and gives this
//! crate's own tests a run path to it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=shim");
    let Ok(folder) = std::env::var("DEP_SER_LIBTORCH_FOLDER") else { return };
    for word in ["-rpath", &folder] {
        println!("cargo::rustc-link-arg=-Xlinker");
        println!("cargo::rustc-link-arg={word}");
    }
    #[cfg(feature = "c10d")]
    compile();
}

#[cfg(feature = "c10d")]
fn compile() {
    use std::path::Path;

    let Ok(include) = std::env::var("DEP_SER_LIBTORCH_INCLUDE") else { return };
    let include = Path::new(&include);
    let needed = include.join("torch/csrc/distributed/c10d/ProcessGroupGloo.hpp");
    if !needed.exists() {
        let without = "to build without training by several processes, leave the feature `distributed` out";
        println!("cargo::error=there is no {}; run `./just libtorch` ({without})", needed.display());
        return;
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        // Headers that are not ours.
        .warnings(false)
        // It passes pointers on; optimising it takes longer than it could ever save.
        .opt_level(1)
        .debug(false)
        // Before libtorch's, which has no headers of gloo.
        .include("shim")
        .include(include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .file("shim/c10d.cpp")
        .compile("ser_c10d");
}
