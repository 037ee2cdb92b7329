//! `model.safetensors`, or its shards: headers at once, tensors one at a time, so that a large model is in memory once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use ser_core::storage::open_regular;
use ser_core::{Error, ErrorKind};
use ser_torch::Result;
use tch::{Kind, Tensor};

/// No header is read that is larger than this, bytes: about a hundred thousand tensors.
const LARGEST_HEADER: u64 = 16 << 20;

/// Open files and where their tensors are.
#[derive(Debug)]
pub(super) struct SafetensorsFiles {
    files: Vec<(PathBuf, File)>,
    places: BTreeMap<String, Place>,
}

/// Where a tensor is.
#[derive(Debug)]
struct Place {
    file: usize,
    dtype: Dtype,
    shape: Vec<i64>,
    /// From the beginning of the file, bytes.
    start: u64,
    length: usize,
}

impl SafetensorsFiles {
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut opened = Self { files: Vec::new(), places: BTreeMap::new() };
        for path in paths {
            let mut file = open_regular(path, "cannot be read")?;
            let places = read_header(path, &mut file, opened.files.len())?;
            for (name, place) in places {
                if opened.places.insert(name.clone(), place).is_some() {
                    return Err(damaged(path, format!("holds {name}, which another shard holds too")).into());
                }
            }
            opened.files.push((path.clone(), file));
        }
        Ok(opened)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    pub(super) fn shape(&self, name: &str) -> Result<Vec<i64>> {
        Ok(self.place(name)?.shape.clone())
    }

    /// The tensor called `name`, in the type it is stored in.
    pub(super) fn tensor(&self, name: &str) -> Result<Tensor> {
        let Place { file, dtype, shape, start, length } = self.place(name)?;
        let (path, file) = self.files.get(*file).ok_or_else(|| missing(name))?;
        let kind = match dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::F64 => Kind::Double,
            other => {
                let what = format!("holds {name} as {other:?}; expected F32, F16, BF16 or F64");
                return Err(Error::new(ErrorKind::Unsupported, what).at(path).into());
            }
        };
        let mut bytes = vec![0; *length];
        let mut reader = file;
        let read = reader.seek(SeekFrom::Start(*start)).and_then(|_| reader.read_exact(&mut bytes));
        read.map_err(|error| Error::io("cannot be read", path, error))?;
        Ok(Tensor::f_from_data_size(&bytes, shape, kind)?)
    }

    fn place(&self, name: &str) -> Result<&Place> {
        Ok(self.places.get(name).ok_or_else(|| missing(name))?)
    }
}

/// The tensors of a file, each inside it and as long as its type and shape ask for.
fn read_header(path: &Path, file: &mut File, number: usize) -> Result<Vec<(String, Place)>> {
    let unreadable = |error| Error::io("cannot be read", path, error);
    let size = file.metadata().map_err(unreadable)?.len();
    if size < 8 {
        return Err(damaged(path, "is too short for a safetensors file").into());
    }
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(unreadable)?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST_HEADER.min(size - 8) {
        return Err(damaged(path, format!("declares a header of {length} bytes")).into());
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(unreadable)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| damaged(path, format!("has a header that cannot be understood: {error}")))?;
    let mut places = Vec::new();
    for (name, info) in metadata.tensors() {
        let count = info.shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        let wanted = count.and_then(|count| count.checked_mul(info.dtype.bitsize())).map(|bits| bits / 8);
        let (from, to) = info.data_offsets;
        let length = to.checked_sub(from).filter(|length| Some(*length) == wanted);
        let end = (to as u64).checked_add(8 + header.len() as u64).filter(|end| *end <= size);
        let (Some(length), Some(end)) = (length, end) else {
            return Err(
                damaged(path, format!("is cut short: it declares more of {name} than it holds")).into()
            );
        };
        let shape = info.shape.iter().map(|size| i64::try_from(*size));
        let shape =
            shape.collect::<Result<_, _>>().map_err(|_| damaged(path, "declares an impossible shape"))?;
        let start = end - length as u64;
        places.push((name, Place { file: number, dtype: info.dtype, shape, start, length }));
    }
    Ok(places)
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Missing, format!("there is no tensor {name}"))
}

fn damaged(path: &Path, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, what).at(path).help("copy it again from the model's folder")
}
