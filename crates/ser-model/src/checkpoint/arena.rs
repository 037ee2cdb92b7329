//! What a pickle's program has built, and its copy into a tree of values.
//!
//! A program may refer to a thing twice, and fill a container after the reference: so containers live in an arena.
//! The copy has a budget, so that neither references in a circle nor references to references (the "billion
//! laughs") cost more than the file's size allows.

use std::collections::HashSet;
use std::rc::Rc;

use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::archive::shown;
use crate::checkpoint::strided::Strided;
use crate::checkpoint::{DictKey, Dtype, Value};

/// The most levels of containers.
pub(super) const MAX_DEPTH: usize = 64;
/// The most values in the tree, counting a shared one wherever it occurs.
pub(super) const MAX_VALUES: usize = 1 << 20;

/// What the tensors and texts may take in memory, beyond a multiple of what they take in the file. Storages may be
/// shared and strides may be 0, so that a tensor can be larger than the file; honest files stay far below.
const MAX_EXTRA_BYTES: usize = 64 << 20;
const MAX_EXPANSION: usize = 4;

/// What is on the machine's stack.
#[derive(Clone)]
pub(super) enum Item {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Global(Global),
    /// An index into the machine's storages.
    Storage(Dtype, usize),
    /// An index into the arena.
    Node(usize),
}

/// The names a program may mention.
#[derive(Clone, Copy)]
pub(super) enum Global {
    RebuildTensor,
    OrderedDict,
    StorageClass(Dtype),
}

pub(super) enum Node {
    List(Vec<Item>),
    Tuple(Box<[Item]>),
    Dict { entries: Vec<(Item, Item)>, ordered: bool },
    Tensor { dtype: Dtype, storage: usize, window: Box<Strided> },
}

/// Copies `root` and all it refers to into a tree.
pub(super) fn build(root: &Item, arena: &[Node], storages: &[&[u8]], file_bytes: usize) -> Result<Value> {
    let bytes = file_bytes.saturating_mul(MAX_EXPANSION).saturating_add(MAX_EXTRA_BYTES);
    Builder { arena, storages, values: MAX_VALUES, bytes }.value(root, 0)
}

struct Builder<'a> {
    arena: &'a [Node],
    storages: &'a [&'a [u8]],
    /// How many values may still be made.
    values: usize,
    /// How many bytes of texts and tensors may still be made.
    bytes: usize,
}

impl Builder<'_> {
    fn value(&mut self, item: &Item, depth: usize) -> Result<Value> {
        if depth > MAX_DEPTH {
            let what = format!("nests values more than {MAX_DEPTH} levels deep, or in a circle");
            return Err(Error::new(ErrorKind::Limit, what));
        }
        self.values = self
            .values
            .checked_sub(1)
            .ok_or_else(|| Error::new(ErrorKind::Limit, format!("holds more than {MAX_VALUES} values")))?;
        let deeper = depth.saturating_add(1);
        Ok(match item {
            Item::None => Value::None,
            Item::Bool(value) => Value::Bool(*value),
            Item::Int(value) => Value::Int(*value),
            Item::Float(value) => Value::Float(*value),
            Item::Text(text) => Value::Text(self.text(text)?),
            Item::Global(_) => {
                return Err(unsupported("holds a function or class where a value is expected"));
            }
            Item::Storage(..) => return Err(unsupported("holds a storage that no tensor uses")),
            Item::Node(index) => match self.arena.get(*index) {
                Some(Node::List(items)) => Value::List(self.items(items, deeper)?),
                Some(Node::Tuple(items)) => Value::Tuple(self.items(items, deeper)?),
                Some(Node::Dict { entries, .. }) => Value::Dict(self.entries(entries, deeper)?),
                Some(Node::Tensor { dtype, storage, window }) => {
                    self.spend_budget(window.count().saturating_mul(dtype.size()))?;
                    let storage = self.storages.get(*storage).copied().unwrap_or_default();
                    Value::Tensor(window.gather(*dtype, storage)?)
                }
                None => return Err(damaged("its data.pkl uses values that it has not made")),
            },
        })
    }

    fn items(&mut self, items: &[Item], depth: usize) -> Result<Vec<Value>> {
        items.iter().map(|item| self.value(item, depth)).collect()
    }

    fn entries(&mut self, entries: &[(Item, Item)], depth: usize) -> Result<Vec<(DictKey, Value)>> {
        let mut keys = HashSet::new();
        let mut dict = Vec::new();
        for (key, value) in entries {
            let key = match key {
                Item::Text(text) => DictKey::Text(self.text(text)?),
                Item::Int(number) => DictKey::Int(*number),
                _ => return Err(unsupported("has a dict whose keys are neither strings nor integers")),
            };
            if !keys.insert(key.clone()) {
                return Err(damaged(format!("holds a dict that sets {} twice", shown(&format!("{key:?}")))));
            }
            dict.push((key, self.value(value, depth)?));
        }
        Ok(dict)
    }

    fn text(&mut self, text: &str) -> Result<String> {
        self.spend_budget(text.len())?;
        Ok(text.to_owned())
    }

    fn spend_budget(&mut self, bytes: usize) -> Result<()> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            Error::new(ErrorKind::Limit, "holds tensors that expand to many times the size of the file")
        })?;
        Ok(())
    }
}

fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

/// The error for what only a program would ask for.
pub(super) fn unsupported(what: impl Into<String>) -> Error {
    let what = format!("{}, which no tensor file needs; nothing was executed", what.into());
    Error::new(ErrorKind::Unsupported, what)
}
