//! Any file as a table of labels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;

use ser_corpus::{ColumnNames, LabelTable};
use ser_fuzz::memory;

fuzz_target!(init: ser_fuzz::start("labels"), |data: &[u8]| {
    thread_local! {
        static FOLDER: tempfile::TempDir = ser_fuzz::scratch_folder();
    }
    let path = FOLDER.with(|folder| folder.path().join("labels.csv"));
    std::fs::write(&path, data).expect("the folder can be written to");
    memory::bounded(256 * data.len() + (8 << 20), || {
        if let Ok(table) = LabelTable::read(&path, &ColumnNames::default(), Path::new("corpus")) {
            let _ = table.annotations("a/b.wav");
            let _ = table.rows_without(["a/b.wav", "b.wav"]);
        }
    });
});
