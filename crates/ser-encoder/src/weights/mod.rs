//! The weights of a folder, by name: each is taken once, with the shape that the configuration asks for.

mod pickled;
mod safetensors;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ser_core::{Error, ErrorKind};
use ser_torch::{Result, has_onednn};
use tch::{Device, Kind, Tensor};

use crate::folder::WeightFiles;
use crate::weights::pickled::Pickled;
use crate::weights::safetensors::SafetensorsFiles;

/// Where the tensors of a folder are.
#[derive(Debug)]
enum Source {
    Safetensors(SafetensorsFiles),
    Pickled(Pickled),
    Held(Tensors),
}

/// An encoder's tensors by name, without a prefix.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// Tensors that an encoder has taken, to be had while it is built.
pub(crate) type Taken = Arc<Mutex<Tensors>>;

/// Whether every value of `tensor` is a finite number: the least and the greatest are NaN where one is.
pub(crate) fn is_finite(tensor: &Tensor) -> Result<bool> {
    if tensor.numel() == 0 {
        return Ok(true);
    }
    let (least, greatest) = tensor.f_aminmax(None, false)?;
    let is_finite = |value: &Tensor| value.f_double_value(&[]).map(f64::is_finite);
    Ok(is_finite(&least)? && is_finite(&greatest)?)
}

/// A tensor that is only read. A clone shares its memory.
#[derive(Debug)]
pub(crate) struct Weight(Tensor);

impl Clone for Weight {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

impl From<Tensor> for Weight {
    fn from(tensor: Tensor) -> Self {
        Self(tensor)
    }
}

impl Deref for Weight {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.0
    }
}

/// The tensors of one encoder.
#[derive(Debug)]
pub(crate) struct Weights {
    folder: PathBuf,
    source: Source,
    /// What the names of the encoder's tensors begin with in this folder: `wav2vec2.`, or nothing.
    prefix: String,
    /// Every name under the prefix, without it, and whether it was taken.
    names: BTreeMap<String, bool>,
    device: Device,
    taken: Option<Taken>,
    /// What products are computed in.
    products: Kind,
    /// Whether nothing learns, so that products may be computed in ways that give no gradients.
    frozen: bool,
}

