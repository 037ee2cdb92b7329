//! Gives this crate's own tests a run path to libtorch.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let Ok(folder) = std::env::var("DEP_SER_LIBTORCH_FOLDER") else { return };
    for word in ["-rpath", &folder] {
        println!("cargo::rustc-link-arg=-Xlinker");
        println!("cargo::rustc-link-arg={word}");
    }
}
