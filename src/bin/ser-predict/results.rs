//! The answers as they are printed and kept.

use std::fs::File;
use std::path::{Path, PathBuf};

use ser_audio::Limits;
use ser_core::text::printable;
use ser_core::{Error, ErrorKind, Result};
use ser_predict::{About, Answer, HeardIn, Inputs, Outcome};

use crate::csv_lock::lock;
use crate::csv_rows::{head, row};
use crate::json_line::json_line;
use crate::resume::{self, Expected, Resumed};
use crate::words;

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
                (out_of_domain, words::UNLIKE_TRAINING.to_owned()),
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
    let mut notes = Vec::from_iter(words::unsure(answer.set.as_deref(), &about.labels));
    if answer.out_of_domain == Some(true) {
        notes.push(words::unlike_training(answer.share_as_unusual.unwrap_or_default()));
    }
    notes.extend(answer.heard_in.map(|side| format!("heard in {side}")));
    if answer.frames_cut > 0 {
        notes.push(format!("{:.2} s of it heard", about.longest_s));
    }
    let notes = if notes.is_empty() { String::new() } else { format!("  {}", notes.join("; ")) };
    let said = words::label_with_probability(&about.labels, answer.predicted, &answer.probabilities);
    format!("{said}  {}{}\n", printable(name), printable(&notes))
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
