//! Encoders that trained models read the states of: found by their digest, and each opened once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_features::{EncoderStates, FeatureConfig};
use ser_model::CarriedEncoder;
use ser_model::checkpoint::Checkpoint;
use ser_model::network::TunedEncoder;
use tch::Device;

use crate::tuning::{Found, find};
use crate::{Encoder, EncoderExtractors, Tunable, embedded};

/// The encoder that a model needs.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    /// What the model does with it.
    does: &'static str,
    family: &'a str,
    digest: &'a str,
}

impl<'a> Wanted<'a> {
    fn of_states(states: &'a EncoderStates) -> Self {
        Self { does: "reads the states of", family: &states.family, digest: &states.digest }
    }

    fn of_network(tuned: &'a TunedEncoder) -> Self {
        Self { does: "begins with", family: &tuned.family, digest: &tuned.digest }
    }

    /// What it is kept by on `device`.
    fn key(self, device: Device) -> String {
        format!("{} {device:?}", self.digest)
    }
}

/// What an encoder is kept by that a checkpoint carries. Its digest is a claim, which other checkpoints need not share.
fn carried_key(carried: &CarriedEncoder<'_>) -> String {
    format!("carried {}", embedded::identity(carried))
}

/// Encoders, on the CPU where features are their states. Clones share what is opened, so that models of one encoder hold its weights once.
#[derive(Debug, Clone, Default)]
pub struct Encoders {
    folders: Vec<PathBuf>,
    /// By digest or [`carried_key`], and what they compute in.
    opened: Arc<Mutex<BTreeMap<(String, String), Encoder>>>,
    /// Those with their tensors at hand, by digest or [`carried_key`], and device.
    tunable: Arc<Mutex<BTreeMap<String, Tunable>>>,
}

impl Encoders {
    /// Encoders that are looked for in `folders`; if there are none, where a model says that its encoder was.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, opened: Arc::default(), tunable: Arc::default() }
    }

    /// Extractors of `features`, which the network in `checkpoint` reads; `None` where they are not the states of an encoder. It
    /// is the encoder that the checkpoint carries, or one of a folder. `noted` is where that was.
    ///
    /// # Errors
    /// When the encoder is not found, is another one than that of the features, is damaged, or cannot be opened.
    pub fn extractors(
        &self,
        checkpoint: &Checkpoint,
        features: &FeatureConfig,
        noted: Option<&str>,
    ) -> Result<Option<Arc<EncoderExtractors>>> {
        let Some(states) = &features.encoder else { return Ok(None) };
        let wanted = Wanted::of_states(states);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |which: String| (which, states.precision.to_string());
        let carried = CarriedEncoder::of(checkpoint, wanted.family, wanted.digest)?;
        let key = of(carried.as_ref().map_or(states.digest.clone(), carried_key));
        if !opened.contains_key(&key) {
            if let Some(carried) = carried {
                let encoder = embedded::open(&carried, wanted.digest.parse()?, Device::Cpu)?;
                opened.insert(key.clone(), encoder.frozen(states.precision)?);
            } else {
                for folder in self.places(wanted, noted)? {
                    let encoder = Encoder::open_in(folder, Device::Cpu, states.precision)?;
                    opened.insert(of(encoder.digest().to_string()), encoder);
                }
            }
        }
        match opened.get(&key) {
            Some(encoder) => Ok(Some(Arc::new(EncoderExtractors::new(encoder.share(), features)?))),
            None => {
                let others = opened.iter().filter(|((which, _), _)| !which.starts_with("carried"));
                let others = others.map(|((digest, _), encoder)| (digest.as_str(), encoder.family()));
                Err(self.another(wanted, noted, others))
            }
        }
    }

    /// The encoder that the network in `checkpoint` begins with, on `device`: the one that it carries, or one of a folder.
    /// `noted` is where that was.
    ///
    /// # Errors
    /// When it is not found, is another one, is damaged, or cannot be opened.
    pub fn tunable_of(
        &self,
        checkpoint: &Checkpoint,
        wanted: &TunedEncoder,
        noted: Option<&str>,
        device: Device,
    ) -> Result<Tunable> {
        let Some(carried) = CarriedEncoder::of(checkpoint, &wanted.family, &wanted.digest)? else {
            return self.tunable(wanted, noted, device);
        };
        let mut opened = self.tunable.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{} {device:?}", carried_key(&carried));
        if let Some(tunable) = opened.get(&key) {
            return Ok(tunable.share());
        }
        let tunable = embedded::open(&carried, wanted.digest.parse()?, device)?;
        Ok(opened.entry(key).or_insert(tunable).share())
    }

    /// The encoder that a network begins with, on `device`. `noted` is where it was.
    ///
    /// # Errors
    /// When it is not found, is another one, or cannot be opened.
    pub fn tunable(&self, wanted: &TunedEncoder, noted: Option<&str>, device: Device) -> Result<Tunable> {
        let wanted = Wanted::of_network(wanted);
        let key = wanted.key(device);
        let mut opened = self.tunable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tunable) = opened.get(&key) {
            return Ok(tunable.share());
        }
        let tunable = Tunable::open(&self.found(wanted, noted)?, device)?;
        Ok(opened.entry(key).or_insert(tunable).share())
    }

    /// The folder of the encoder whose states a feature set holds. `noted` is where it was.
    ///
    /// # Errors
    /// When it is not found, or is another one.
    pub fn folder_of(&self, states: &EncoderStates, noted: Option<&str>) -> Result<PathBuf> {
        self.found(Wanted { does: "holds the states of", ..Wanted::of_states(states) }, noted)
    }

    fn found(&self, wanted: Wanted<'_>, noted: Option<&str>) -> Result<PathBuf> {
        let places: Vec<PathBuf> = self.places(wanted, noted)?.into_iter().map(Path::to_path_buf).collect();
        match find(&places, wanted.digest)? {
            Found::There(folder) => Ok(folder),
            Found::Others(others) => {
                let others = others.iter().map(|(digest, family)| (digest.as_str(), family.as_str()));
                Err(self.another(wanted, noted, others))
            }
        }
    }

    /// Where to look.
    fn places<'a>(&'a self, wanted: Wanted<'_>, noted: Option<&'a str>) -> Result<Vec<&'a Path>> {
        if !self.folders.is_empty() {
            return Ok(self.folders.iter().map(PathBuf::as_path).collect());
        }
        let noted = noted.map(Path::new);
        if let Some(folder) = noted.filter(|folder| folder.is_dir()) {
            return Ok(vec![folder]);
        }
        let was = noted.map(|folder| format!(", which was in {}", folder.display())).unwrap_or_default();
        let Wanted { does, family, digest } = wanted;
        let what = format!("{does} a {family} encoder with digest {digest}{was}");
        let error = Error::new(ErrorKind::Missing, what);
        Err(error.help(remedy!["name the folder of that encoder with ", Setting::Encoder]))
    }

    fn another<'a>(
        &self,
        wanted: Wanted<'_>,
        noted: Option<&str>,
        others: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Error {
        let found: Vec<String> =
            others.map(|(digest, family)| format!("a {family} encoder with digest {digest}")).collect();
        let Wanted { family, digest, .. } = wanted;
        let what = format!("holds {}, not the {family} encoder with digest {digest}", found.join(" and "));
        let error = Error::new(ErrorKind::Mismatch, what);
        let place = self.folders.first().cloned().or(noted.map(PathBuf::from));
        let error = match place {
            Some(folder) => error.at(folder),
            None => error,
        };
        error.help(remedy!["name the folder of that encoder with ", Setting::Encoder])
    }
}

