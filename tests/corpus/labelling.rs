//! What a folder of recordings is taken to hold: which files, under which labels.

use std::fs;
use std::path::{Path, PathBuf};

use ser_core::{Error, ErrorKind};
use ser_corpus::conventions::{CONVENTIONS, CorpusConvention, Filename, Folder, named, recognise};
use ser_corpus::{Annotation, Annotator, ColumnNames, LabelSource, scan};

use crate::common::{plain_corpus, put};

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
            ser_audio::read_file(&files[1].location(folder.path()), &Default::default(), &mut Vec::new())
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
        assert!(scan.unusable[0].1.reason().contains("cannot be accessed"), "{}", scan.unusable[0].1);
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

fn table(text: &str) -> (tempfile::TempDir, ser_core::Result<Annotator>) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "labels.csv", text.as_bytes());
    let annotator = labelled_by(folder.path().join("labels.csv"));
    (folder, annotator)
}

fn labelled_by(table: PathBuf) -> ser_core::Result<Annotator> {
    Annotator::new(&LabelSource::Table(table), &ColumnNames::default(), Path::new("."), [])
}

fn annotator_of(paths: &[String]) -> ser_core::Result<Annotator> {
    let paths = paths.iter().map(String::as_str);
    Annotator::new(&LabelSource::Auto, &ColumnNames::default(), Path::new("nowhere"), paths)
}

/// What is said of a recording that is one utterance.
fn only(annotator: &Annotator, path: &str) -> ser_core::Result<Annotation> {
    annotator.annotations(path).map(|mut annotations| annotations.remove(0))
}

fn refusal(text: &str) -> Error {
    table(text).1.unwrap_err()
}

#[test]
fn labels_come_from_folders_from_file_names_or_from_a_table() {
    let path = "OAF_Sad/OAF_bite_happy.wav";
    for convention in CONVENTIONS {
        assert_eq!(convention.name().parse(), Ok(LabelSource::Convention(convention)));
    }
    assert_eq!("auto".parse(), Ok(LabelSource::Auto));
    assert_eq!("TESS".parse(), Ok(LabelSource::Table("TESS".into())));
    let folder = Folder.annotate(path).unwrap();
    assert_eq!((folder.label.as_str(), folder.notes.len()), ("sad", 1));
    let filename = Filename.annotate(path).unwrap();
    assert_eq!((filename.label.as_str(), filename.notes.len()), ("happy", 1));
    let (_folder, annotator) = table(&format!("path,label\n{path},bored\n"));
    let row = only(&annotator.unwrap(), path).unwrap();
    assert_eq!((row.label.as_str(), row.speaker, row.word, row.notes.len()), ("bored", None, None, 0));
}

#[test]
fn a_table_may_order_its_columns_and_hold_others() {
    let (_folder, annotator) =
        table("speaker, age, label ,path,word\ns-1,40,calm,./x\\1.wav,Dog\n,,calm,2.wav,\n");
    let annotator = annotator.unwrap();
    let first = only(&annotator, "x/1.wav").unwrap();
    assert_eq!(
        (first.label.as_str(), first.speaker.as_deref(), first.word.as_deref()),
        ("calm", Some("s-1"), Some("dog"))
    );
    let second = only(&annotator, "2.wav").unwrap();
    assert_eq!((second.speaker, second.word), (None, None));
}

#[test]
fn a_table_saved_by_a_spreadsheet_is_read() {
    let (_folder, annotator) = table("\u{feff}path,label\r\n\"a, b/1.wav\",\"very \"\"calm\"\"\"\r\n");
    assert_eq!(only(&annotator.unwrap(), "a, b/1.wav").unwrap().label, "very \"calm\"");
}

#[test]
fn a_table_without_a_column_says_which_and_what_it_has() {
    for (text, lacking) in
        [("path,mood\na,b\n", "label"), ("recording,label\n", "path"), ("path|label\na|b\n", "path")]
    {
        let error = refusal(text);
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains(&format!("no column for the {lacking}, only ")), "{error}");
        assert!(error.path().is_some_and(|path| path.ends_with("labels.csv")), "{error}");
    }
}

