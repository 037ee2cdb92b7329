//! Reading the pickle of a PyTorch file, by a machine that can build plain values and tensors and nothing else.
//!
//! A pickle is a program. Python's own machine imports and calls whatever the program names; this one knows ten
//! names, each with one fixed meaning, and has no way to call anything.

use std::collections::HashMap;
use std::rc::Rc;

use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::archive::shown;
use crate::checkpoint::arena::{Global, Item, Node, build, unsupported};
use crate::checkpoint::cursor::Cursor;
use crate::checkpoint::strided::Strided;
use crate::checkpoint::{Dtype, Tensor, Value, opcode as op};

/// The longest `data.pkl` that is read. It holds names and plain values alone, about 150 bytes for a tensor.
pub(super) const MAX_PICKLE_BYTES: usize = 2 << 20;

/// Reads the pickle `code`. `storage` finds a storage by its key; `file_bytes` is the size of the whole file.
pub(super) fn unpickle<'a>(
    code: &'a [u8],
    file_bytes: usize,
    storage: impl FnMut(&str) -> Result<&'a [u8]>,
) -> Result<Value> {
    if code.len() > MAX_PICKLE_BYTES {
        let what = format!("has a data.pkl of {} bytes; up to {MAX_PICKLE_BYTES} are read", code.len());
        return Err(Error::new(ErrorKind::Limit, what));
    }
    let mut machine = Machine {
        code: Cursor::new(code, "its data.pkl"),
        find_storage: storage,
        storages: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        arena: Vec::new(),
    };
    let root = machine.run()?;
    build(&root, &machine.arena, &machine.storages, file_bytes)
}

struct Machine<'a, F> {
    code: Cursor<'a>,
    find_storage: F,
    storages: Vec<&'a [u8]>,
    stack: Vec<Item>,
    /// The heights of the stack at which MARK was met.
    marks: Vec<usize>,
    memo: HashMap<u32, Item>,
    arena: Vec<Node>,
}

