//! Finds libtorch where tch's own build script finds it, says early and clearly when it is missing or of another
//! version, and tells the packages that use it where it is: its libraries for their run paths, its headers for what is written in C++.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pip requirements that `./just libtorch` fetches; the line `torch==` names the version.
const REQUIREMENTS: &str = include_str!("../../scripts/libtorch/cpu.txt");

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../scripts/libtorch/cpu.txt");
    let macos = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos");
    match find_libtorch(macos) {
        Ok(Libtorch { library, include }) => {
            // For this crate's own tests. Other packages set theirs by what they are told here: DEP_SER_LIBTORCH_FOLDER.
            for word in ["-rpath", &library.display().to_string()] {
                println!("cargo::rustc-link-arg=-Xlinker");
                println!("cargo::rustc-link-arg={word}");
            }
            println!("cargo::metadata=FOLDER={}", library.display());
            println!("cargo::metadata=INCLUDE={}", include.display());
            compile(&include);
        }
        Err(problem) => println!("cargo::error={problem}"),
    }
}

/// Compiles the interfaces to what tch does not have.
fn compile(include: &Path) {
    println!("cargo::rerun-if-changed=shim");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        // Headers that are not ours.
        .warnings(false)
        // It passes pointers on; optimising it takes longer than it could ever save.
        .opt_level(1)
        .debug(false)
        .include(include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .file("shim/operation.cpp")
        .file("shim/onednn.cpp")
        .file("shim/full_f32.cpp")
        .compile("ser_torch_shim");
}

/// Where libtorch is.
struct Libtorch {
    /// The folder of its libraries.
    library: PathBuf,
    /// The folder of its headers.
    include: PathBuf,
}

/// The folders of libtorch, by the rules and in the order of torch-sys 0.24.
fn find_libtorch(macos: bool) -> Result<Libtorch, String> {
    if variable("LIBTORCH_USE_PYTORCH").is_some() {
        return ask_python(); // torch-sys checks its version
    }
    let system = Path::new("/usr/lib/libtorch.so").exists().then(|| PathBuf::from("/usr"));
    let root = variable("LIBTORCH")
        .map(PathBuf::from)
        .or(system)
        .ok_or("LIBTORCH is not set; run `./just libtorch`")?;
    let library = variable("LIBTORCH_LIB").map_or_else(|| root.clone(), PathBuf::from).join("lib");
    let include = variable("LIBTORCH_INCLUDE").map_or_else(|| root.clone(), PathBuf::from).join("include");
    if !library.is_absolute() {
        return Err(format!("libtorch's folder must be an absolute path, and {} is not", library.display()));
    }
    let file = library.join(if macos { "libtorch_cpu.dylib" } else { "libtorch_cpu.so" });
    println!("cargo::rerun-if-changed={}", file.display());
    if !file.exists() {
        let without = "to build only the commands that need no libtorch, add `--no-default-features`";
        return Err(format!("there is no libtorch at {}; run `./just libtorch` ({without})", root.display()));
    }
    let wanted =
        REQUIREMENTS.lines().find_map(|line| line.strip_prefix("torch==")).unwrap_or_default().trim();
    match version(&include) {
        Some(found) if found != wanted && variable("LIBTORCH_BYPASS_VERSION_CHECK").is_none() => {
            Err(format!(
                "libtorch at {} is {found}, and {wanted} is needed; unset LIBTORCH and run `./just libtorch`",
                root.display()
            ))
        }
        _ => Ok(Libtorch { library, include }),
    }
}

/// The version that the headers in `include` name, if they can be read.
fn version(include: &Path) -> Option<String> {
    let header = std::fs::read_to_string(include.join("torch/headeronly/version.h")).ok()?;
    let number = |part: &str| {
        let start = format!("#define TORCH_VERSION_{part} ");
        header.lines().find_map(|line| line.strip_prefix(&start)).map(|rest| rest.trim().to_owned())
    };
    Some([number("MAJOR")?, number("MINOR")?, number("PATCH")?].join("."))
}

/// The folders of the active Python's torch.
fn ask_python() -> Result<Libtorch, String> {
    let python = if variable("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let script = "import os, torch; print(os.path.dirname(torch.__file__))";
    match Command::new(python).args(["-c", script]).output() {
        Ok(output) if output.status.success() => {
            let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            Ok(Libtorch { library: root.join("lib"), include: root.join("include") })
        }
        _ => Err(format!("LIBTORCH_USE_PYTORCH is set, but {python} cannot import torch")),
    }
}

/// A variable that tch's build script reads too; another value means another build.
fn variable(name: &str) -> Option<std::ffi::OsString> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name)
}