#[test]
fn a_row_that_is_wrong_is_named() {
    for (text, says) in [
        ("path,label\na.wav,x\nb.wav,\n", "line 3: lacks its path or its label"),
        ("path,label\n,x\n", "line 2: lacks its path or its label"),
        ("path,label\na.wav\n", "1 columns in line 2"),
        ("path,label\na.wav,x\n./a.wav,y\n", "names a.wav twice"),
    ] {
        let error = refusal(text);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_speaker_that_cannot_name_a_folder_is_refused() {
    let long = "x".repeat(65);
    for speaker in ["a/b", "..", ".hidden", "a:b", "a\\b", "a\u{202e}b", "../../x", "x.", long.as_str()] {
        let error = refusal(&format!("path,label,speaker\na.wav,x,{speaker}\n"));
        assert!(error.to_string().contains("cannot be a speaker's ID"), "{speaker}: {error}");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
    let widest = "x".repeat(64);
    for speaker in ["1", "s_01", "S-1.b", "-", "a b", "Åsa", widest.as_str()] {
        assert!(table(&format!("path,label,speaker\na.wav,x,{speaker}\n")).1.is_ok(), "{speaker}");
    }
}

#[test]
fn a_file_without_a_row_is_named_with_the_table() {
    let (_folder, annotator) = table("path,label\na.wav,x\n");
    let error = only(&annotator.unwrap(), "b.wav").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().starts_with("b.wav: is not in the table"), "{error}");
    assert!(error.to_string().contains("labels.csv"), "{error}");
}

#[test]
fn a_table_that_is_not_there_or_no_text_is_refused() {
    let missing = labelled_by("flder".into()).unwrap_err();
    assert!(missing.to_string().contains("flder: cannot be read as a table of labels"), "{missing}");
    assert!(
        missing
            .to_string()
            .contains("labels = auto, tess, ravdess, crema-d, emo-db, savee, folder, filename, audformat, huggingface, kaldi"),
        "{missing}"
    );
    let folder = tempfile::tempdir().unwrap();
    assert!(labelled_by(folder.path().to_owned()).is_err());
    put(folder.path(), "x.csv", b"path,label\n\xff\xfe,x\n");
    assert!(labelled_by(folder.path().join("x.csv")).is_err());
}

#[test]
fn a_table_may_name_sessions_and_what_copies_were_made_from() {
    let (_folder, annotator) = table(
        "path,label,speaker,word,session,parent\na/1.wav,calm,s1,Dog,monday,\na/1-noisy.wav,calm,,,,.\\a\\1.wav\n",
    );
    let annotator = annotator.unwrap();
    let original = only(&annotator, "a/1.wav").unwrap();
    assert_eq!((original.session.as_deref(), original.parent.as_deref()), (Some("monday"), None));
    let copy = only(&annotator, "a/1-noisy.wav").unwrap();
    assert_eq!(copy.parent.as_deref(), Some("a/1.wav"));
    // What the copy's row leaves out is its parent's.
    assert_eq!(copy, Annotation { parent: copy.parent.clone(), ..original });
}

#[test]
fn a_copy_of_nothing_of_a_copy_or_of_another_label_is_refused_with_both_names() {
    for (rows, says) in [
        ("a.wav,x,b.wav", "a.wav is a copy of b.wav, which has no row"),
        ("a.wav,x,a.wav", "a.wav is a copy of a.wav, which is a copy itself"),
        ("a.wav,x,\nb.wav,x,a.wav\nc.wav,x,b.wav", "c.wav is a copy of b.wav, which is a copy itself"),
        ("a.wav,x,\nb.wav,y,a.wav", "b.wav is labelled \"y\", but the recording it copies, a.wav, \"x\""),
        ("a.wav,x,../a.wav", "line 2"),
    ] {
        let error = refusal(&format!("path,label,parent\n{rows}\n"));
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_row_that_names_no_recording_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    plain_corpus(folder.path(), &["calm", "loud"], 3);
    let mut rows = "path,label\nloud/gone.wav,loud\n".to_owned();
    for class in ["calm", "loud"] {
        (0..3).for_each(|file| rows += &format!("{class}/{file:03}.wav,{class}\n"));
    }
    put(folder.path(), "labels.csv", rows.as_bytes());
    let mut options = crate::common::options(folder.path(), out.path());
    options.labels = vec![LabelSource::Table(folder.path().join("labels.csv"))];
    for dry_run in [true, false] {
        options.dry_run = dry_run;
        let report = prepare(&options);
        assert_eq!((report.used, report.failed.len(), report.notes.len()), (6, 0, 2));
        assert!(
            report.notes[0].text.contains("6 of the 7 recordings it names are there"),
            "{:?}",
            report.notes
        );
        assert_eq!(report.notes[1].path, "loud/gone.wav");
        assert!(report.notes[1].text.contains("there is no such file"), "{:?}", report.notes);
    }
}

// --- the conventions of corpora ---

/// Label, speaker and word of a name, and how many notes there are.
fn annotated(convention: &str, path: &str) -> (String, String, String, usize) {
    let annotation = named(convention).unwrap().annotate(path).unwrap();
    let known = |name: Option<String>| name.unwrap_or_else(|| "?".to_owned());
    assert_eq!((&annotation.session, &annotation.parent, &annotation.corpus), (&None, &None, &None));
    (annotation.label, known(annotation.speaker), known(annotation.word), annotation.notes.len())
}

#[test]
fn names_of_ravdess_are_read_by_their_codes() {
    let kids = "kids are talking by the door";
    for (code, label) in [
        ("01", "neutral"),
        ("02", "calm"),
        ("03", "happy"),
        ("04", "sad"),
        ("05", "angry"),
        ("06", "fear"),
        ("07", "disgust"),
        ("08", "surprise"),
    ] {
        let path = format!("Actor_12/03-01-{code}-01-01-02-12.wav");
        assert_eq!(annotated("ravdess", &path), (label.to_owned(), "12".to_owned(), kids.to_owned(), 0));
    }
    let dogs = annotated("ravdess", "03-01-05-02-02-01-24.wav");
    assert_eq!(dogs, ("angry".into(), "24".into(), "dogs are sitting by the door".into(), 0));
    // Sung; the sound of a video; strong neutral; another actor's folder.
    for path in [
        "03-02-05-02-02-01-24.wav",
        "01-01-05-02-02-01-24.mp4",
        "03-01-01-02-02-01-24.wav",
        "Actor_01/03-01-05-02-02-01-24.wav",
    ] {
        assert_eq!(annotated("ravdess", path).3, 1, "{path}");
    }
}

#[test]
fn names_of_crema_d_are_read_by_their_codes() {
    let jacket = "don't forget a jacket";
    for (code, label) in [
        ("ANG", "angry"),
        ("DIS", "disgust"),
        ("FEA", "fear"),
        ("HAP", "happy"),
        ("NEU", "neutral"),
        ("SAD", "sad"),
    ] {
        let path = format!("AudioWAV/1001_DFA_{code}_XX.wav");
        assert_eq!(annotated("crema-d", &path), (label.into(), "1001".into(), jacket.into(), 0));
    }
    let first = annotated("crema-d", "1091_IEO_SAD_HI.wav");
    assert_eq!(first, ("sad".into(), "1091".into(), "it's eleven o'clock".into(), 0));
    assert_eq!(annotated("crema-d", "1040_ITH_SAD_X.wav").1, "1040");
}

#[test]
fn names_of_emo_db_are_read_by_their_codes() {
    let cloth = "der lappen liegt auf dem eisschrank";
    for (code, label) in [
        ("W", "angry"),
        ("L", "boredom"),
        ("E", "disgust"),
        ("A", "fear"),
        ("F", "happy"),
        ("T", "sad"),
        ("N", "neutral"),
    ] {
        let path = format!("wav/03a01{code}a.wav");
        assert_eq!(annotated("emo-db", &path), (label.into(), "03".into(), cloth.into(), 0));
    }
    assert_eq!(annotated("emo-db", "16b10Wb.wav").1, "16");
    assert_eq!(annotated("emo-db", "08a02F.wav").0, "happy");
}

#[test]
fn names_of_savee_are_read_by_their_codes_in_both_arrangements() {
    for (code, label) in [
        ("a01", "angry"),
        ("d15", "disgust"),
        ("f03", "fear"),
        ("h03", "happy"),
        ("n30", "neutral"),
        ("sa07", "sad"),
        ("su07", "surprise"),
    ] {
        let expected = (label.to_owned(), "JK".to_owned(), "?".to_owned(), 0);
        assert_eq!(annotated("savee", &format!("AudioData/JK/{code}.wav")), expected);
        assert_eq!(annotated("savee", &format!("ALL/JK_{code}.wav")), expected);
    }
}

#[test]
fn names_of_tess_are_read_by_folder_or_by_file() {
    let fear = ("fear".to_owned(), "OAF".to_owned(), "back".to_owned(), 0);
    assert_eq!(annotated("tess", "OAF_Fear/OAF_back_fear.wav"), fear);
    assert_eq!(annotated("tess", "all/OAF_back_fear.wav"), fear);
    assert_eq!(annotated("tess", "OAF_back_fear.wav"), fear);
    // Its folder says enough to use it, and it is noted.
    assert_eq!(annotated("tess", "OAF_Fear/take 2.wav"), ("fear".into(), "OAF".into(), "?".into(), 1));
}

#[test]
fn names_that_do_not_follow_a_convention_are_refused_with_what_is_wrong() {
    for (convention, path, says) in [
        ("ravdess", "Actor_01/03-01-09-01-01-01-01.wav", "emotion 09 is not one of 01 to 08"),
        ("ravdess", "03-01-05-01-03-01-01.wav", "statement 03"),
        ("ravdess", "03-01-05-01-01-01-25.wav", "actor 25 is not one of 01 to 24"),
        ("ravdess", "03-01-05-01-01-01-00.wav", "actor 00"),
        ("ravdess", "03-01-05-01-01-01.wav", "not seven numbers"),
        ("ravdess", "03-01-05-01-01-01-01-01.wav", "not seven numbers"),
        ("ravdess", "3-1-5-1-1-1-1.wav", "not seven numbers"),
        ("ravdess", "+3-01-05-01-01-01-01.wav", "not seven numbers"),
        ("crema-d", "1092_DFA_ANG_XX.wav", "actor \"1092\""),
        ("crema-d", "1001_XYZ_ANG_XX.wav", "sentence \"XYZ\" is not one of DFA"),
        ("crema-d", "1001_DFA_JOY_XX.wav", "emotion \"JOY\" is not one of ANG"),
        ("crema-d", "1001_DFA_ANG_99.wav", "level \"99\""),
        ("crema-d", "1001_DFA_ANG.wav", "is not <actor>"),
        ("emo-db", "04a01Fa.wav", "speaker \"04\""),
        ("emo-db", "03a03Fa.wav", "text \"a03\""),
        ("emo-db", "03a01Xa.wav", "emotion \"X\" is not one of W"),
        ("emo-db", "03a01Fab.wav", "is not <speaker>"),
        ("emo-db", "03a01.wav", "is not <speaker>"),
        ("emo-db", "äöüß.wav", "is not <speaker>"),
        ("savee", "XX/a01.wav", "speaker \"XX\" is not one of DC"),
        ("savee", "a01.wav", "speaker \"\""),
        ("savee", "DC/a16.wav", "sentence 16 is not one of 1 to 15"),
        ("savee", "DC/n31.wav", "sentence 31 is not one of 1 to 30"),
        ("savee", "DC/x01.wav", "emotion \"x\""),
        ("savee", "DC/a1.wav", "is not <emotion><number>"),
        ("savee", "DC/ä01.wav", "is not <emotion><number>"),
        ("tess", "misc/noise.wav", "neither its folder nor its name"),
    ] {
        let error = named(convention).unwrap().annotate(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.to_string().contains(convention), "{error}");
    }
    let silent = named("ravdess").unwrap().annotate("02-01-05-01-01-01-01.mp4").unwrap_err().to_string();
    assert!(silent.contains("video without sound") && !silent.contains("rename"), "{silent}");
}

#[test]
fn no_name_whatever_makes_a_convention_stumble() {
    let pieces = [
        "",
        "a",
        "03",
        "-",
        "_",
        "ä",
        "𝄞",
        ".",
        "a01",
        "DC",
        "03-01",
        "1001_DFA_ANG_XX",
        "\u{301}",
        " ",
        "W",
    ];
    let mut paths = Vec::new();
    for a in pieces {
        for b in pieces {
            paths.extend(pieces.map(|c| format!("{a}{b}/{c}{a}{b}.wav")));
            paths.push(format!("{a}{b}"));
        }
    }
    for path in &paths {
        for convention in CONVENTIONS {
            let _ = convention.annotate(path);
        }
    }
    assert_eq!(recognised(&paths), "folder");
}

// --- recognising a corpus ---

fn recognised(paths: &[String]) -> &'static str {
    recognise(paths.iter().map(String::as_str)).convention.name()
}

fn names_of(convention: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|n| match convention {
            "tess" => format!("OAF_sad/OAF_word{n}_sad.wav"),
            "ravdess" => format!("Actor_{0:02}/03-01-05-01-01-01-{0:02}.wav", n % 24 + 1),
            "crema-d" => format!("{}_DFA_ANG_XX.wav", 1001 + n % 91),
            "emo-db" => format!("wav/03a01F{}.wav", char::from(b'a' + (n % 26) as u8)),
            "savee" => format!("DC/a{:02}.wav", n % 15 + 1),
            _ => format!("calm/{n}.wav"),
        })
        .collect()
}

#[test]
fn a_corpus_is_recognised_by_nearly_all_of_its_names() {
    let strays = |count| names_of("folder", count);
    for convention in ["tess", "ravdess", "crema-d", "emo-db", "savee", "folder"] {
        assert_eq!(recognised(&names_of(convention, 100)), convention);
        assert_eq!(recognised(&[names_of(convention, 95), strays(5)].concat()), convention);
        assert_eq!(recognised(&[names_of(convention, 94), strays(6)].concat()), "folder");
    }
    assert_eq!(recognised(&[]), "folder");
}

#[test]
fn a_mixture_of_corpora_is_none_of_them_and_says_what_it_nearly_is() {
    let mixed = [names_of("ravdess", 60), names_of("crema-d", 40)].concat();
    let recognised = recognise(mixed.iter().map(String::as_str));
    assert_eq!(
        (recognised.convention.name(), recognised.almost.map(|(other, count)| (other.name(), count))),
        ("folder", Some(("ravdess", 60)))
    );
    let annotator = annotator_of(&mixed).unwrap();
    assert_eq!(annotator.to_string(), "folder, though 60 of 100 names are as in ravdess");
}

#[test]
fn class_folders_count_even_if_files_are_named_as_in_tess() {
    let path = |folder: &str, n: usize| format!("{folder}/OAF_word{n}_sad.wav");
    let in_classes: Vec<String> = (0..40).map(|n| path(["Wut", "Ruhe"][n % 2], n)).collect();
    assert_eq!(recognised(&in_classes), "folder");
    // In a single folder it can only be the names that count.
    let in_one: Vec<String> = (0..40).map(|n| path("wav", n)).collect();
    assert_eq!(recognised(&in_one), "tess");
}

#[test]
fn auto_says_the_same_of_tess_and_of_plain_folders_as_folder() {
    let oddities = ser_synth::Oddity::ALL.to_vec();
    let options = ser_synth::SynthOptions { words: 3, oddities, ..Default::default() };
    let folder = tempfile::tempdir().unwrap();
    ser_synth::SynthCorpus::new(options).unwrap().write(folder.path()).unwrap();
    let tess = paths(folder.path());
    let plain = names_of("folder", 30);
    for (paths, convention) in [(tess, "tess"), (plain, "folder")] {
        let annotator = annotator_of(&paths).unwrap();
        assert!(annotator.to_string().starts_with(convention), "{annotator}");
        for path in &paths {
            let by_folder = Folder.annotate(path).unwrap();
            assert_eq!(only(&annotator, path).unwrap(), by_folder, "{path}");
        }
    }
}

// --- the corpus as it is distributed ---

fn prepare(options: &ser_prepare::PrepareOptions) -> ser_prepare::PrepareReport {
    ser_prepare::prepare(options, &ser_core::storage::Storage::native(), &ser_core::progress::Silent).unwrap()
}

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
    let report = ser_prepare::prepare(
        &crate::common::options(folder.path(), out.path()),
        &ser_core::storage::Storage::native(),
        &ser_core::progress::Silent,
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
