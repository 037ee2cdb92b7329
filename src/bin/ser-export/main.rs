//! `ser-export`: a checkpoint in, what others need to run it out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ser::Ending;
use ser_core::Result;
use ser_core::storage::Storage;
use ser_export::{Model, ModelCard, Targets};
use serde::Serialize;

/// Turn a checkpoint into what others need to run it: an ONNX model from samples to probabilities, the weights as
/// safetensors, or a page that listens and answers in a browser.
///
/// The ONNX model takes mono samples at the rate of the features, f32 [1, N], of any length, and gives the calibrated
/// probabilities [1, classes]. Level, spectrum, features and network are all inside. It runs in onnxruntime, onnxruntime-web
/// and tract; docs/export.md says how to call it and how far it agrees with ser.
///
/// Every architecture and ensembles are exported, and a network that begins with a pretrained encoder, or reads the states of
/// one, where the checkpoint carries that (ser-fit --embed-encoder). A model whose features are normalised by speaker is
/// refused, since that needs all recordings of a speaker.
///
/// Only an earlier export of the same kind is replaced: an ONNX model by ser, or a folder that holds nothing but what the
/// export wrote. Anything else is refused before anything is computed.
#[derive(Debug, Parser)]
#[command(name = "ser-export", version)]
struct Arguments {
    /// Checkpoint to export
    #[arg(long, value_name = "FILE", default_value = "best.pt")]
    checkpoint: PathBuf,
    /// Write an ONNX model, opset 17
    #[arg(long, value_name = "FILE", required_unless_present_any = ["safetensors", "web"])]
    onnx: Option<PathBuf>,
    /// Write model.safetensors, the weights by their PyTorch names, and config.json: labels, network, features, calibration
    #[arg(long, value_name = "FOLDER")]
    safetensors: Option<PathBuf>,
    /// Write a page that answers for the microphone and for files, with no server but one that hands out files
    #[arg(long, value_name = "FOLDER")]
    web: Option<PathBuf>,
    /// For --web: the folder with onnxruntime-web's files, dist of its npm package; ./just web-runtime fetches it
    #[arg(long, value_name = "FOLDER", default_value = ".tools/onnxruntime-web", requires = "web")]
    runtime: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

/// What was exported.
#[derive(Debug, Serialize)]
struct Exported {
    checkpoint: PathBuf,
    #[serde(flatten)]
    card: ModelCard,
    written: Vec<Written>,
}

/// A file or folder that was written.
#[derive(Debug, Serialize)]
struct Written {
    kind: Kind,
    path: PathBuf,
}

/// What others run.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Onnx,
    Safetensors,
    Web,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ser::run("ser-export", || run(&arguments))
}

fn run(arguments: &Arguments) -> Result<Ending> {
    let targets = Targets {
        checkpoint: &arguments.checkpoint,
        onnx: arguments.onnx.as_deref(),
        safetensors: arguments.safetensors.as_deref(),
        page: arguments.web.as_deref(),
    };
    targets.check()?;
    let model = Model::read(&arguments.checkpoint)?;
    let named = |error: ser_core::Error| error.at(&arguments.checkpoint);
    let storage = Storage::native();
    let mut written = Vec::new();
    let mut add = |kind, path: &Path| written.push(Written { kind, path: path.to_owned() });
    if let Some(path) = &arguments.onnx {
        storage.replace_file(path, &[&model.to_onnx().map_err(named)?])?;
        add(Kind::Onnx, path);
    }
    if let Some(path) = &arguments.safetensors {
        model.write_safetensors(&storage, path).map_err(named)?;
        add(Kind::Safetensors, path);
    }
    if let Some(path) = &arguments.web {
        model.write_page(&storage, path, &arguments.runtime).map_err(named)?;
        add(Kind::Web, path);
    }
    let exported = Exported { checkpoint: arguments.checkpoint.clone(), card: model.card(), written };
    if arguments.json {
        ser::print(&format!("{}\n", ser::to_json(&exported)?))?;
    } else if !arguments.quiet {
        ser::print(&table(&exported))?;
    }
    Ok(Ending::Done)
}

fn table(Exported { checkpoint, card, written }: &Exported) -> String {
    let mut text = format!("{}: {}, {}\n", checkpoint.display(), card.arch, card.labels.join(", "));
    for Written { kind, path } in written {
        let path = path.display();
        let what = match kind {
            Kind::Onnx => format!("ONNX model: samples at {} Hz in, probabilities out", card.sample_rate),
            Kind::Safetensors => "weights and their description".to_owned(),
            Kind::Web => {
                format!("page; serve the folder, for example with: python3 -m http.server --directory {path}")
            }
        };
        text.push_str(&format!("  {path}: {what}\n"));
    }
    if card.calibration.is_none() {
        text.push_str(
            "  The checkpoint is not calibrated: its probabilities are those of the bare network.\n",
        );
    }
    text
}
