//! Where timelines go: worked out for all recordings before the first one is listened to, which takes a while.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ser_core::{Error, ErrorKind, Result};
use ser_predict::timeline::Format;
use ser_predict::{Input, Inputs, name_of};

/// In the name of a file to save, what stands for the name of the recording.
const RECORDING: &str = "{}";

/// What is to be listened to.
pub(crate) struct Plan {
    /// Recordings in their order, and what is wrong with folders and lists among them.
    pub(crate) recordings: Vec<Result<Planned>>,
    /// Recordings that are left out, because all of their files are there.
    pub(crate) done: u64,
}

/// A recording, and the files that its timeline is to be written to.
pub(crate) struct Planned {
    pub(crate) input: Input,
    pub(crate) places: Vec<(PathBuf, Format)>,
}

impl Plan {
    /// The recordings behind `inputs` with the files that `patterns` make for them. With `resume`, files that are there are
    /// those of a run that was stopped, and are not written again.
    ///
    /// # Errors
    /// When a file would be that of two recordings, is there and `resume` is not set, or has no folder to be in.
    pub(crate) fn new(patterns: &[(&Path, Format)], inputs: Inputs, resume: bool) -> Result<Self> {
        let mut plan = Self { recordings: Vec::new(), done: 0 };
        let mut taken = BTreeMap::new();
        for input in inputs {
            match input {
                Err(error) => plan.recordings.push(Err(error)),
                Ok(input) => {
                    let places = places(patterns, &input, resume, &mut taken)?;
                    match places.is_empty() && !patterns.is_empty() {
                        true => plan.done += 1,
                        false => plan.recordings.push(Ok(Planned { input, places })),
                    }
                }
            }
        }
        Ok(plan)
    }
}

/// The files that are yet to be written for `input`; `taken` says which recording each file is for.
fn places(
    patterns: &[(&Path, Format)],
    input: &Input,
    resume: bool,
    taken: &mut BTreeMap<PathBuf, String>,
) -> Result<Vec<(PathBuf, Format)>> {
    let mut places = Vec::new();
    for (pattern, format) in patterns {
        let path = file_for(pattern, input);
        if let Some(other) = taken.insert(path.clone(), input.to_string()) {
            let what = format!("would be written for {other} and for {input}");
            return Err(Error::new(ErrorKind::Usage, what).at(path).help(
                "put {} into its name, for the name of the recording, and name recordings differently",
            ));
        }
        if resume && path.is_file() {
            continue;
        }
        refuse_taken(&path)?;
        refuse_without_folder(&path)?;
        places.push((path, *format));
    }
    Ok(places)
}

/// # Errors
/// When something is there, be it a link that leads nowhere.
pub(crate) fn refuse_taken(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => {
            let error = Error::new(ErrorKind::Usage, "is there already").at(path);
            Err(error.help("go on with a run that was stopped by --resume, or name another file"))
        }
    }
}

fn refuse_without_folder(path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        None => Ok(()),
        Some(folder) => {
            let what = format!("cannot be written: there is no folder {}", folder.display());
            Err(Error::new(ErrorKind::Usage, what).at(path).help("make the folder, or name another file"))
        }
    }
}

/// Where the timeline of `input` goes that is saved by `pattern`.
fn file_for(pattern: &Path, input: &Input) -> PathBuf {
    let Some(text) = pattern.to_str().filter(|text| text.contains(RECORDING)) else {
        return pattern.to_owned();
    };
    let stem = match input {
        Input::File(path) => name_of(Path::new(path.file_stem().unwrap_or(path.as_os_str()))),
        Input::Stdin => "stdin".to_owned(),
    };
    PathBuf::from(text.replace(RECORDING, &stem))
}
