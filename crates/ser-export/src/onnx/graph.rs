//! A graph that is built node by node.

use prost::Message;

use super::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, PRODUCER,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// The operators that are used are those of this version; the first with `STFT`.
const OPSET: i64 = 17;
/// The version of the file format that came with them.
const IR_VERSION: i64 = 8;

/// A tensor that a node computes, an input, or a constant: what other nodes read it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Value(String);

/// Types of elements, with ONNX's numbers for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElementType {
    Float = 1,
    Int64 = 7,
    Half = 10,
    Double = 11,
}

/// A parameter of a node.
#[derive(Debug, Clone)]
pub(crate) enum Attribute<'a> {
    Int(&'static str, i64),
    Ints(&'static str, &'a [i64]),
    Text(&'static str, &'static str),
}

/// Nodes and constants so far.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    /// What names of values begin with, so that a viewer of the model shows what belongs together.
    scope: String,
}

impl Graph {
    /// Names of the values that follow begin with `scope`.
    pub(crate) fn enter(&mut self, scope: &str) {
        scope.clone_into(&mut self.scope);
    }

    /// An input of the model. An axis is a number, or a name where its size is free.
    pub(crate) fn input(&mut self, name: &str, kind: ElementType, axes: &[Axis], about: &str) -> Value {
        self.inputs.push(described(name, kind, axes, about));
        Value(name.to_owned())
    }

    /// Makes `value` an output of the model called `name`.
    pub(crate) fn output(
        &mut self,
        name: &str,
        value: &Value,
        kind: ElementType,
        axes: &[Axis],
        about: &str,
    ) {
        self.rename(value, name);
        self.outputs.push(described(name, kind, axes, about));
    }

    /// A node that gives the same under the name `name`.
    pub(crate) fn rename(&mut self, value: &Value, name: &str) -> Value {
        self.nodes.push(NodeProto {
            input: vec![value.0.clone()],
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: "Identity".to_owned(),
            attribute: Vec::new(),
        });
        Value(name.to_owned())
    }

    /// The one result of the operator `op` applied to `inputs`.
    pub(crate) fn op(&mut self, op: &'static str, inputs: &[&Value]) -> Value {
        self.op_with(op, inputs, &[])
    }