impl Weights {
    /// Opens the weights of a folder for a model whose tensors are named with one of `prefixes`, the first under which the
    /// tensor `anchor` exists.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged, or no prefix fits.
    pub(crate) fn open(
        folder: &Path,
        files: &WeightFiles,
        prefixes: &[&str],
        anchor: &str,
        device: Device,
    ) -> Result<Self> {
        let source = match files {
            WeightFiles::Safetensors(paths) => Source::Safetensors(SafetensorsFiles::open(paths)?),
            WeightFiles::Pickled(path) => Source::Pickled(Pickled::read(path)?),
        };
        let all: Vec<String> = match &source {
            Source::Safetensors(files) => files.names().map(str::to_owned).collect(),
            Source::Pickled(file) => file.names().map(str::to_owned).collect(),
            Source::Held(tensors) => tensors.keys().cloned().collect(),
        };
        let fits = |prefix: &&&str| all.iter().any(|name| name.strip_prefix(**prefix) == Some(anchor));
        let Some(prefix) = prefixes.iter().find(fits) else {
            let named: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}{anchor}")).collect();
            let what = format!("holds no tensor {}", named.join(" or "));
            return Err(Error::new(ErrorKind::Mismatch, what)
                .at(folder)
                .help("use a folder whose weights are of the model that its config.json describes")
                .into());
        };
        let prefix = (*prefix).to_owned();
        let under = all.iter().filter_map(|name| name.strip_prefix(&prefix));
        let names = under.map(|name| (name.to_owned(), false)).collect();
        Ok(Self::of(folder, source, prefix, names, device))
    }

    /// Weights that were taken from `folder` before, in the place of those that are there; gradients flow back to them.
    pub(crate) fn held(folder: &Path, held: &Tensors, device: Device) -> Self {
        let tensors: Tensors =
            held.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        let names = held.keys().map(|name| (name.clone(), false)).collect();
        let (source, prefix) = (Source::Held(tensors), String::new());
        Self::of(folder, source, prefix, names, device)
    }

    fn of(
        folder: &Path,
        source: Source,
        prefix: String,
        names: BTreeMap<String, bool>,
        device: Device,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            source,
            prefix,
            names,
            device,
            taken: None,
            products: Kind::Float,
            frozen: false,
        }
    }

    /// The same, with every tensor that is taken kept in `taken` as well.
    pub(crate) fn kept_in(self, taken: Option<Taken>) -> Self {
        Self { taken, ..self }
    }

    /// The same, whose products are computed in `products`.
    pub(crate) fn with_products_in(self, products: Kind) -> Self {
        Self { products, ..self }
    }

    /// The same, of a model in which nothing learns if it is `frozen`.
    pub(crate) fn frozen(self, frozen: bool) -> Self {
        Self { frozen, ..self }
    }

    /// Whether products are computed with packed weights.
    pub(crate) fn packs_products(&self) -> bool {
        self.frozen && has_onednn(self.products, self.device)
    }

    /// Whether there is a tensor called `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The tensor called `name`, in f32, which must have `shape`.
    ///
    /// # Errors
    /// When there is none, it has another shape or another type than floating point, or holds values that are not finite.
    pub(crate) fn take(&mut self, name: &str, shape: &[i64]) -> Result<Weight> {
        let full = format!("{}{name}", self.prefix);
        let Some(taken) = self.names.get_mut(name) else {
            let what = format!("lacks the tensor {full}, expected with shape {shape:?}");
            return Err(Error::new(ErrorKind::Mismatch, what)
                .at(&self.folder)
                .help("use a folder whose weights are of the model that its config.json describes")
                .into());
        };
        *taken = true;
        let found = match &self.source {
            Source::Safetensors(files) => files.shape(&full)?,
            Source::Pickled(file) => file.shape(&full)?,
            Source::Held(tensors) => tensors.get(&full).map(Tensor::size).unwrap_or_default(),
        };
        if found != shape {
            let what = format!("holds {full} of shape {found:?}, where its config.json asks for {shape:?}");
            return Err(Error::new(ErrorKind::Mismatch, what)
                .at(&self.folder)
                .help("use a folder whose weights are of the model that its config.json describes")
                .into());
        }
        let tensor = match &self.source {
            Source::Safetensors(files) => files.tensor(&full)?,
            Source::Pickled(file) => file.tensor(&full)?,
            // It was looked at when it was taken from the folder.
            Source::Held(tensors) => {
                let held = tensors.get(&full).map(Tensor::shallow_clone).unwrap_or_default();
                return Ok(Weight(held));
            }
        };
        let tensor = tensor.f_to_device(self.device)?.f_to_kind(Kind::Float)?;
        if !is_finite(&tensor)? {
            let what = format!("holds {full} with values that are not finite");
            return Err(Error::new(ErrorKind::Damaged, what)
                .at(&self.folder)
                .help("copy the weights again")
                .into());
        }
        if let Some(taken) = &self.taken {
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.insert(name.to_owned(), tensor.shallow_clone());
        }
        Ok(Weight(tensor))
    }

    /// The same in what products are computed in.
    pub(crate) fn take_for_products(&mut self, name: &str, shape: &[i64]) -> Result<Weight> {
        Ok(Weight(self.take(name, shape)?.f_to_kind(self.products)?))
    }

    /// `tensor` in what products are computed in.
    pub(crate) fn for_products(&self, tensor: &Tensor) -> Result<Weight> {
        Ok(Weight(tensor.f_to_kind(self.products)?))
    }

    /// Makes sure that every tensor of the encoder was taken, but for those in `unused`, which only training needs. What
    /// lies outside of the prefix is of heads on top of the encoder.
    ///
    /// # Errors
    /// When one was not: it changes what the encoder computes in a way that is not known here.
    pub(crate) fn finish(self, unused: &[&str]) -> Result<()> {
        let is_unused = |name: &str| unused.iter().any(|known| name.starts_with(known));
        let left = self.names.iter().find(|(name, taken)| !**taken && !is_unused(name));
        let Some((name, _)) = left else { return Ok(()) };
        let what = format!("holds a tensor that the encoder has no place for, {}{name}", self.prefix);
        Err(Error::new(ErrorKind::Unsupported, what)
            .at(&self.folder)
            .help("use a folder whose weights are of the model that its config.json describes")
            .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_that_is_not_finite_is_found_anywhere() {
        let values = |at: usize, value: f32| {
            let mut values = vec![0.5_f32; 1000];
            values[at] = value;
            Tensor::from_slice(&values).view([10, 100])
        };
        for at in [0, 1, 499, 998, 999] {
            for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert!(!is_finite(&values(at, value)).unwrap(), "{value} at {at}");
            }
            assert!(is_finite(&values(at, f32::MAX)).unwrap());
        }
        let large = Tensor::zeros([1000, 300], (Kind::Float, Device::Cpu));
        let _ = large.get(777).get(111).fill_(f64::NAN);
        assert!(!is_finite(&large).unwrap());
        assert!(is_finite(&Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))).unwrap());
    }
}
