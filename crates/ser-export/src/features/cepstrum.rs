//! From mel bands to cepstral coefficients, summed in f64: `ser_features::Dct`.

use ser_features::FeatureConfig;

use crate::basis::cosine_basis;
use crate::onnx::{ElementType, Graph, Value};

/// `[1, frame, coefficient]`, f32, of `db` `[1, frame, band]`, f32.
pub(super) fn transform(graph: &mut Graph, db: &Value, config: &FeatureConfig) -> Value {
    let db = graph.cast(db, ElementType::Double);
    let basis = cosine_basis(config.n_mels, config.n_mfcc);
    let basis = graph.doubles(&[config.n_mels, config.n_mfcc], &basis);
    let coefficients = graph.op("MatMul", &[&db, &basis]);
    graph.cast(&coefficients, ElementType::Float)
}
