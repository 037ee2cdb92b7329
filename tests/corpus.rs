//! What a folder of recordings is taken to hold: which files, under which labels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

mod common;

use std::fs;
use std::path::Path;

use common::{plain_corpus, put};
use ser::corpus::{Annotator, LabelSource, scan};
use ser::{Error, ErrorKind};

fn paths(folder: &Path) -> Vec<String> {
    scan(folder).unwrap().files.into_iter().map(|file| file.path).collect()
}

// --- which files ---

#[test]
fn recordings_are_found_at_every_depth_in_the_order_of_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["b/2.wav", "b/10.wav", "a/deep/er/x.FLAC", "top.Mp3", "a.b/c.aiff"] {
        put(folder.path(), path, b"x");
    }
    assert_eq!(paths(folder.path()), ["a.b/c.aiff", "a/deep/er/x.FLAC", "b/10.wav", "b/2.wav", "top.Mp3"]);
}

#[test]
fn what_systems_leave_behind_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["a/.DS_Store", "a/._1.wav", ".git/x.wav", "__MACOSX/a/1.wav", "a/1.wav"] {
        put(folder.path(), path, b"x");
    }
    for path in ["a/notes.txt", "a/1.wav.bak", "a/wav", "labels.csv"] {
        put(folder.path(), path, b"x");
    }
    let scan = scan(folder.path()).unwrap();
    assert_eq!(scan.files.len(), 1);
    assert_eq!(scan.ignored, 4);
    assert!(scan.unusable.is_empty());
}

#[test]
fn a_corpus_may_itself_be_hidden_or_a_link() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), ".hidden/a/1.wav", b"x");
    assert_eq!(paths(&folder.path().join(".hidden")), ["a/1.wav"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(".hidden", folder.path().join("link")).unwrap();
        assert_eq!(paths(&folder.path().join("link")), ["a/1.wav"]);
    }
}

#[test]
fn a_folder_named_as_a_recording_is_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a/x.wav/1.wav", b"x");
    let scan = scan(folder.path()).unwrap();
    assert_eq!(scan.files[0].path, "a/x.wav/1.wav");
    assert_eq!((scan.files.len(), scan.unusable.len()), (1, 0));
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn links_to_files_and_folders_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        put(elsewhere.path(), "far/1.wav", b"x");
        put(folder.path(), "a/1.wav", b"x");
        symlink(elsewhere.path().join("far/1.wav"), folder.path().join("a/2.wav")).unwrap();
        symlink(elsewhere.path().join("far"), folder.path().join("b")).unwrap();
        assert_eq!(paths(folder.path()), ["a/1.wav", "a/2.wav", "b/1.wav"]);
    }

    #[test]
    fn a_link_back_to_a_folder_above_is_refused_and_the_rest_is_found() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/1.wav", b"x");
        symlink("..", folder.path().join("a/loop")).unwrap();
        let scan = scan(folder.path()).unwrap();
        assert_eq!(scan.files.len(), 1);
        let (path, error) = &scan.unusable[0];
        assert_eq!(path, "a/loop");
        assert!(error.reason().contains("a link back to"), "{error}");
    }

    #[test]
    fn a_link_to_nothing_is_unusable_only_if_it_is_named_as_a_recording() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/1.wav", b"x");
        symlink("gone", folder.path().join("a/2.wav")).unwrap();
        symlink("gone", folder.path().join("a/README")).unwrap();
        symlink("itself", folder.path().join("a/itself")).unwrap();
        let scan = scan(folder.path()).unwrap();
        let unusable: Vec<&str> = scan.unusable.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(unusable, ["a/2.wav", "a/itself"]);
        assert_eq!((scan.files.len(), scan.ignored), (1, 1));
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_named_as_well_as_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/1.wav", b"x");
        // Some file systems refuse such names themselves.
        if fs::write(folder.path().join("a").join(OsStr::from_bytes(b"caf\xe9.wav")), b"x").is_err() {
            eprintln!("SKIPPED: this file system takes only UTF-8");
            return;
        }
        let scan = scan(folder.path()).unwrap();
        assert_eq!(scan.files.len(), 1);
        let (path, error) = &scan.unusable[0];
        assert_eq!(path, "a/caf\u{fffd}.wav");
        assert!(error.reason().contains("not UTF-8"), "{error}");
    }

    #[test]
    fn a_fifo_named_as_a_recording_is_listed_and_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/1.wav", b"x");
        let fifo = folder.path().join("a/x.wav");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        let files = scan(folder.path()).unwrap().files;
        assert_eq!(files.len(), 2);
        let error =
            ser::audio::read_file(&files[1].location(folder.path()), &Default::default(), &mut Vec::new())
                .unwrap_err();
        assert!(error.to_string().contains("is a FIFO"), "{error}");
    }

    #[test]
    fn an_unreadable_folder_is_named_and_the_rest_is_found() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/1.wav", b"x");
        put(folder.path(), "b/1.wav", b"x");
        let closed = folder.path().join("b");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(&closed).is_ok() {
            eprintln!("SKIPPED: this user may read everything");
            return;
        }
        let scan = scan(folder.path()).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(scan.files.len(), 1);
        assert_eq!(scan.unusable[0].0, "b");
        assert!(scan.unusable[0].1.reason().contains("cannot be looked at"), "{}", scan.unusable[0].1);
    }
}

