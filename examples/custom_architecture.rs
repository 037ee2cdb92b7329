//! A network of one's own: described as layers, trained on a small synthetic corpus, and loaded again from its
//! checkpoint. Run it with `cargo run --release --example custom_architecture`.

use std::sync::atomic::AtomicBool;

use ser_core::Result;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_model::checkpoint::Checkpoint;
use ser_model::network::checks::{share, units};
use ser_model::network::{Arch, Description, Layer, NetworkConfig, Sizes};
use ser_model::{FitConfig, Precision};
use ser_prepare::{PrepareOptions, prepare};
use ser_synth::{SynthCorpus, SynthOptions};
use ser_train::network::Network;
use ser_train::run::RunFolder;
use ser_train::state::Origin;
use ser_train::train::{FitEvent, FitRequest, Material, fit};
use serde::{Deserialize, Serialize};

/// Sizes of `attentive-bilstm`: convolutions, a bidirectional LSTM, and mean and standard deviation over frames weighted by
/// attention. It was tried on voices that were not in training, where `cnn-statistics` does better
/// (docs/generalisation.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AttentiveBilstm {
    /// Channels of the two convolutions.
    channels: [u32; 2],
    /// Hidden units of the LSTM in each direction.
    hidden: u32,
    /// Hidden units of the layer that weighs frames.
    attention: u32,
    /// Units of the dense layer.
    dense: u32,
    /// Share of dense units dropped in training.
    dropout: f64,
}

impl Default for AttentiveBilstm {
    fn default() -> Self {
        Self { channels: [32, 64], hidden: 128, attention: 64, dense: 128, dropout: 0.3 }
    }
}

impl Sizes for AttentiveBilstm {
    const NAME: &'static str = "attentive-bilstm";
    const SUMMARY: &'static str =
        "Two convolutions, a bidirectional LSTM, mean and standard deviation weighted by attention";

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        units("hidden", &[self.hidden])?;
        units("attention", &[self.attention])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let mut layers = Layer::conv_front(self.channels).to_vec();
        layers.push(Layer::lstm("lstm", self.hidden));
        layers.push(Layer::AttentivePooling {
            hidden: "attention.0".to_owned(),
            score: "attention.2".to_owned(),
            units: self.attention,
        });
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}

fn main() -> Result<()> {
    // So that its name is known to recipes and checkpoints.
    Arch::register::<AttentiveBilstm>()?;

    let folder = std::env::temp_dir().join(format!("ser-custom-architecture-{}", std::process::id()));
    let (corpus, cache) = (folder.join("corpus"), folder.join("cache"));
    let storage = Storage::native();
    SynthCorpus::new(SynthOptions { words: 5, sample_rate: 16_000, ..SynthOptions::default() })?
        .write(&corpus)?;
    prepare(&PrepareOptions::new(&corpus, &cache), &storage, &Silent)?;

    let config = FitConfig {
        cache,
        epochs: 2,
        batch_size: 8,
        threads: 1,
        device: "cpu".to_owned(),
        precision: Precision::F32,
        network: NetworkConfig::new(AttentiveBilstm { hidden: 16, ..AttentiveBilstm::default() }),
        ..FitConfig::default()
    };
    config.validate()?;
    let (device, _) = ser_train::device::set_up(&config.device, config.threads)?;
    let material = Material::open(&config)?;
    let run = RunFolder::create(&storage, &folder.join("run"), &config)?;
    let summary = fit(FitRequest {
        config: &config,
        material: &material,
        run: &run,
        device,
        ranks: &ser_distributed::Ranks::alone(),
        resume: false,
        stop: &AtomicBool::new(false),
        progress: &Silent,
        on_event: &mut |event| {
            if let FitEvent::Epoch(record) = event {
                println!("epoch {}: validation UAR {:.3}", record.epoch, record.val_uar);
            }
            Ok(())
        },
    })?;

    let checkpoint = Checkpoint::read(&summary.checkpoint)?;
    let origin = Origin::of(&checkpoint)?;
    let mut network = Network::new(&origin.model, 0, device)?;
    network.load_state_dict(&checkpoint.model_state)?;
    println!("loaded {} with {} parameters", origin.model.arch().name(), origin.model.n_parameters()?);
    std::fs::remove_dir_all(&folder).map_err(|error| ser_core::Error::io("cannot be removed", &folder, error))
}
