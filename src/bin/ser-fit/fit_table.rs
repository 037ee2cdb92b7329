//! What `ser-fit` prints: a line for each epoch.

use std::path::Path;

use ser::print;
use ser_cache::FeatureSet;
use ser_core::Result;
use ser_distributed::Ranks;
use ser_features::{FeatureConfig, Representation};
use ser_model::{FitConfig, Precision, RunLength};
use ser_train::run::FitSummary;
use ser_train::train::{FitEvent, Material};
use tch::Device;

/// Prints a run as it progresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FitTable {
    silent: bool,
}

impl FitTable {
    /// A table that prints nothing if it is `silent`.
    pub(crate) fn new(silent: bool) -> Self {
        Self { silent }
    }

    /// Prints what is trained on what, where, and the column heads.
    ///
    /// # Errors
    /// When stdout cannot be written; likewise below.
    pub(crate) fn print_header(
        &self,
        material: &Material,
        device: Device,
        ranks: &Ranks,
        config: &FitConfig,
        run: &Path,
    ) -> Result<()> {
        if self.silent {
            return Ok(());
        }
        let [channels, rows, frames] = material.train.shape();
        let device = match device {
            Device::Cpu => format!("cpu, {} threads", tch::get_num_threads()),
            other => format!("{other:?}").to_lowercase(),
        };
        let device = match ranks.count() {
            1 => device,
            several => format!("{several} ranks, this one on {device}"),
        };
        let cut = material.cut_frames().map(|cut| format!("{cut}\n"));
        let RunLength { epochs, steps_per_epoch, .. } = RunLength::of(config, material.train.len())?;
        let length = (config.steps > 0)
            .then(|| format!("{} steps: {epochs} epochs of {steps_per_epoch}\n", config.steps));
        let precision = match (config.precision, config.validation_precision) {
            (Precision::Bf16, Precision::Bf16) => "bf16, in validation too",
            (Precision::Bf16, _) => "bf16",
            (_, Precision::Bf16) => "f32, in validation bf16",
            _ => "f32",
        };
        print(&format!(
            "split {}: {} utterances to train, {} to validate, {} classes\n\
             its test {}\n\
             feature set {}: {channels} channels, {rows} {}, {frames} frames\n\
             {}{}\
             {} on {device}, {precision}; run in {}\n\n\
             epoch  train loss   train acc    val loss     val acc     val UAR  seconds  utterances/s\n",
            material.split.info.protocol,
            material.train.len(),
            material.val.len(),
            material.split.info.labels.len(),
            material.split.info.audit.in_short(),
            material.set.id,
            rows_of(&material.set),
            cut.unwrap_or_default(),
            length.unwrap_or_default(),
            config.network.arch().name(),
            run.display(),
        ))
    }

    /// Prints an epoch; a damaged checkpoint, which is not a result, goes to stderr.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(crate) fn add(&self, event: &FitEvent<'_>) -> Result<()> {
        let record = match event {
            FitEvent::Skipped { damaged, from } => {
                ser::say(&format!("ser-fit: {damaged}; continuing from {}", from.display()));
                return Ok(());
            }
            FitEvent::Ranks { .. } if self.silent => return Ok(()),
            FitEvent::Ranks { before, now } => {
                ser::say(&format!(
                    "ser-fit: continuing with {now} rank{} a run that had {before}",
                    if *now == 1 { "" } else { "s" }
                ));
                return Ok(());
            }
            FitEvent::Epoch(_) | FitEvent::Member { .. } if self.silent => return Ok(()),
            FitEvent::Member { number, of } => return print(&format!("member {number} of {of}\n")),
            FitEvent::Epoch(record) => record,
        };
        print(&format!(
            "{:>5}  {:>10.4}  {:>10.4}  {:>10.4}  {:>10.4}  {:>10.4}  {:>7.2}  {:>12.0}{}\n",
            record.epoch,
            record.train_loss,
            record.train_accuracy,
            record.val_loss,
            record.val_accuracy,
            record.val_uar,
            record.seconds,
            record.samples_per_s,
            if record.best { "  best" } else { "" },
        ))
    }

    /// Says where the best checkpoint is and what to do with it, and whether the run should have been longer.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(crate) fn conclude(&self, summary: &FitSummary) -> Result<()> {
        if self.silent {
            return Ok(());
        }
        let best = |network: &FitSummary| {
            format!("{}{}", network.best_epoch, if network.stopped_early { " (stopped early)" } else { "" })
        };
        let best: Vec<String> = summary.networks().iter().map(best).collect();
        // Once for all members of an ensemble, and before the next step, which comes last.
        let warning = summary.networks().iter().find_map(|network| network.warning);
        print(&format!(
            "\n{}best epoch {}; evaluate it with: ser-report --checkpoint {}\n",
            warning.map(|warning| format!("warning: {warning}\n")).unwrap_or_default(),
            best.join(", "),
            summary.checkpoint.display(),
        ))
    }
}

/// What the rows of these features are called.
fn rows_of(set: &FeatureSet) -> &'static str {
    let features: Option<FeatureConfig> = serde_json::from_str(&set.configuration).ok();
    match features {
        Some(features)
            if features.encoder.is_none() && features.representation == Representation::LOG_MEL =>
        {
            "bands"
        }
        _ => "coefficients",
    }
}