#[cfg(test)]
mod tests {
    use ser_features::{EncoderPrecision, LayerChoice, Pooling, ValueType};

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders").join(name)
    }

    #[test]
    fn an_encoder_is_found_by_its_digest_and_another_is_refused() {
        let of = |name: &str| {
            let encoder = Encoder::open(&fixture(name), Device::Cpu).unwrap();
            encoder.features(&LayerChoice::All, Pooling::Mean, ValueType::F32, 1).unwrap()
        };
        let (wavlm, hubert) = (of("wavlm-base"), of("hubert-base"));
        let (at_wavlm, at_hubert) = (fixture("wavlm-base"), fixture("hubert-base"));
        let noted = at_wavlm.to_str();
        let carrying = |extra| Checkpoint {
            labels: vec!["calm".to_owned()],
            config: "{}".to_owned(),
            model_state: Vec::new(),
            extra,
        };
        let checkpoint = carrying(Vec::new());
        assert!(
            Encoders::default().extractors(&checkpoint, &FeatureConfig::default(), noted).unwrap().is_none()
        );
        assert!(Encoders::default().extractors(&checkpoint, &wavlm, noted).unwrap().is_some());
        let both = Encoders::new(vec![at_wavlm.clone(), at_hubert.clone()]);
        assert!(both.extractors(&checkpoint, &wavlm, None).unwrap().is_some());
        assert!(both.extractors(&checkpoint, &hubert, None).unwrap().is_some());
        // What was computed in bf16 is computed in bf16 again.
        let in_bf16 = Encoder::open_in(&at_wavlm, Device::Cpu, EncoderPrecision::Bf16).unwrap();
        let in_bf16 = in_bf16.features(&LayerChoice::All, Pooling::Mean, ValueType::F32, 1).unwrap();
        assert!(both.extractors(&checkpoint, &in_bf16, None).unwrap().is_some());
        // One that the checkpoint carries is looked for nowhere else.
        let carried = Tunable::open(&at_wavlm, Device::Cpu).unwrap().to_entry().unwrap();
        let carrying = carrying(vec![carried]);
        for features in [&wavlm, &in_bf16] {
            assert!(Encoders::default().extractors(&carrying, features, None).unwrap().is_some());
        }
        assert!(Encoders::default().extractors(&carrying, &hubert, None).is_err());
        let digest = |features: &FeatureConfig| features.encoder.as_ref().unwrap().digest.clone();
        let refused = |encoders: Encoders, noted: Option<&str>| {
            let error = encoders.extractors(&checkpoint, &wavlm, noted).unwrap_err();
            (error.kind(), error.to_string())
        };
        let (kind, says) = refused(Encoders::new(vec![at_hubert]), noted);
        assert_eq!(kind, ErrorKind::Mismatch);
        assert!(says.contains(&digest(&wavlm)) && says.contains(&digest(&hubert)), "{says}");
        assert_eq!(refused(Encoders::default(), None).0, ErrorKind::Missing);
        assert!(refused(Encoders::default(), Some("/no/such/folder")).1.contains("/no/such/folder"));
    }
}
