//! Options for where, how long and with what a network is trained: those that a resumed run can change.

use std::path::PathBuf;

use clap::Args;
use ser::{Switch, set};
use ser_model::FitConfig;

/// Where, how long and with what a network is trained. Each overrides the recipe.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PlaceOptions {
    /// Folder of the cache [default: cache]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Folder of the recordings, for augmentation, as FOLDER or NAME=FOLDER [default: where ser-prep found them]
    #[arg(long, value_name = "FOLDER")]
    data: Vec<String>,
    /// Folder of the pretrained encoder that a finetune network begins with, or whose states are learnt from [default for
    /// states: where ser-prep found it]
    #[arg(long, value_name = "FOLDER")]
    encoder: Option<PathBuf>,
    /// Let the checkpoint carry that encoder whole, so that it needs no folder
    #[arg(long)]
    embed_encoder: bool,
    /// Passes over the training side [default: 20]
    #[arg(long, conflicts_with = "steps")]
    epochs: Option<u32>,
    /// Train for this many steps instead, whatever the number of utterances, rounded up to whole epochs
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Stop after this many epochs without a better one; 0 for never [default: 0]
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<u32>,
    // Not as documentation, which would read the brackets as HTML.
    #[arg(long, help = "auto, cpu, cuda or cuda:<N> [default: auto]")]
    device: Option<String>,
    /// Threads of a step; 0 for one on every processor [default: 0]
    #[arg(long)]
    threads: Option<u32>,
    /// Whether every tensor is checked against its checksum when it is first used [default: on]
    #[arg(long, value_enum)]
    verify: Option<Switch>,
    /// Read the cache piece by piece instead of mapping it into memory: for file systems that are not trusted
    #[arg(long)]
    no_mmap: bool,
}

impl PlaceOptions {
    /// Changes `config` by what is given.
    pub(crate) fn apply(&self, config: &mut FitConfig) {
        set(&mut config.cache, &self.cache);
        if !self.data.is_empty() {
            config.data.clone_from(&self.data);
        }
        if self.encoder.is_some() {
            config.encoder.clone_from(&self.encoder);
        }
        config.embed_encoder |= self.embed_encoder;
        // A length given here is in the place of the recipe's.
        if self.epochs.is_some() || self.steps.is_some() {
            config.epochs = self.epochs.unwrap_or(0);
            config.steps = self.steps.unwrap_or(0);
        }
        set(&mut config.patience, &self.patience);
        set(&mut config.device, &self.device);
        set(&mut config.threads, &self.threads);
        set(&mut config.verify, &self.verify.map(bool::from));
        config.mmap &= !self.no_mmap;
    }
}
