//! Power to decibels: `ser_features::Decibels`.

use ser_features::FeatureConfig;

use crate::onnx::{ElementType, Graph, Value};

/// Decibels, f32, of `power`, f64, none lower than `top_db` below those of `loudest`.
pub(super) fn convert(graph: &mut Graph, power: &Value, loudest: &Value, config: &FeatureConfig) -> Value {
    let db = of(graph, power, config);
    let Some(top_db) = config.top_db else { return db };
    let highest = of(graph, loudest, config);
    let top_db = graph.float(top_db as f32);
    let floor = graph.op("Sub", &[&highest, &top_db]);
    graph.op("Max", &[&db, &floor])
}

/// `10·log₁₀(max(power, amin) / max(1, amin))`
fn of(graph: &mut Graph, power: &Value, config: &FeatureConfig) -> Value {
    let amin = graph.double(config.amin);
    let power = graph.op("Max", &[power, &amin]);
    let nepers = graph.op("Log", &[&power]);
    let factor = graph.double(10.0 / std::f64::consts::LN_10);
    let db = graph.op("Mul", &[&nepers, &factor]);
    let reference = graph.double(10.0 * config.amin.max(1.0).log10());
    let db = graph.op("Sub", &[&db, &reference]);
    graph.cast(&db, ElementType::Float)
}