impl<'a, F: FnMut(&str) -> Result<&'a [u8]>> Machine<'a, F> {
    fn run(&mut self) -> Result<Item> {
        if self.code.array()? != [op::PROTO, 2] {
            return Err(Error::new(ErrorKind::Unsupported, "its data.pkl is not a pickle of protocol 2"));
        }
        loop {
            match self.code.u8()? {
                op::STOP => break,
                opcode => self.execute(opcode)?,
            }
        }
        match (self.stack.pop(), self.stack.len(), self.marks.len(), self.code.is_empty()) {
            (Some(root), 0, 0, true) => Ok(root),
            _ => Err(damaged("its data.pkl does not end with one value")),
        }
    }

    fn execute(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            op::MARK => self.marks.push(self.stack.len()),
            op::EMPTY_LIST => self.push_node(Node::List(Vec::new())),
            op::EMPTY_DICT => self.push_node(Node::Dict { entries: Vec::new(), ordered: false }),
            op::EMPTY_TUPLE => self.push_node(Node::Tuple(Box::default())),
            op::TUPLE => {
                let items = self.pop_to_mark()?;
                self.push_node(Node::Tuple(items.into()));
            }
            op::TUPLE1 => self.tuple::<1>()?,
            op::TUPLE2 => self.tuple::<2>()?,
            op::TUPLE3 => self.tuple::<3>()?,
            op::APPEND => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            op::APPENDS => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            op::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            op::SETITEMS => {
                let items = self.pop_to_mark()?;
                self.set_items(items)?;
            }
            op::BINPUT | op::LONG_BINPUT => {
                let slot = self.slot(opcode == op::LONG_BINPUT)?;
                self.put(slot)?;
            }
            op::BINGET | op::LONG_BINGET => {
                let slot = self.slot(opcode == op::LONG_BINGET)?;
                self.get(slot)?;
            }
            op::GLOBAL => self.global()?,
            op::BINPERSID => self.persistent_id()?,
            op::REDUCE => self.reduce()?,
            op::BUILD => self.build()?,
            plain => {
                let value = self.plain_value(plain)?;
                self.stack.push(value);
            }
        }
        Ok(())
    }

    /// The value that an opcode stands for by itself.
    fn plain_value(&mut self, opcode: u8) -> Result<Item> {
        Ok(match opcode {
            op::NONE => Item::None,
            op::NEWTRUE => Item::Bool(true),
            op::NEWFALSE => Item::Bool(false),
            op::BININT => Item::Int(i64::from(i32::from_le_bytes(self.code.array()?))),
            op::BININT1 => Item::Int(i64::from(self.code.u8()?)),
            op::BININT2 => Item::Int(i64::from(self.code.u16()?)),
            op::LONG1 => Item::Int(self.long()?),
            op::BINFLOAT => Item::Float(f64::from_be_bytes(self.code.array()?)),
            op::BINUNICODE => {
                let length = self.code.size()?;
                let text = std::str::from_utf8(self.code.take(length)?);
                Item::Text(text.map_err(|_| damaged("holds a string that is not UTF-8"))?.into())
            }
            other => {
                let what = format!("uses the pickle opcode {} ({other:#04x})", op::name(other));
                return Err(unsupported(what));
            }
        })
    }

    /// A place in the memo, which four bytes say if it is `long`.
    fn slot(&mut self, long: bool) -> Result<u32> {
        if long { self.code.u32() } else { self.code.u8().map(u32::from) }
    }

    fn long(&mut self) -> Result<i64> {
        let length = self.code.u8()?;
        let digits = self.code.take(usize::from(length))?;
        let fill = if digits.last().is_some_and(|&top| top >= 0x80) { 0xff } else { 0 };
        let mut bytes = [fill; 8];
        let low = bytes.get_mut(..digits.len());
        low.ok_or_else(|| unsupported("holds an integer of more than 64 bits"))?.copy_from_slice(digits);
        Ok(i64::from_le_bytes(bytes))
    }

    fn global(&mut self) -> Result<()> {
        let (module, name) = (self.code.line()?, self.code.line()?);
        let class = |dtype: &Dtype| dtype.storage_class().as_bytes() == name;
        let global = match (module, name) {
            (b"torch._utils", b"_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            (b"collections", b"OrderedDict") => Some(Global::OrderedDict),
            (b"torch", _) => Dtype::ALL.into_iter().find(class).map(Global::StorageClass),
            _ => None,
        };
        let global = global.ok_or_else(|| {
            let full_name = [module, name].join(&b'.');
            unsupported(format!("names {}", shown(&String::from_utf8_lossy(&full_name))))
        })?;
        self.stack.push(Item::Global(global));
        Ok(())
    }

    /// `("storage", class, key, device, length)` becomes the storage `data/<key>`, whatever the device.
    fn persistent_id(&mut self) -> Result<()> {
        let id = self.pop()?;
        let Some(
            [
                Item::Text(kind),
                Item::Global(Global::StorageClass(dtype)),
                Item::Text(key),
                Item::Text(_),
                length,
            ],
        ) = self.as_tuple(&id)
        else {
            return Err(unsupported("has a persistent id that is not a storage"));
        };
        let (dtype, length, key) = (*dtype, size(length)?, Rc::clone(key));
        if **kind != *"storage" {
            return Err(unsupported("has a persistent id that is not a storage"));
        }
        let bytes = (self.find_storage)(&key)?;
        if length.checked_mul(dtype.size()) != Some(bytes.len()) {
            let what = format!(
                "has {} bytes in storage {} where {length} {dtype:?} belong",
                bytes.len(),
                shown(&key)
            );
            return Err(damaged(what));
        }
        let item = Item::Storage(dtype, self.storages.len());
        self.storages.push(bytes);
        self.stack.push(item);
        Ok(())
    }

    fn reduce(&mut self) -> Result<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let node = match (callee, self.as_tuple(&arguments)) {
            (Item::Global(Global::OrderedDict), Some([])) => {
                Node::Dict { entries: Vec::new(), ordered: true }
            }
            (
                Item::Global(Global::RebuildTensor),
                Some([Item::Storage(dtype, storage), offset, shape, strides, Item::Bool(_), hooks]),
            ) => {
                if !matches!(self.node(hooks), Some(Node::Dict { entries, ordered: true }) if entries.is_empty())
                {
                    return Err(unsupported("has a tensor with backward hooks"));
                }
                let stored = self.storages.get(*storage).map_or(0, |bytes| bytes.len() / dtype.size());
                let window = Strided::new(self.sizes(shape)?, self.sizes(strides)?, size(offset)?, stored)?;
                Node::Tensor { dtype: *dtype, storage: *storage, window: Box::new(window) }
            }
            (Item::Global(_), _) => {
                return Err(unsupported("builds a tensor or dict from unknown arguments"));
            }
            _ => return Err(unsupported("calls what is not callable")),
        };
        self.push_node(node);
        Ok(())
    }

    /// Accepts the one state a state dict carries, `{"_metadata": …}`, which tells modules' versions, and drops it.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let target = self.stack_top()?;
        let is_metadata = |key: &Item| matches!(key, Item::Text(text) if **text == *"_metadata");
        match (self.node(target), self.node(&state)) {
            (Some(Node::Dict { ordered: true, .. }), Some(Node::Dict { entries, .. }))
                if entries.iter().all(|(key, _)| is_metadata(key)) =>
            {
                Ok(())
            }
            _ => Err(unsupported("sets the state of an object (BUILD)")),
        }
    }

    fn append(&mut self, items: Vec<Item>) -> Result<()> {
        let target = self.stack_top()?.clone();
        match self.node_mut(&target) {
            Some(Node::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(damaged("appends to something that is not a list")),
        }
    }

    fn set_items(&mut self, items: Vec<Item>) -> Result<()> {
        let (pairs, odd) = items.as_chunks::<2>();
        if !odd.is_empty() || pairs.iter().any(|[key, _]| !matches!(key, Item::Text(_) | Item::Int(_))) {
            return Err(unsupported("has a dict whose keys are neither strings nor integers"));
        }
        let target = self.stack_top()?.clone();
        match self.node_mut(&target) {
            Some(Node::Dict { entries, .. }) => {
                entries.extend(pairs.iter().map(|[key, value]| (key.clone(), value.clone())));
                Ok(())
            }
            _ => Err(damaged("sets an item of something that is not a dict")),
        }
    }

    fn put(&mut self, slot: u32) -> Result<()> {
        let item = self.stack_top()?.clone();
        self.memo.insert(slot, item);
        Ok(())
    }

    fn get(&mut self, slot: u32) -> Result<()> {
        let item = self.memo.get(&slot).cloned();
        self.stack.push(item.ok_or_else(|| damaged("its data.pkl refers to something it has not memoised"))?);
        Ok(())
    }

    fn tuple<const N: usize>(&mut self) -> Result<()> {
        let mut items = [const { Item::None }; N];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.push_node(Node::Tuple(items.into()));
        Ok(())
    }

    fn push_node(&mut self, node: Node) {
        self.stack.push(Item::Node(self.arena.len()));
        self.arena.push(node);
    }

    /// Pops one item, never one from below the last mark.
    fn pop(&mut self) -> Result<Item> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(empty_stack());
        }
        self.stack.pop().ok_or_else(empty_stack)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Item>> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or_else(empty_stack)?;
        Ok(self.stack.split_off(mark))
    }

    fn stack_top(&self) -> Result<&Item> {
        let above_mark = self.stack.len() > self.marks.last().copied().unwrap_or(0);
        self.stack.last().filter(|_| above_mark).ok_or_else(empty_stack)
    }

    fn node(&self, item: &Item) -> Option<&Node> {
        if let Item::Node(index) = item { self.arena.get(*index) } else { None }
    }

    fn node_mut(&mut self, item: &Item) -> Option<&mut Node> {
        if let Item::Node(index) = item { self.arena.get_mut(*index) } else { None }
    }

    fn as_tuple(&self, item: &Item) -> Option<&[Item]> {
        if let Some(Node::Tuple(items)) = self.node(item) { Some(items) } else { None }
    }

    fn sizes(&self, item: &Item) -> Result<Vec<usize>> {
        let items = self.as_tuple(item).ok_or_else(|| damaged("has a tensor whose shape is not a tuple"))?;
        if items.len() > Tensor::MAX_AXES {
            return Err(Error::new(ErrorKind::Limit, format!("has a tensor with {} axes", items.len())));
        }
        items.iter().map(size).collect()
    }
}

fn size(item: &Item) -> Result<usize> {
    let size = if let Item::Int(size) = item { usize::try_from(*size).ok() } else { None };
    size.ok_or_else(|| damaged("has a tensor with an invalid size"))
}

fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

fn empty_stack() -> Error {
    damaged("its data.pkl uses values that it has not made")
}