#[test]
fn a_corpus_that_is_missing_or_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = scan(&folder.path().join("none")).unwrap_err();
    assert!(missing.to_string().contains("none: cannot open the corpus"), "{missing}");
    put(folder.path(), "a.wav", b"x");
    let file = scan(&folder.path().join("a.wav")).unwrap_err();
    assert_eq!(file.kind(), ErrorKind::Usage);
    assert!(file.to_string().contains("is not a folder"), "{file}");
}

// --- which labels ---

fn table(text: &str) -> (tempfile::TempDir, ser::Result<Annotator>) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "labels.csv", text.as_bytes());
    let annotator = Annotator::new(&LabelSource::Table(folder.path().join("labels.csv")));
    (folder, annotator)
}

fn refusal(text: &str) -> Error {
    table(text).1.unwrap_err()
}

#[test]
fn labels_come_from_folders_from_file_names_or_from_a_table() {
    let path = "OAF_Sad/OAF_bite_happy.wav";
    assert_eq!("folder".parse(), Ok(LabelSource::Folder));
    assert_eq!("filename".parse(), Ok(LabelSource::Filename));
    let folder = Annotator::new(&LabelSource::Folder).unwrap().annotate(path).unwrap();
    assert_eq!((folder.label.as_str(), folder.notes.len()), ("sad", 1));
    let filename = Annotator::new(&LabelSource::Filename).unwrap().annotate(path).unwrap();
    assert_eq!((filename.label.as_str(), filename.notes.len()), ("happy", 1));
    let (_folder, annotator) = table(&format!("path,label\n{path},bored\n"));
    let row = annotator.unwrap().annotate(path).unwrap();
    assert_eq!((row.label.as_str(), row.speaker, row.word, row.notes.len()), ("bored", None, None, 0));
}

#[test]
fn a_table_may_order_its_columns_and_hold_others() {
    let (_folder, annotator) =
        table("speaker, age, label ,path,word\ns-1,40,calm,./x\\1.wav,Dog\n,,calm,2.wav,\n");
    let annotator = annotator.unwrap();
    let first = annotator.annotate("x/1.wav").unwrap();
    assert_eq!(
        (first.label.as_str(), first.speaker.as_deref(), first.word.as_deref()),
        ("calm", Some("s-1"), Some("dog"))
    );
    let second = annotator.annotate("2.wav").unwrap();
    assert_eq!((second.speaker, second.word), (None, None));
}

#[test]
fn a_table_saved_by_a_spreadsheet_is_read() {
    let (_folder, annotator) = table("\u{feff}path,label\r\n\"a, b/1.wav\",\"very \"\"calm\"\"\"\r\n");
    assert_eq!(annotator.unwrap().annotate("a, b/1.wav").unwrap().label, "very \"calm\"");
}

