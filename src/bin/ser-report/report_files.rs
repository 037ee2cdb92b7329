//! Options of `ser-report` for what can be shown to others: a page, figures, a model card.

use std::path::PathBuf;

use clap::Args;
use ser::choice;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::{Corpora, CorpusFolder};
use ser_eval::render::html::{self, Audio, PageOptions};
use ser_eval::render::svg::figures;
use ser_eval::render::{model_card, write_figures};
use ser_eval::{Evaluation, Prediction, RunRecord};

/// Files to write besides what is printed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Files to show")]
pub(crate) struct ReportFiles {
    /// Write the whole report as one HTML page that needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the confusion matrix, curves and reliability diagram into this folder, as SVG and PNG
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    /// Write a model card in Markdown
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Players for the mistakes in the page
    #[arg(long, value_parser = choice::<Audio>(), default_value_t)]
    audio: Audio,
    /// Folder of the recordings, for --audio, as given to ser-prep: once for each corpus, FOLDER or NAME=FOLDER
    /// [default: where ser-prep found them]
    #[arg(long, value_name = "FOLDER")]
    recordings: Vec<CorpusFolder>,
}

impl ReportFiles {
    /// Whether any file is asked for.
    pub(crate) fn wanted(&self) -> bool {
        self.html.is_some() || self.figures.is_some() || self.card.is_some()
    }

    /// Writes what is asked for, each file whole or not at all. `run` is the run behind the evaluation; none where it is on a
    /// corpus that is no part of a run.
    ///
    /// # Errors
    /// When a file cannot be written, the folders of recordings cannot be combined, or the predictions are not those of the
    /// evaluation; when a model card is asked for and there is no run, since the card describes the run.
    pub(crate) fn write(
        &self,
        evaluation: &Evaluation,
        predictions: &[Prediction],
        mut run: Option<RunRecord>,
    ) -> Result<()> {
        let storage = Storage::native();
        if let (Some(path), None) = (&self.card, &run) {
            let what = "is about the split of the training, not about another corpus";
            return Err(Error::new(ErrorKind::Usage, what).at(path).help("leave --card out"));
        }
        if let Some(run) = run.as_mut().filter(|_| !self.recordings.is_empty()) {
            run.corpora = Some(Corpora::new(&self.recordings)?);
        }
        if let Some(path) = &self.html {
            let options = PageOptions { audio: self.audio, path };
            let page = html::page(evaluation, predictions, run.as_ref(), &options)?;
            storage.replace_file(path, &[page.as_bytes()])?;
        }
        if let Some(folder) = &self.figures {
            write_figures(folder, &figures(evaluation, run.as_ref()), &storage)?;
        }
        if let (Some(path), Some(run)) = (&self.card, &run) {
            storage.replace_file(path, &[model_card(evaluation, run).as_bytes()])?;
        }
        Ok(())
    }
}
