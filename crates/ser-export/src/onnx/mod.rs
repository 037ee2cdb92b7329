//! ONNX models: the messages of their files, and a graph that is built node by node.

mod graph;
mod proto;

pub(crate) use graph::{Attribute, Axis, ElementType, Graph, Value};
pub(crate) use proto::Head;
#[cfg(test)]
pub(crate) use proto::ModelProto;
