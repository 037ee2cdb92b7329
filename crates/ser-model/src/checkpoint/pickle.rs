//! Writing a [`Value`] as the pickle that `torch.save` would write of it, protocol 2.

use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::arena::{MAX_DEPTH, MAX_VALUES};
use crate::checkpoint::tensor::contiguous_strides;
use crate::checkpoint::unpickle::MAX_PICKLE_BYTES;
use crate::checkpoint::{DictKey, Tensor, Value, opcode as op};

/// A pickle, and the storages it refers to by their number in this list.
pub(super) struct Pickle<'a> {
    pub(super) code: Vec<u8>,
    pub(super) storages: Vec<&'a [u8]>,
}

/// Pickles `value`. Nothing is put into the memo: it would save some hundred bytes, and cost the plain rule that
/// equal values give equal bytes.
///
/// # Errors
/// [`ErrorKind::Limit`] for what [`unpickle`](crate::checkpoint::unpickle) would refuse for its size,
/// [`ErrorKind::Usage`] for a dict with a key that comes twice.
pub(super) fn pickle(value: &Value) -> Result<Pickle<'_>> {
    let mut writer = Writer { pickle: Pickle { code: vec![op::PROTO, 2], storages: Vec::new() }, values: 0 };
    writer.value(value, 0)?;
    writer.emit(&[op::STOP]);
    if writer.pickle.code.len() > MAX_PICKLE_BYTES {
        return Err(too_large(format!(
            "a checkpoint's plain values take more than {MAX_PICKLE_BYTES} bytes"
        )));
    }
    Ok(writer.pickle)
}

struct Writer<'a> {
    pickle: Pickle<'a>,
    values: usize,
}

impl<'a> Writer<'a> {
    fn value(&mut self, value: &'a Value, depth: usize) -> Result<()> {
        self.values = self.values.saturating_add(1);
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            let what = format!("a checkpoint nests at most {MAX_DEPTH} levels and {MAX_VALUES} values");
            return Err(too_large(what));
        }
        match value {
            Value::None => self.emit(&[op::NONE]),
            Value::Bool(value) => self.bool(*value),
            Value::Int(value) => self.int(*value),
            Value::Float(value) => {
                self.emit(&[op::BINFLOAT]);
                self.emit(&value.to_be_bytes());
            }
            Value::Text(text) => self.text(text)?,
            Value::List(items) => self.items(&[op::EMPTY_LIST, op::MARK], items, op::APPENDS, depth)?,
            Value::Tuple(items) => self.items(&[op::MARK], items, op::TUPLE, depth)?,
            Value::Dict(entries) => self.dict(entries, depth)?,
            Value::Tensor(tensor) => self.tensor(tensor)?,
        }
        Ok(())
    }

    fn items(&mut self, opening: &[u8], items: &'a [Value], closing: u8, depth: usize) -> Result<()> {
        self.emit(opening);
        for item in items {
            self.value(item, depth.saturating_add(1))?;
        }
        self.emit(&[closing]);
        Ok(())
    }

    fn dict(&mut self, entries: &'a [(DictKey, Value)], depth: usize) -> Result<()> {
        let mut keys = std::collections::HashSet::new();
        self.emit(&[op::EMPTY_DICT, op::MARK]);
        for (key, value) in entries {
            if !keys.insert(key) {
                return Err(Error::new(ErrorKind::Usage, format!("a dict has the key {key:?} twice")));
            }
            match key {
                DictKey::Text(text) => self.text(text)?,
                DictKey::Int(number) => self.int(*number),
            }
            self.value(value, depth.saturating_add(1))?;
        }
        self.emit(&[op::SETITEMS]);
        Ok(())
    }

    /// `_rebuild_tensor_v2(storage, offset 0, shape, strides, requires_grad False, hooks OrderedDict())`, where
    /// the storage is the persistent id `("storage", its class, its number, "cpu", its length)`.
    fn tensor(&mut self, tensor: &'a Tensor) -> Result<()> {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.emit(&[op::MARK, op::MARK]);
        self.text("storage")?;
        self.global("torch", tensor.dtype().storage_class());
        self.text(&self.pickle.storages.len().to_string())?;
        self.text("cpu")?;
        self.size(tensor.len())?;
        self.emit(&[op::TUPLE, op::BINPERSID]);
        self.int(0);
        for sizes in [tensor.shape(), &contiguous_strides(tensor.shape())] {
            self.emit(&[op::MARK]);
            for &size in sizes {
                self.size(size)?;
            }
            self.emit(&[op::TUPLE]);
        }
        self.bool(false);
        self.global("collections", "OrderedDict");
        self.emit(&[op::EMPTY_TUPLE, op::REDUCE, op::TUPLE, op::REDUCE]);
        self.pickle.storages.push(tensor.bytes());
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) {
        self.emit(&[op::GLOBAL]);
        self.emit(format!("{module}\n{name}\n").as_bytes());
    }

    fn bool(&mut self, value: bool) {
        self.emit(&[if value { op::NEWTRUE } else { op::NEWFALSE }]);
    }

    fn size(&mut self, size: usize) -> Result<()> {
        self.int(i64::try_from(size).map_err(|_| too_large(format!("a tensor's axis or stride is {size}")))?);
        Ok(())
    }

    /// An integer in the shortest form, as Python picks it.
    fn int(&mut self, value: i64) {
        if let Ok(value) = u8::try_from(value) {
            self.emit(&[op::BININT1, value]);
        } else if let Ok(value) = u16::try_from(value) {
            self.emit(&[op::BININT2]);
            self.emit(&value.to_le_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.emit(&[op::BININT]);
            self.emit(&value.to_le_bytes());
        } else {
            self.emit(&[op::LONG1, 8]);
            self.emit(&value.to_le_bytes());
        }
    }

    fn text(&mut self, text: &str) -> Result<()> {
        let length = u32::try_from(text.len()).map_err(|_| too_large("a string is longer than 4 GiB"))?;
        self.emit(&[op::BINUNICODE]);
        self.emit(&length.to_le_bytes());
        self.emit(text.as_bytes());
        Ok(())
    }

    fn emit(&mut self, bytes: &[u8]) {
        self.pickle.code.extend_from_slice(bytes);
    }
}

fn too_large(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Limit, what)
}
