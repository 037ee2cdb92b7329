//! What the fuzz targets share: a bound on memory, wrappers with valid checksums, seeds.

pub mod memory;
pub mod seeds;
pub mod wrap;

/// To be called first by every target. With `SER_FUZZ_SEEDS=<folder>` the program writes the seeds of `target` there
/// and ends.
pub fn start(target: &str) {
    if let Some(folder) = std::env::var_os("SER_FUZZ_SEEDS") {
        let written = seeds::write(target, std::path::Path::new(&folder)).expect("the seeds cannot be written");
        println!("{target}: {written} seeds");
        std::process::exit(0);
    }
}

/// A folder in memory, where the system has one.
pub fn scratch_folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("there is no folder to write to")
}
