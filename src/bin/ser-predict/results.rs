//! The answers as they are printed and kept.

use std::fs::File;
use std::path::{Path, PathBuf};

use ser_audio::Limits;
use ser_core::text::printable;
use ser_core::{Error, ErrorKind, Result};
use ser_predict::{About, Answer, HeardIn, Inputs, Outcome};
use serde::Serialize;

use crate::csv_lock::lock;
use crate::resume::{self, Expected, Resumed};

/// What is printed on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A line for people.
    Table,
    /// A JSON object a line.
    Json,
    /// Nothing.
    Nothing,
}

/// Prints every answer as it comes, keeps it in a CSV file if there is one, and counts.
pub(crate) struct Results<'a> {
    about: &'a About,
    shape: Shape,
    /// The coverage of prediction sets that is asked for, where there are any; else empty.
    coverage: String,
    csv: Option<Kept>,
    counts: Counts,
}

struct Kept {
    path: PathBuf,
    csv: csv::Writer<File>,
}

#[derive(Default)]
struct Counts {
    resumed: u64,
    answered: u64,
    unusable: u64,
    unsure: u64,
    out_of_domain: u64,
    in_training: u64,
    in_validation: u64,
    cut: u64,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<std::collections::BTreeMap<&'a str, f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsure: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_domain: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share_as_unusual: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heard_before: Option<bool>,
    /// `null` of a sound that the model has not met.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard_in: Option<Option<HeardIn>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames_cut: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl<'a> Results<'a> {
    pub(crate) fn new(about: &'a About, shape: Shape, coverage: f64) -> Result<Self> {
        if shape == Shape::Table {
            ser::print(&format!("{}: {}\n", printable(&about.name), about.in_words))?;
        }
        let coverage = if about.calibrated { coverage.to_string() } else { String::new() };
        Ok(Self { about, shape, coverage, csv: None, counts: Counts::default() })
    }

    /// Keeps answers in the CSV file at `path`, which must not be there yet; with `resume`, how many recordings are answered at
    /// once and within which limits, goes on with it and counts those of `inputs` that it has.
    pub(crate) fn keep_in(
        &mut self,
        path: &Path,
        resume: Option<(usize, Limits)>,
        inputs: Inputs,
    ) -> Result<()> {
        let head = head(&self.about.labels);
        let digest = self.about.digest.to_string();
        let (file, is_empty) = match resume.filter(|_| path.exists()) {
            Some((at_once, limits)) => {
                let at_once = at_once as u64;
                let (model, coverage) = (&digest, &self.coverage);
                let expected = Expected { head: &head, model, coverage, limits, at_once };
                let Resumed { file, rows, unusable, is_empty } = resume::open(path, &expected, inputs)?;
                (self.counts.resumed, self.counts.unusable) = (rows, unusable);
                (file, is_empty)
            }
            None => {
                let file = File::options().write(true).create_new(true).open(path);
                let file = file.map_err(|error| match error.kind() {
                    std::io::ErrorKind::AlreadyExists => {
                        let error = Error::new(ErrorKind::Usage, "is there already").at(path);
                        error.help("go on with it by --resume, or name another file")
                    }
                    _ => Error::io("cannot be written", path, error),
                })?;
                lock(&file, path)?;
                (file, true)
            }
        };
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        if is_empty {
            csv.write_record(&head).map_err(|error| cannot_keep(path, &error.into()))?;
        }
        self.csv = Some(Kept { path: path.to_owned(), csv });
        Ok(())
    }

    /// Recordings whose answers were there already.
    pub(crate) fn n_resumed(&self) -> u64 {
        self.counts.resumed
    }

    pub(crate) fn take(&mut self, outcome: &Outcome) -> Result<()> {
        self.count(outcome);
        if let Some(Kept { path, csv }) = &mut self.csv {
            let row = row(self.about, &self.coverage, outcome);
            csv.write_record(row).map_err(|error| cannot_keep(path, &error.into()))?;
            csv.flush().map_err(|error| cannot_keep(path, &error))?;
        }
        match (&outcome.answer, self.shape) {
            (Err(error), Shape::Table | Shape::Nothing) => {
                complain(error, &outcome.name);
                Ok(())
            }
            (Ok(answer), Shape::Table) => ser::print(&line(self.about, &outcome.name, answer)),
            (_, Shape::Json) => ser::print(&json_line(self.about, outcome)?),
            (Ok(_), Shape::Nothing) => Ok(()),
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        let Ok(answer) = &outcome.answer else {
            self.counts.unusable += 1;
            return;
        };
        self.counts.answered += 1;
        self.counts.unsure += u64::from(answer.is_unsure());
        self.counts.out_of_domain += u64::from(answer.out_of_domain == Some(true));
        self.counts.in_training += u64::from(answer.heard_in == Some(HeardIn::Training));
        self.counts.in_validation += u64::from(answer.heard_in == Some(HeardIn::Validation));
        self.counts.cut += u64::from(answer.frames_cut > 0);
    }

    /// Says what came of all, and returns how many recordings could not be used.
    pub(crate) fn finish(mut self) -> Result<u64> {
        if let Some(Kept { path, csv }) = &mut self.csv {
            csv.flush().map_err(|error| cannot_keep(path, &error))?;
            csv.get_ref().sync_all().map_err(|error| cannot_keep(path, &error))?;
        }
        let Counts { resumed, answered, unusable, unsure, out_of_domain, in_training, in_validation, cut } =
            self.counts;
        if self.shape == Shape::Table && answered + unusable + resumed > 1 {
            let longest = self.about.longest_s;
            let parts = [
                (resumed, "were there already".to_owned()),
                (unusable, "could not be used".to_owned()),
                (unsure, "unsure".to_owned()),
                (out_of_domain, "unlike what the model was trained on".to_owned()),
                (in_training, "heard in training".to_owned()),
                (in_validation, "heard in validation".to_owned()),
                (cut, format!("too long, of which the model heard {longest:.2} s")),
            ];
            let parts = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("; {n} {what}"));
            ser::print(&format!("{answered} answered{}\n", parts.collect::<String>()))?;
        }
        Ok(unusable)
    }
}