    /// The same with parameters.
    pub(crate) fn op_with(&mut self, op: &'static str, inputs: &[&Value], with: &[Attribute<'_>]) -> Value {
        let [value] = self.outputs_of(op, inputs, with);
        value
    }

    /// The first `N` results of an operator.
    pub(crate) fn outputs_of<const N: usize>(
        &mut self,
        op: &'static str,
        inputs: &[&Value],
        with: &[Attribute<'_>],
    ) -> [Value; N] {
        let name = self.fresh(op);
        let outputs: [Value; N] = std::array::from_fn(|number| {
            Value(if number == 0 { name.clone() } else { format!("{name}.{number}") })
        });
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: outputs.iter().map(|value| value.0.clone()).collect(),
            name,
            op_type: op.to_owned(),
            attribute: with.iter().map(attribute).collect(),
        });
        outputs
    }

    /// `value` with elements of another type.
    pub(crate) fn cast(&mut self, value: &Value, to: ElementType) -> Value {
        self.op_with("Cast", &[value], &[Attribute::Int("to", to as i64)])
    }

    /// `value` with its axes in another order.
    pub(crate) fn transpose(&mut self, value: &Value, order: &[i64]) -> Value {
        self.op_with("Transpose", &[value], &[Attribute::Ints("perm", order)])
    }

    /// `value` with the axes `shape`, of which the first may be left as it is with 0.
    pub(crate) fn reshape(&mut self, value: &Value, shape: &[usize]) -> Value {
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let shape = self.ints(&[shape.len()], &shape);
        self.op("Reshape", &[value, &shape])
    }

    /// Sums of `value` over `axes`, which stay as axes of size 1.
    pub(crate) fn sum(&mut self, value: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(&[axes.len()], axes);
        self.op("ReduceSum", &[value, &axes])
    }

    /// The largest of `value` over `axes`, which stay as axes of size 1.
    pub(crate) fn max(&mut self, value: &Value, axes: &[i64]) -> Value {
        self.op_with("ReduceMax", &[value], &[Attribute::Ints("axes", axes)])
    }

    /// The mean of `value` over its last axis, which stays as one of size 1.
    pub(crate) fn mean_of_last(&mut self, value: &Value) -> Value {
        self.op_with("ReduceMean", &[value], &[Attribute::Ints("axes", &[-1])])
    }

    /// What lies at `indices` along `axis`.
    pub(crate) fn gather(&mut self, value: &Value, indices: &Value, axis: i64) -> Value {
        self.op_with("Gather", &[value, indices], &[Attribute::Int("axis", axis)])
    }

    /// Without the axes `axes`, which have size 1.
    pub(crate) fn squeeze(&mut self, value: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(&[axes.len()], axes);
        self.op("Squeeze", &[value, &axes])
    }

    /// With axes of size 1 at `axes`.
    pub(crate) fn unsqueeze(&mut self, value: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(&[axes.len()], axes);
        self.op("Unsqueeze", &[value, &axes])
    }

    /// A constant of `shape`, f32.
    pub(crate) fn floats(&mut self, shape: &[usize], values: &[f32]) -> Value {
        self.constant(
            ElementType::Float,
            shape,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// A constant of `shape`, f64.
    pub(crate) fn doubles(&mut self, shape: &[usize], values: &[f64]) -> Value {
        self.constant(
            ElementType::Double,
            shape,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// A constant of `shape`, i64.
    pub(crate) fn ints(&mut self, shape: &[usize], values: &[i64]) -> Value {
        self.constant(
            ElementType::Int64,
            shape,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// A single f32.
    pub(crate) fn float(&mut self, value: f32) -> Value {
        self.floats(&[], &[value])
    }

    /// A single f64.
    pub(crate) fn double(&mut self, value: f64) -> Value {
        self.doubles(&[], &[value])
    }

    /// A single i64 as a tensor of one axis.
    pub(crate) fn int(&mut self, value: i64) -> Value {
        self.ints(&[1], &[value])
    }

    /// Equal constants are kept once.
    fn constant(&mut self, kind: ElementType, shape: &[usize], raw_data: Vec<u8>) -> Value {
        let dims: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let data_type = kind as i32;
        let same = |known: &&TensorProto| {
            known.data_type == data_type && known.dims == dims && known.raw_data == raw_data
        };
        if let Some(known) = self.constants.iter().find(same) {
            return Value(known.name.clone());
        }
        let name = format!("constant_{}", self.constants.len());
        self.constants.push(TensorProto { dims, data_type, name: name.clone(), raw_data });
        Value(name)
    }

    fn fresh(&self, op: &str) -> String {
        format!("{}/{op}_{}", self.scope, self.nodes.len())
    }

    /// The bytes of a model of this graph.
    pub(crate) fn into_model(self, about: &str, metadata: &[(&str, String)]) -> Vec<u8> {
        let entry = |(key, value): &(&str, String)| StringStringEntryProto {
            key: (*key).to_owned(),
            value: value.clone(),
        };
        let graph = GraphProto {
            node: self.nodes,
            name: "ser".to_owned(),
            initializer: self.constants,
            input: self.inputs,
            output: self.outputs,
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: PRODUCER.to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string: about.to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props: metadata.iter().map(entry).collect(),
        };
        model.encode_to_vec()
    }
}

/// The size of an axis of an input or output.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Axis {
    Of(usize),
    /// Free, under this name.
    Free(&'static str),
}

fn described(name: &str, kind: ElementType, axes: &[Axis], about: &str) -> ValueInfoProto {
    let dimension = |axis: &Axis| match axis {
        Axis::Of(size) => DimensionProto { dim_value: Some(*size as i64), dim_param: None },
        Axis::Free(name) => DimensionProto { dim_value: None, dim_param: Some((*name).to_owned()) },
    };
    let shape = TensorShapeProto { dim: axes.iter().map(dimension).collect() };
    let tensor_type = TensorTypeProto { elem_type: kind as i32, shape: Some(shape) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
        doc_string: about.to_owned(),
    }
}

fn attribute(attribute: &Attribute<'_>) -> AttributeProto {
    let named =
        |name: &str, r#type| AttributeProto { name: name.to_owned(), r#type, ..AttributeProto::default() };
    match attribute {
        Attribute::Int(name, value) => AttributeProto { i: Some(*value), ..named(name, 2) },
        Attribute::Text(name, value) => {
            AttributeProto { s: Some(value.as_bytes().to_vec()), ..named(name, 3) }
        }
        Attribute::Ints(name, values) => AttributeProto { ints: values.to_vec(), ..named(name, 7) },
    }
}
