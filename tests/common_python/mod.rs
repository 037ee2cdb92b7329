//! The Python whose packages tests compare with.

use std::path::PathBuf;
use std::process::Command;

/// A Python that can import `modules`: the one `SER_PYTHON` names, or `python3`. Without one a line says so.
pub(crate) fn python_with(modules: &str) -> Option<PathBuf> {
    let named = std::env::var_os("SER_PYTHON").filter(|python| !python.is_empty()).map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let works = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if works.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(named.is_none(), "SER_PYTHON is set, but {} cannot import {modules}", python.display());
    eprintln!(
        "SKIPPED: python3 cannot import {modules}; set SER_PYTHON to one that can, such as `./just python` makes"
    );
    None
}