/// `happy      0.87  clip.wav  unsure: happy, surprise`.
fn line(about: &About, name: &str, answer: &Answer) -> String {
    let width = about.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let label = &about.labels[answer.predicted];
    let mut notes = Vec::new();
    if answer.is_unsure() {
        let set: Vec<&str> = answer.set.iter().flatten().map(|class| about.labels[*class].as_str()).collect();
        notes.push(format!("unsure: {}", set.join(", ")));
    }
    if answer.out_of_domain == Some(true) {
        let share = answer.share_as_unusual.unwrap_or_default();
        notes.push(format!("unlike what the model was trained on ({share:.3})"));
    }
    if let Some(side) = answer.heard_in {
        notes.push(format!("heard in {side}"));
    }
    if answer.frames_cut > 0 {
        notes.push(format!("{:.2} s of it heard", about.longest_s));
    }
    let notes = if notes.is_empty() { String::new() } else { format!("  {}", notes.join("; ")) };
    let probability = answer.probabilities[answer.predicted];
    format!("{:width$}  {probability:.2}  {}{}\n", printable(label), printable(name), printable(&notes))
}

/// What is wrong with the recording `name`, as a line of `--json`.
pub(crate) fn json_of_unusable(about: &About, name: String, error: Error) -> Result<String> {
    json_line(about, &Outcome { name, answer: Err(error) })
}

fn json_line(about: &About, outcome: &Outcome) -> Result<String> {
    let answer = outcome.answer.as_ref().ok();
    let label = |class: &usize| about.labels[*class].as_str();
    let line = Line {
        path: &outcome.name,
        model: &about.name,
        label: answer.map(|answer| label(&answer.predicted)),
        probabilities: answer.map(|answer| {
            about.labels.iter().map(String::as_str).zip(answer.probabilities.iter().copied()).collect()
        }),
        set: answer.and_then(|answer| answer.set.as_ref().map(|set| set.iter().map(label).collect())),
        unsure: answer.filter(|answer| answer.set.is_some()).map(Answer::is_unsure),
        out_of_domain: answer.and_then(|answer| answer.out_of_domain),
        share_as_unusual: answer.and_then(|answer| answer.share_as_unusual),
        heard_before: answer.map(Answer::is_heard_before),
        heard_in: answer.map(|answer| answer.heard_in),
        seconds: answer.map(|answer| answer.seconds),
        frames_cut: answer.map(|answer| answer.frames_cut),
        error: outcome.answer.as_ref().err().map(Error::reason),
    };
    let text = serde_json::to_string(&line);
    text.map(|text| text + "\n").map_err(|error| {
        Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}")).caused_by(error)
    })
}

/// The head of the CSV file.
fn head(labels: &[String]) -> Vec<String> {
    let first = [
        "path",
        "label",
        "unsure",
        "set",
        "coverage",
        "share_as_unusual",
        "heard_before",
        "heard_in",
        "seconds",
        "frames_cut",
    ];
    let probabilities = labels.iter().map(|label| format!("probability_{label}"));
    let last = ["model", "error"].map(str::to_owned);
    first.map(str::to_owned).into_iter().chain(probabilities).chain(last).collect()
}

fn row(about: &About, coverage: &str, outcome: &Outcome) -> Vec<String> {
    let model = about.digest.to_string();
    match &outcome.answer {
        Ok(answer) => {
            let label = |class: &usize| about.labels[*class].as_str();
            let set: Option<Vec<&str>> = answer.set.as_ref().map(|set| set.iter().map(label).collect());
            let fields = [
                outcome.name.clone(),
                label(&answer.predicted).to_owned(),
                answer.set.as_ref().map(|_| answer.is_unsure().to_string()).unwrap_or_default(),
                set.map(|set| set.join("|")).unwrap_or_default(),
                coverage.to_owned(),
                answer.share_as_unusual.map(|share| share.to_string()).unwrap_or_default(),
                answer.is_heard_before().to_string(),
                answer.heard_in.map(|side| side.to_string()).unwrap_or_default(),
                answer.seconds.to_string(),
                answer.frames_cut.to_string(),
            ];
            // As ser-report writes them: the shortest decimal that reads back as the same number.
            let probabilities = answer.probabilities.iter().map(|probability| format!("{probability:?}"));
            fields.into_iter().chain(probabilities).chain([model, String::new()]).collect()
        }
        Err(error) => {
            let nothing = vec![String::new(); 9 + about.labels.len()];
            let first = std::iter::once(outcome.name.clone());
            first.chain(nothing).chain([model, error.reason()]).collect()
        }
    }
}

/// Says on stderr what is wrong with the recording `name`, on one line whatever its name holds.
pub(crate) fn complain(error: &Error, name: &str) {
    let said = match error.path() {
        Some(_) => error.to_string(),
        None => format!("{name}: {error}"),
    };
    ser::say(&format!("ser-predict: {}", printable(&said)));
}

fn cannot_keep(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot be written: {error}")).at(path)
}
