//! Encoders that trained models read the states of: found by their digest, and each opened once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_features::{EncoderStates, FeatureConfig};
use tch::Device;

use crate::{Encoder, EncoderExtractors};

/// Encoders on the CPU. Clones share what is opened, so that models of one encoder hold its weights once.
#[derive(Debug, Clone, Default)]
pub struct Encoders {
    folders: Vec<PathBuf>,
    /// By digest.
    opened: Arc<Mutex<BTreeMap<String, Encoder>>>,
}

impl Encoders {
    /// Encoders that are looked for in `folders`; if there are none, where a model says that its encoder was.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, opened: Arc::default() }
    }

    /// Extractors of `features`; `None` where they are not the states of an encoder. `noted` is where the encoder was.
    ///
    /// # Errors
    /// When the encoder is not found, is another one than that of the features, or cannot be opened.
    pub fn extractors(
        &self,
        features: &FeatureConfig,
        noted: Option<&str>,
    ) -> Result<Option<Arc<EncoderExtractors>>> {
        let Some(states) = &features.encoder else { return Ok(None) };
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if !opened.contains_key(&states.digest) {
            for folder in self.places(states, noted)? {
                let encoder = Encoder::open(folder, Device::Cpu)?;
                opened.insert(encoder.digest().to_string(), encoder);
            }
        }
        match opened.get(&states.digest) {
            Some(encoder) => Ok(Some(Arc::new(EncoderExtractors::new(encoder.share(), features)?))),
            None => Err(self.another(states, noted, &opened)),
        }
    }

    /// Where to look.
    fn places<'a>(&'a self, states: &EncoderStates, noted: Option<&'a str>) -> Result<Vec<&'a Path>> {
        if !self.folders.is_empty() {
            return Ok(self.folders.iter().map(PathBuf::as_path).collect());
        }
        let noted = noted.map(Path::new);
        if let Some(folder) = noted.filter(|folder| folder.is_dir()) {
            return Ok(vec![folder]);
        }
        let was = noted.map(|folder| format!(", which was in {}", folder.display())).unwrap_or_default();
        let what =
            format!("reads the states of a {} encoder with digest {}{was}", states.family, states.digest);
        let error = Error::new(ErrorKind::Missing, what);
        Err(error.help(remedy!["name the folder of that encoder with ", Setting::Encoder]))
    }

    fn another(
        &self,
        states: &EncoderStates,
        noted: Option<&str>,
        opened: &BTreeMap<String, Encoder>,
    ) -> Error {
        let found: Vec<String> = opened
            .iter()
            .map(|(digest, encoder)| format!("a {} encoder with digest {digest}", encoder.family()))
            .collect();
        let what = format!(
            "holds {}, not the {} encoder with digest {}",
            found.join(" and "),
            states.family,
            states.digest
        );
        let error = Error::new(ErrorKind::Mismatch, what);
        let place = self.folders.first().cloned().or(noted.map(PathBuf::from));
        let error = match place {
            Some(folder) => error.at(folder),
            None => error,
        };
        error.help(remedy![
            "name the folder of the encoder that the features were computed by with ",
            Setting::Encoder
        ])
    }
}

#[cfg(test)]
mod tests {
    use ser_features::{LayerChoice, Pooling};

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders").join(name)
    }

    #[test]
    fn an_encoder_is_found_by_its_digest_and_another_is_refused() {
        let of = |name: &str| {
            let encoder = Encoder::open(&fixture(name), Device::Cpu).unwrap();
            encoder.features(&LayerChoice::All, Pooling::Mean, 1).unwrap()
        };
        let (wavlm, hubert) = (of("wavlm-base"), of("hubert-base"));
        let (at_wavlm, at_hubert) = (fixture("wavlm-base"), fixture("hubert-base"));
        let noted = at_wavlm.to_str();
        assert!(Encoders::default().extractors(&FeatureConfig::default(), noted).unwrap().is_none());
        assert!(Encoders::default().extractors(&wavlm, noted).unwrap().is_some());
        let both = Encoders::new(vec![at_wavlm.clone(), at_hubert.clone()]);
        assert!(both.extractors(&wavlm, None).unwrap().is_some());
        assert!(both.extractors(&hubert, None).unwrap().is_some());
        let digest = |features: &FeatureConfig| features.encoder.as_ref().unwrap().digest.clone();
        let refused = |encoders: Encoders, noted: Option<&str>| {
            let error = encoders.extractors(&wavlm, noted).unwrap_err();
            (error.kind(), error.to_string())
        };
        let (kind, says) = refused(Encoders::new(vec![at_hubert]), noted);
        assert_eq!(kind, ErrorKind::Mismatch);
        assert!(says.contains(&digest(&wavlm)) && says.contains(&digest(&hubert)), "{says}");
        assert_eq!(refused(Encoders::default(), None).0, ErrorKind::Missing);
        assert!(refused(Encoders::default(), Some("/no/such/folder")).1.contains("/no/such/folder"));
    }
}
