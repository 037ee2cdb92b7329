//! Which runs lie below a folder, and which of them are finished.

use std::path::{Path, PathBuf};

use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result};
use ser_model::{FitConfig, epochs};
use walkdir::WalkDir;

/// A run below the folder.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRun {
    /// Its folder.
    pub folder: PathBuf,
    /// What its `config.toml` says; none where there is no such file.
    pub config: Option<FitConfig>,
}

impl FoundRun {
    /// Its best checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.folder.join("best.pt")
    }
}

/// Finds every run below `root`, in the order of their paths: folders with a `best.pt`, or with a recipe for one. A run
/// that is not finished, or whose recipe cannot be read, comes as the error that says so.
///
/// A run is finished when `metrics.jsonl` has a line for each epoch of `config.toml`, or its `patience` has ended it. Where
/// these files were not copied along, `best.pt` alone will do.
///
/// # Errors
/// When `root` is not a folder.
pub fn find_runs(root: &Path) -> Result<Vec<Result<FoundRun>>> {
    if !root.is_dir() {
        return Err(Error::new(ErrorKind::Missing, "is not a folder")
            .at(root)
            .help("name a folder that holds runs"));
    }
    let mut found = Vec::new();
    let mut entries = WalkDir::new(root).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {
                found.extend(run_in(entry.path()).transpose());
                // The members of an ensemble are runs, but not of this table.
                let config = FitConfig::read(&entry.path().join("config.toml"));
                if config.is_ok_and(|config| config.members > 1) {
                    entries.skip_current_dir();
                }
            }
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                found.push(Err(Error::io("cannot be listed", path, error.into())));
            }
        }
    }
    Ok(found)
}

fn run_in(folder: &Path) -> Result<Option<FoundRun>> {
    let there = |name: &str| folder.join(name).is_file();
    let (best, config) = (there("best.pt"), there("config.toml"));
    if !best && !config {
        return Ok(None);
    }
    let recipe = config.then(|| FitConfig::read(&folder.join("config.toml"))).transpose();
    let run = match recipe {
        Ok(config) => FoundRun { folder: folder.to_owned(), config },
        // A file of that name without a checkpoint beside it is not ours.
        Err(_) if !best && !there("last.pt") => return Ok(None),
        Err(error) => return Err(error),
    };
    if !best {
        return Err(unfinished(folder, "has no best.pt yet".to_owned()));
    }
    if let Some(config) = &run.config {
        let members = (1..=config.members).map(|number| folder.join(format!("member-{number}")));
        let trained = std::iter::once(folder.to_owned()).chain(members.filter(|_| config.members > 1));
        for part in trained {
            if let Some(what) = remaining(&part, config)? {
                let what = if part == folder { what } else { format!("{what}, in {}", shown(&part)) };
                return Err(unfinished(folder, what));
            }
        }
    }
    Ok(Some(run))
}

/// The last part of a path.
fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is left to do, if there is something. Of a run without a list of its epochs nobody knows.
fn remaining(folder: &Path, config: &FitConfig) -> Result<Option<String>> {
    let Some(epochs) = epochs::read(folder)? else { return Ok(None) };
    let until_best = epochs.iter().rposition(|epoch| epoch.best).map_or(0, |index| index + 1);
    let since_best = epochs.len() - until_best;
    let out_of_patience = config.patience > 0 && since_best >= config.patience as usize;
    let (done, all, unit) = match config.steps {
        0 => (epochs.len() as u64, config.epochs, "epochs"),
        all => (epochs.last().map_or(0, |last| last.steps), all, "steps"),
    };
    Ok((done < u64::from(all) && !out_of_patience)
        .then(|| format!("is unfinished after {done} of {all} {unit}")))
}

fn unfinished(folder: &Path, what: String) -> Error {
    Error::new(ErrorKind::Unusable, what).at(folder).help(Action::Finish(folder.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(root: &Path, name: &str, files: &[(&str, &str)]) {
        std::fs::create_dir_all(root.join(name)).unwrap();
        for (file, content) in files {
            std::fs::write(root.join(name).join(file), content).unwrap();
        }
    }

    #[test]
    fn finished_runs_are_found_in_order_and_others_come_with_their_reason() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let epoch = |(number, best): (usize, &bool)| {
            let steps = 4 * number;
            format!("{{\"epoch\":{number},\"steps\":{steps},\"best\":{best}}}\n")
        };
        let epochs = |best: &[bool]| (1..).zip(best).map(epoch).collect::<String>();
        run(root, "random/seed-1", &[("best.pt", "")]);
        run(
            root,
            "random/seed-0",
            &[("best.pt", ""), ("config.toml", "epochs = 2"), ("metrics.jsonl", &epochs(&[true, false]))],
        );
        run(
            root,
            "cut",
            &[("best.pt", ""), ("config.toml", "epochs = 3"), ("metrics.jsonl", &epochs(&[true; 2]))],
        );
        run(
            root,
            "early",
            &[("best.pt", ""), ("config.toml", "patience = 1"), ("metrics.jsonl", &epochs(&[true, false]))],
        );
        run(
            root,
            "by-steps/done",
            &[("best.pt", ""), ("config.toml", "steps = 7"), ("metrics.jsonl", &epochs(&[true; 2]))],
        );
        run(
            root,
            "by-steps/half",
            &[("best.pt", ""), ("config.toml", "steps = 7"), ("metrics.jsonl", &epochs(&[true]))],
        );
        run(root, "begun", &[("config.toml", "epochs = 3")]);
        // An ensemble that goes on for longer still has its joined checkpoint.
        run(root, "ensemble", &[("best.pt", ""), ("config.toml", "epochs = 3\nmembers = 2")]);
        run(root, "ensemble/member-1", &[("metrics.jsonl", &epochs(&[true; 3]))]);
        run(root, "ensemble/member-2", &[("metrics.jsonl", &epochs(&[true; 2]))]);
        run(root, "odd", &[("best.pt", ""), ("config.toml", "epochs = \"many\"")]);
        run(root, "torn", &[("best.pt", ""), ("config.toml", ""), ("metrics.jsonl", "{\"ep")]);
        run(root, "another-program", &[("config.toml", "title = \"website\"")]);
        let found = find_runs(root).unwrap();
        let said: Vec<String> = (found.iter())
            .map(|run| match run {
                Ok(run) => run.folder.strip_prefix(root).unwrap().display().to_string(),
                Err(error) => error.to_string().replace(&format!("{}/", root.display()), ""),
            })
            .collect();
        assert_eq!(
            said[..7],
            [
                "begun: has no best.pt yet; finish the run in begun",
                "by-steps/done",
                "by-steps/half: is unfinished after 4 of 7 steps; finish the run in by-steps/half",
                "cut: is unfinished after 2 of 3 epochs; finish the run in cut",
                "early",
                "ensemble: is unfinished after 2 of 3 epochs, in member-2; finish the run in ensemble",
                said[6].as_str(),
            ]
        );
        assert!(said[6].starts_with("odd/config.toml: is not a recipe"), "{}", said[6]);
        assert_eq!(said[7..9], ["random/seed-0", "random/seed-1"]);
        assert!(said[9].starts_with("torn/metrics.jsonl: is not a list of epochs"), "{}", said[9]);
        assert_eq!(said.len(), 10);
        assert_eq!(find_runs(&root.join("nowhere")).unwrap_err().kind(), ErrorKind::Missing);
    }
}
