//! Options of `ser-report` for a labelled corpus that the checkpoint was not made for.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use ser::{Bar, Ending};
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_core::{Error, Result};
use ser_corpus::{ColumnNames, CorpusFolder, LabelSource, MapSource};
use ser_encoder::EncoderExtractors;
use ser_eval::{Evaluation, Prediction};
use ser_prepare::{Extractors, PrepareOptions, prepare_by};
use ser_train::assess::AssessOptions;
use ser_train::trained::read;
use ser_train::unseen::{assess_unseen, check_place};
use tempfile::TempDir;

/// Another corpus than that of the training.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Another corpus")]
pub(crate) struct UnseenCorpus {
    /// Folder of another corpus to evaluate the checkpoint on, over the labels that both have; recordings that it has heard
    /// are left out. It is prepared as the checkpoint's was, into --cache if given, else into a temporary folder
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["runs", "require", "other_corpus"])]
    data: Vec<CorpusFolder>,
    /// Where its labels come from, as for ser-prep
    #[arg(long, value_name = "SOURCE", default_value = "auto", requires = "data")]
    labels: Vec<LabelSource>,
    /// What columns of its table of labels mean, as for ser-prep
    #[arg(long, value_name = "COLUMN=NAME,...", default_value_t = ColumnNames::default(), hide_default_value = true,
        requires = "data")]
    columns: ColumnNames,
    /// Other names for its labels, as for ser-prep: common, calm-is-neutral, four, or a TOML file
    #[arg(long, value_name = "MAP", requires = "data")]
    map: Option<MapSource>,
    /// Leave out this class, as it is called after --map; may be given more than once
    #[arg(long, value_name = "LABEL", requires = "data")]
    exclude: Vec<String>,
    /// Evaluate on all of --cache, which was prepared from another corpus
    #[arg(long, requires = "cache", conflicts_with_all = ["data", "runs", "require", "other_corpus"])]
    unseen: bool,
}

/// How the corpus is prepared, and the encoder that computes it, if one does.
type Preparation = (PrepareOptions, Option<Arc<EncoderExtractors>>);

impl UnseenCorpus {
    pub(crate) fn wanted(&self) -> bool {
        self.unseen || !self.data.is_empty()
    }

    /// Prepares the corpus, if it is not in a cache already, and evaluates on it. What cannot be used is named on stderr.
    ///
    /// # Errors
    /// When it cannot be prepared, and those of [`assess_unseen`].
    pub(crate) fn assess(
        &self,
        options: &AssessOptions,
        quiet: bool,
        bar: &Bar,
    ) -> Result<(Evaluation, Vec<Prediction>, Ending)> {
        let mut options = options.clone();
        let mut ending = Ending::Done;
        // Removed when it goes out of scope.
        let mut temporary = None;
        if !self.data.is_empty() {
            let out = match &options.cache {
                Some(cache) => {
                    check_place(&options.checkpoint, cache)?;
                    cache.clone()
                }
                None => temporary.insert(temporary_folder()?).path().join("cache"),
            };
            ending = self.prepare(&options, &out, bar)?;
            options.cache = Some(out);
        }
        let assessed = match quiet {
            true => assess_unseen(&options, &Silent),
            false => assess_unseen(&options, bar),
        };
        let corpus = match (&self.data[..], options.cache) {
            ([only], _) => only.folder.clone(),
            (_, cache) => cache.unwrap_or_default(),
        };
        let (mut evaluation, predictions) = assessed.map_err(|error| error.at(&corpus))?;
        if temporary.is_some() && self.data.len() == 1 {
            evaluation.provenance.cache = corpus.display().to_string();
        }
        Ok((evaluation, predictions, ending))
    }

    /// Prepares the corpus into the folder `out`, and says on stderr what of it cannot be used.
    fn prepare(&self, options: &AssessOptions, out: &Path, bar: &Bar) -> Result<Ending> {
        let (preparation, encoder) = self.preparation(options, out)?;
        let extractors = encoder.as_deref().map(|extractors| extractors as &dyn Extractors);
        let report = prepare_by(&preparation, extractors, &Storage::native(), bar)?;
        for remark in report.failed.iter().chain(&report.doubts) {
            ser::say(&format!("ser-report: {}: {}", remark.path, remark.text));
        }
        Ok(if report.needs_attention() { Ending::SomeUnusable } else { Ending::Done })
    }

    fn preparation(&self, options: &AssessOptions, out: &Path) -> Result<Preparation> {
        let (checkpoint, origin) = read(&options.checkpoint)?;
        let features = origin.feature_config().map_err(|error| error.at(&options.checkpoint))?;
        let extractors = options
            .encoders
            .extractors(&checkpoint, &features, origin.encoder.as_deref())
            .map_err(|error| error.at(&options.checkpoint))?;
        let preparation = PrepareOptions {
            data: self.data.clone(),
            features,
            labels: self.labels.clone(),
            columns: self.columns.clone(),
            map: self.map.clone(),
            exclude: self.exclude.clone(),
            arguments: std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect(),
            ..PrepareOptions::new(".", out)
        };
        Ok((preparation, extractors))
    }
}

fn temporary_folder() -> Result<TempDir> {
    tempfile::tempdir().map_err(|error| {
        Error::io("cannot be made", std::env::temp_dir(), error).help("say where to prepare it with --cache")
    })
}
