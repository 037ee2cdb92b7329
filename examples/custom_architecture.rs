//! A network of one's own: described as layers, trained on a small synthetic corpus, and loaded again from its
//! checkpoint. Run it with `cargo run --release --example custom_architecture`.

use std::sync::atomic::AtomicBool;

use ser_core::Result;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_model::checkpoint::Checkpoint;
use ser_model::network::checks::{share, units};
use ser_model::network::{Activation, Arch, Description, Layer, NetworkConfig, Sizes};
use ser_model::{FitConfig, Precision};
use ser_prepare::{PrepareOptions, prepare};
use ser_synth::{SynthCorpus, SynthOptions};
use ser_train::network::Network;
use ser_train::run::RunFolder;
use ser_train::state::Origin;
use ser_train::train::{FitEvent, FitRequest, Material, fit};
use serde::{Deserialize, Serialize};

/// Sizes of `frame-network`: no convolution over coefficients, only over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FrameNetwork {
    /// Channels of the convolution over frames.
    channels: u32,
    /// Units of the dense layer.
    dense: u32,
    /// Share of dense units dropped in training.
    dropout: f64,
}

impl Default for FrameNetwork {
    fn default() -> Self {
        Self { channels: 32, dense: 32, dropout: 0.1 }
    }
}

impl Sizes for FrameNetwork {
    const NAME: &'static str = "frame-network";
    const SUMMARY: &'static str = "A convolution over frames, mean and standard deviation";

    fn validate(&self) -> Result<()> {
        units("channels", &[self.channels])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let mut layers = vec![
            Layer::layer_norm("norm"),
            Layer::Conv1d { name: "frames".to_owned(), channels: self.channels, kernel: 5 },
            Layer::Activation(Activation::Relu),
            Layer::MeanAndDeviation,
        ];
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}

fn main() -> Result<()> {
    // So that its name is known to recipes and checkpoints.
    Arch::register::<FrameNetwork>()?;

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
        network: NetworkConfig::new(FrameNetwork { channels: 24, ..FrameNetwork::default() }),
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
