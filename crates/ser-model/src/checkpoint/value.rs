//! The tree of plain values that a checkpoint file holds.

use crate::checkpoint::Tensor;

/// What a checkpoint file may hold: Python's plain values, containers of them, and tensors. Nothing else exists
/// for the reader, so nothing else can come out of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `bool`
    Bool(bool),
    /// `int`, if it fits in 64 bits
    Int(i64),
    /// `float`
    Float(f64),
    /// `str`
    Text(String),
    /// `list`
    List(Vec<Value>),
    /// `tuple`
    Tuple(Vec<Value>),
    /// `dict` or `collections.OrderedDict`, in insertion order; no key comes twice
    Dict(Vec<(DictKey, Value)>),
    /// `torch.Tensor`
    Tensor(Tensor),
}

/// The key of a [`Value::Dict`] entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DictKey {
    /// `str`
    Text(String),
    /// `int`
    Int(i64),
}

impl Value {
    /// A dict of `entries`, in their order.
    pub fn dict<K: Into<DictKey>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Dict(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// The value a dict has under the text `name`; `None` for another key or if this is not a dict.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let Self::Dict(entries) = self else { return None };
        entries
            .iter()
            .find(|(key, _)| matches!(key, DictKey::Text(text) if text == name))
            .map(|(_, value)| value)
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The integer, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(value) = self { Some(*value) } else { None }
    }

    /// The floating-point number, if this is one.
    pub fn as_float(&self) -> Option<f64> {
        if let Self::Float(value) = self { Some(*value) } else { None }
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    /// The items, if this is a list or a tuple.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(items) | Self::Tuple(items) = self { Some(items) } else { None }
    }

    /// The entries, if this is a dict.
    pub fn as_dict(&self) -> Option<&[(DictKey, Value)]> {
        if let Self::Dict(entries) = self { Some(entries) } else { None }
    }

    /// The tensor, if this is one.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        if let Self::Tensor(tensor) = self { Some(tensor) } else { None }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Tensor> for Value {
    fn from(value: Tensor) -> Self {
        Self::Tensor(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::List(value)
    }
}

impl From<&str> for DictKey {
    fn from(key: &str) -> Self {
        Self::Text(key.to_owned())
    }
}

impl From<String> for DictKey {
    fn from(key: String) -> Self {
        Self::Text(key)
    }
}

impl From<i64> for DictKey {
    fn from(key: i64) -> Self {
        Self::Int(key)
    }
}
