//! What an export is to write, checked before anything is computed: nothing is replaced that no export wrote.

use std::io::Read;
use std::path::{Path, PathBuf};

use ser_core::storage::open_regular_no_follow;
use ser_core::{Error, ErrorKind, Result};

use crate::mark::Kind;
use crate::onnx::Head;
use crate::{folder, page, safetensors};

/// Where the exports of a checkpoint go.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// The checkpoint that is exported.
    pub checkpoint: &'a Path,
    /// The ONNX model, a file.
    pub onnx: Option<&'a Path>,
    /// The weights, a folder.
    pub safetensors: Option<&'a Path>,
    /// The page, a folder.
    pub page: Option<&'a Path>,
}

impl Targets<'_> {
    /// Refuses targets that hold anything but an earlier export of their kind.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where two targets are one, and where a target is the checkpoint, something special, or of somebody
    /// else; and when one cannot be read. All name the target.
    pub fn check(&self) -> Result<()> {
        let targets: Vec<&Path> = [self.onnx, self.safetensors, self.page].into_iter().flatten().collect();
        for (number, target) in targets.iter().enumerate() {
            if targets.iter().skip(number + 1).any(|other| place(target) == place(other)) {
                return Err(Error::new(ErrorKind::Usage, "is to hold two different exports")
                    .at(*target)
                    .help("give each export a place of its own"));
            }
        }
        if let Some(path) = self.onnx {
            refuse_foreign(path, self.checkpoint)?;
        }
        if let Some(path) = self.safetensors {
            folder::refuse_foreign(path, Kind::Safetensors, &safetensors::FILES)?;
        }
        let Some(path) = self.page else { return Ok(()) };
        let files = page::files();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        folder::refuse_foreign(path, Kind::Page, &files)
    }
}

/// Refuses a file that is not an ONNX model by ser.
fn refuse_foreign(path: &Path, checkpoint: &Path) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::new(ErrorKind::Usage, what)
            .at(path)
            .help("name a file that does not exist yet, or an earlier export"))
    };
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("cannot be read", path, error)),
        Ok(_) if is_one_file(path, checkpoint) => {
            refuse("is the checkpoint itself, which the ONNX model would replace")
        }
        Ok(metadata) if !metadata.is_file() => refuse("is no regular file, and no ONNX model can replace it"),
        Ok(_) if is_export(path)? => Ok(()),
        Ok(_) => refuse("is a file that is no ONNX model by ser, and would be lost"),
    }
}

/// Whether the file at `path` begins as the ONNX models that are written here.
fn is_export(path: &Path) -> Result<bool> {
    let cannot = "cannot be read";
    let mut bytes = Vec::new();
    let read = open_regular_no_follow(path, cannot)?.take(Head::BYTES).read_to_end(&mut bytes);
    read.map_err(|error| Error::io(cannot, path, error))?;
    Ok(Head::of(&bytes).is_by_ser())
}

/// Where a path leads, also where nothing is there yet.
fn place(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let canonical = |path: &Path| std::fs::canonicalize(path).ok();
    let beside = || Some(canonical(whole.parent()?)?.join(whole.file_name()?));
    canonical(&whole).or_else(beside).unwrap_or(whole.clone())
}

/// Whether two names mean one file, links followed.
fn is_one_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
    number(a).is_some() && number(a) == number(b)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn check(onnx: &Path, checkpoint: &Path) -> String {
        let targets = Targets { onnx: Some(onnx), ..targets_of(checkpoint) };
        let Err(error) = targets.check() else { return String::new() };
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        error.to_string()
    }

    #[test]
    fn only_models_by_ser_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let checkpoint = at("best.pt");
        std::fs::write(&checkpoint, "weights").unwrap();
        assert_eq!(check(&at("new.onnx"), &checkpoint), "");
        let ours = crate::onnx::Graph::default().into_model("", &[]);
        std::fs::write(at("ours.onnx"), ours).unwrap();
        assert_eq!(check(&at("ours.onnx"), &checkpoint), "");

        let theirs = Head { ir_version: 8, producer_name: "pytorch".to_owned() };
        std::fs::write(at("theirs.onnx"), theirs.encode_to_vec()).unwrap();
        std::fs::write(at("notes.txt"), "ser").unwrap();
        std::fs::write(at("empty"), "").unwrap();
        for name in ["theirs.onnx", "notes.txt", "empty"] {
            let text = check(&at(name), &checkpoint);
            assert!(text.contains("is no ONNX model by ser"), "{name}: {text}");
        }
        let text = check(folder.path(), &checkpoint);
        assert!(text.contains("is no regular file"), "{text}");
    }

    #[test]
    fn a_checkpoint_is_known_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let [checkpoint, hard, link, other, dangling] =
            ["best.pt", "hard", "link", "other", "dangling"].map(|name| folder.path().join(name));
        std::fs::write(&checkpoint, "weights").unwrap();
        std::fs::hard_link(&checkpoint, &hard).unwrap();
        std::os::unix::fs::symlink(&checkpoint, &link).unwrap();
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &dangling).unwrap();
        for (onnx, given) in [(&checkpoint, &checkpoint), (&hard, &checkpoint), (&link, &checkpoint)] {
            let text = check(onnx, given);
            assert!(text.contains("is the checkpoint itself"), "{text}");
        }
        let text = check(&checkpoint, &link);
        assert!(text.contains("is the checkpoint itself"), "{text}");
        let ours = crate::onnx::Graph::default().into_model("", &[]);
        std::fs::write(&other, ours).unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        for onnx in [&link, &dangling] {
            let text = check(onnx, &checkpoint);
            assert!(text.contains("is no regular file"), "{text}");
        }
    }

    #[test]
    fn two_exports_do_not_go_to_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["same", "./same/"].map(|name| folder.path().join(name));
        let targets = Targets { safetensors: Some(&a), page: Some(&b), ..targets_of(folder.path()) };
        let error = targets.check().unwrap_err();
        assert!(error.to_string().contains("is to hold two different exports"), "{error}");
        let targets = Targets { onnx: Some(&a), page: Some(&b), ..targets_of(folder.path()) };
        assert_eq!(targets.check().unwrap_err().kind(), ErrorKind::Usage);
        let b = folder.path().join("other");
        Targets { safetensors: Some(&a), page: Some(&b), ..targets_of(folder.path()) }.check().unwrap();
    }

    fn targets_of(checkpoint: &Path) -> Targets<'_> {
        Targets { checkpoint, onnx: None, safetensors: None, page: None }
    }
}
