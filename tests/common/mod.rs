//! What several tests need: small recordings, commands, folders as maps, a Python.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use ser_prepare::PrepareOptions;

/// A mono WAV file with `data` as it is, `bits` a sample, of format 1 (integer) or 3 (float).
pub(crate) fn wav_of(format: u16, bits: u16, sample_rate: u32, data: &[u8]) -> Vec<u8> {
    let width = bits / 8;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0");
    file.extend(format.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(sample_rate.to_le_bytes());
    file.extend((sample_rate * u32::from(width)).to_le_bytes());
    file.extend(width.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// A mono 16-bit WAV file.
pub(crate) fn wav(sample_rate: u32, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    wav_of(1, 16, sample_rate, &data)
}

/// `count` samples of noise; another `seed` gives another sound.
pub(crate) fn noise(seed: u32, count: usize) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) ^ 0x2545_f491;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as i16 / 2
    };
    (0..count).map(|_| next()).collect()
}

/// Writes the bytes to `folder/path`, making the folders between.
pub(crate) fn put(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A folder for each class, with `files` recordings of a tenth of a second, each another sound.
pub(crate) fn plain_corpus(folder: &Path, classes: &[&str], files: usize) {
    for (number, class) in classes.iter().enumerate() {
        for file in 0..files {
            let samples = noise((number * 1000 + file + 1) as u32, 1600);
            put(folder, &format!("{class}/{file:03}.wav"), &wav(16_000, &samples));
        }
    }
}

/// A synthetic corpus of two speakers, seven emotions and `words` words at 16 kHz.
pub(crate) fn speech(folder: &Path, words: usize) -> ser_synth::Summary {
    let options = ser_synth::SynthOptions { words, sample_rate: 16_000, ..Default::default() };
    ser_synth::SynthCorpus::new(options).unwrap().write(folder).unwrap()
}

/// Options as the command has them by default.
pub(crate) fn options(data: &Path, out: &Path) -> PrepareOptions {
    PrepareOptions::new(data, out)
}

/// Every file below `folder` with its bytes, by path relative to it; links are not followed.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Runs ser-prep and makes sure that it did not panic.
pub(crate) fn ser_prep<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_ser-prep")).args(arguments).output().unwrap();
    let ran = Ran::of(&output);
    assert!(!ran.stderr.contains("panicked") && ran.code.is_some_and(|code| code <= 3), "{ran:?}");
    ran
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Checks its exit code.
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}
