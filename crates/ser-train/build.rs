//! Gives this crate's own tests a run path to libtorch, and the crate the place to look for its CUDA library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let Ok(folder) = std::env::var("DEP_SER_LIBTORCH_FOLDER") else { return };
    for word in ["-rpath", &folder] {
        println!("cargo::rustc-link-arg=-Xlinker");
        println!("cargo::rustc-link-arg={word}");
    }
    // Where the program looks for libtorch_cuda.so when it runs.
    println!("cargo::rustc-env=SER_LIBTORCH_LIB={folder}");
}