#[test]
fn a_table_without_a_column_says_which_and_what_it_has() {
    for (text, lacking) in [
        ("path,emotion\na,b\n", "label"),
        ("file,label\n", "path"),
        ("path;label\na;b\n", "path"),
        ("", "path"),
    ] {
        let error = refusal(text);
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains(&format!("no column \"{lacking}\"")), "{error}");
        assert!(error.path().is_some_and(|path| path.ends_with("labels.csv")), "{error}");
    }
}

#[test]
fn a_row_that_is_wrong_is_named() {
    for (text, says) in [
        ("path,label\na.wav,x\nb.wav,\n", "row 2 lacks its path or its label"),
        ("path,label\n,x\n", "row 1 lacks its path or its label"),
        ("path,label\na.wav\n", "row 1"),
        ("path,label\na.wav,x\n./a.wav,y\n", "names a.wav twice"),
    ] {
        let error = refusal(text);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_speaker_that_cannot_name_a_folder_is_refused() {
    let long = "x".repeat(65);
    for speaker in ["a/b", "..", ".hidden", "a b", "a\\b", "Åsa", "../../x", long.as_str()] {
        let error = refusal(&format!("path,label,speaker\na.wav,x,{speaker}\n"));
        assert!(error.to_string().contains("cannot be a speaker's ID"), "{speaker}: {error}");
        assert!(error.to_string().contains("row 1"), "{error}");
    }
    let widest = "x".repeat(64);
    for speaker in ["1", "s_01", "S-1.b", "-", widest.as_str()] {
        assert!(table(&format!("path,label,speaker\na.wav,x,{speaker}\n")).1.is_ok(), "{speaker}");
    }
}

#[test]
fn a_file_without_a_row_is_named_with_the_table() {
    let (_folder, annotator) = table("path,label\na.wav,x\n");
    let error = annotator.unwrap().annotate("b.wav").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().starts_with("b.wav: is not in the table"), "{error}");
    assert!(error.to_string().contains("labels.csv"), "{error}");
}

#[test]
fn a_table_that_is_not_there_or_no_text_is_refused() {
    let missing = Annotator::new(&"flder".parse().unwrap()).unwrap_err();
    assert!(missing.to_string().contains("flder: cannot be read as a table of labels"), "{missing}");
    assert!(missing.to_string().contains("--labels folder, filename"), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    assert!(Annotator::new(&LabelSource::Table(folder.path().to_owned())).is_err());
    put(folder.path(), "x.csv", b"path,label\n\xff\xfe,x\n");
    assert!(Annotator::new(&LabelSource::Table(folder.path().join("x.csv"))).is_err());
}

// --- the corpus as it is handed around ---

#[test]
fn a_copy_nested_in_the_corpus_is_used_once_and_the_outer_one_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let nested = folder.path().join("TESS Toronto emotional speech set data");
    for place in [folder.path(), nested.as_path()] {
        plain_corpus(place, &["OAF_Fear", "YAF_sad"], 3);
        // A name that disagrees with its folder is noted once, not once for each copy.
        fs::rename(place.join("OAF_Fear/000.wav"), place.join("OAF_Fear/OA_bite_fear.wav")).unwrap();
    }
    let report = ser::cache::prepare(
        &common::options(folder.path(), out.path()),
        &ser::storage::Storage::native(),
        &ser::progress::Silent,
    )
    .unwrap();
    assert_eq!((report.found, report.used, report.computed), (12, 6, 6));
    assert_eq!(report.duplicates.len(), 6);
    for duplicate in &report.duplicates {
        assert_eq!(duplicate.path, format!("TESS Toronto emotional speech set data/{}", duplicate.kept));
    }
    let notes: Vec<&str> = report.notes.iter().map(|note| note.path.as_str()).collect();
    assert_eq!(notes, ["OAF_Fear/OA_bite_fear.wav"]);
    assert_eq!(report.labels, [("fear".to_owned(), 3), ("sad".to_owned(), 3)].into());
}
