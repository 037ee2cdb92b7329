//! How unusual the features of a recording are beside those that a model has learnt from: what `ser_model::domain`
//! computes, as nodes of a graph, in f64 as there.

use ser_model::domain::{DomainReference, LowerTriangle};

use crate::features::Features;
use crate::onnx::{Attribute, ElementType, Graph, Value};

/// The share of the validation side that is at least as unusual, `[1, 1]`, f32.
pub(crate) fn share_as_unusual(
    graph: &mut Graph,
    features: &Features,
    shape: [usize; 3],
    reference: &DomainReference,
) -> Value {
    graph.enter("domain");
    let [channels, rows, _] = shape;
    let descriptor = describe(graph, features, channels * rows);
    let distance = distance(graph, &descriptor, reference);
    let known = reference.distances();
    let axis = [1, known.values().len()];
    let (values, shares) = (graph.doubles(&axis, known.values()), graph.doubles(&axis, known.shares()));
    let nearer = graph.op("Less", &[&values, &distance]);
    let nearer = graph.cast(&nearer, ElementType::Double);
    let nearer = graph.op("Mul", &[&nearer, &shares]);
    let nearer = graph.max(&nearer, &[1]);
    // This recording counts as one of them: ((1 - nearer) n + 1) / (n + 1).
    let n = known.n() as f64;
    let (factor, all) = (graph.double(n / (n + 1.0)), graph.double(1.0));
    let nearer = graph.op("Mul", &[&nearer, &factor]);
    let share = graph.op("Sub", &[&all, &nearer]);
    let share = graph.cast(&share, ElementType::Float);
    let none = graph.float(f32::NAN);
    graph.op("Where", &[&features.usable, &share, &none])
}

/// Mean of each of `coefficients` over the real frames, and after all of them their standard deviations,
/// `[1, 2 coefficients]`, f64.
fn describe(graph: &mut Graph, features: &Features, coefficients: usize) -> Value {
    let values = graph.cast(&features.unnormalised, ElementType::Double);
    let real = graph.cast(&features.real, ElementType::Double);
    let count = graph.cast(&features.frames, ElementType::Double);
    // What is not real is zero.
    let sum = graph.sum(&values, &[3]);
    let mean = graph.op("Div", &[&sum, &count]);
    let centred = graph.op("Sub", &[&values, &mean]);
    let centred = graph.op("Mul", &[&centred, &real]);
    let squares = graph.op("Mul", &[&centred, &centred]);
    let sum = graph.sum(&squares, &[3]);
    let variance = graph.op("Div", &[&sum, &count]);
    let deviation = graph.op("Sqrt", &[&variance]);
    let halves = [mean, deviation].map(|half| graph.reshape(&half, &[1, coefficients]));
    graph.op_with("Concat", &[&halves[0], &halves[1]], &[Attribute::Int("axis", 1)])
}

/// The Mahalanobis distance of a descriptor, squared and divided by its length, `[1, 1]`, f64.
fn distance(graph: &mut Graph, descriptor: &Value, reference: &DomainReference) -> Value {
    let axis = [1, reference.dimension()];
    let mean = graph.doubles(&axis, reference.mean());
    let deviation = graph.doubles(&axis, reference.standard_deviation());
    let centred = graph.op("Sub", &[descriptor, &mean]);
    let mut standardised = graph.op("Div", &[&centred, &deviation]);
    if let Some(whitening) = reference.whitening() {
        let matrix = graph.floats(&[whitening.order(); 2], &transposed(whitening));
        let matrix = graph.cast(&matrix, ElementType::Double);
        standardised = graph.op("MatMul", &[&standardised, &matrix]);
    }
    let squares = graph.op("Mul", &[&standardised, &standardised]);
    graph.mean_of_last(&squares)
}

/// All elements of the transposed matrix, row after row. A reference has them rounded to f32.
fn transposed(matrix: &LowerTriangle) -> Vec<f32> {
    let order = matrix.order();
    let mut values = vec![0.0; order * order];
    let mut elements = matrix.values().iter();
    for row in 0..order {
        for (column, value) in (0..=row).zip(&mut elements) {
            values[column * order + row] = *value as f32;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_triangle_becomes_an_upper_one() {
        let lower = LowerTriangle::new(3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!(transposed(&lower), [1.0, 2.0, 4.0, 0.0, 3.0, 5.0, 0.0, 0.0, 6.0]);
    }
}
