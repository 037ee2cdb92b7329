//! Normalisation of the features as they go into the network.

use ser_core::{Error, ErrorKind, Result};
use ser_model::FeatureNormalisation;
use ser_model::checkpoint::{Checkpoint, Value as Stored};

use crate::onnx::{ElementType, Graph, Value};

/// Below this a coefficient counts as constant, and is divided by this instead.
const LEAST_DEVIATION: f32 = 1e-5;

/// How each row is brought to mean 0 and standard deviation 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Normalisation {
    /// It is not.
    None,
    /// By its real frames.
    Utterance,
    /// By the statistics of the training side.
    Training(Statistics),
}

/// Mean and standard deviation of each row, `[channel, row]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statistics {
    pub(crate) mean: Vec<f32>,
    pub(crate) standard_deviation: Vec<f32>,
    shape: [usize; 2],
}

impl Normalisation {
    /// That of `checkpoint`, whose features are normalised in the `way` of its recipe and have `shape`.
    ///
    /// # Errors
    /// For that by speaker, which needs all recordings of each, and for statistics that are missing or of another shape.
    pub(crate) fn of(checkpoint: &Checkpoint, way: FeatureNormalisation, shape: [usize; 3]) -> Result<Self> {
        match way {
            FeatureNormalisation::None => Ok(Self::None),
            FeatureNormalisation::Utterance => Ok(Self::Utterance),
            FeatureNormalisation::Training => Statistics::of(checkpoint, shape).map(Self::Training),
            FeatureNormalisation::Speaker => Err(Error::new(
                ErrorKind::Unsupported,
                "normalises its features by speaker, with statistics of all recordings of each, and a model that is \
                 given one recording has none of them",
            )
            .help("export a model trained with another feature normalisation, such as utterance")),
        }
    }

    /// `features` `[1, channel, row, T]` normalised; `real` `[1, 1, 1, T]` is 1 for the first `frames` and 0 for the others.
    pub(super) fn apply(&self, graph: &mut Graph, features: &Value, frames: &Value, real: &Value) -> Value {
        let (centred, deviation) = match self {
            Self::None => return features.clone(),
            Self::Utterance => {
                let count = graph.cast(frames, ElementType::Float);
                // What is not real is zero.
                let sum = graph.sum(features, &[3]);
                let mean = graph.op("Div", &[&sum, &count]);
                let centred = graph.op("Sub", &[features, &mean]);
                let kept = graph.op("Mul", &[&centred, real]);
                let squares = graph.op("Mul", &[&kept, &kept]);
                let sum = graph.sum(&squares, &[3]);
                let variance = graph.op("Div", &[&sum, &count]);
                let deviation = graph.op("Sqrt", &[&variance]);
                let least = graph.float(LEAST_DEVIATION);
                (centred, graph.op("Max", &[&deviation, &least]))
            }
            Self::Training(Statistics { mean, standard_deviation, shape: [channels, rows] }) => {
                let shape = [1, *channels, *rows, 1];
                let mean = graph.floats(&shape, mean);
                let centred = graph.op("Sub", &[features, &mean]);
                (centred, graph.floats(&shape, standard_deviation))
            }
        };
        let normalised = graph.op("Div", &[&centred, &deviation]);
        graph.op("Mul", &[&normalised, real])
    }
}

impl Statistics {
    fn of(checkpoint: &Checkpoint, [channels, rows, _]: [usize; 3]) -> Result<Self> {
        let damaged = |what: String| Error::new(ErrorKind::Damaged, what);
        let statistics = checkpoint.extra("feature_statistics").ok_or_else(|| {
            damaged("lacks the feature_statistics that its features were normalised with".to_owned())
        })?;
        let shape = [channels, rows];
        let read = |name: &str| -> Result<Vec<f32>> {
            let stored = statistics.get(name).and_then(Stored::as_tensor);
            let stored = stored.filter(|tensor| tensor.shape() == shape).ok_or_else(|| {
                damaged(format!("has feature_statistics without a {name} of shape {shape:?}"))
            })?;
            stored.to_f32()
        };
        Ok(Self { mean: read("mean")?, standard_deviation: read("standard_deviation")?, shape })
    }
}
