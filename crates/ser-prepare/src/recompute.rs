//! Recomputes one tensor from its recording.

use ser_audio::{Limits, Loader};
use ser_cache::{Checksum, CopySettings, FeatureSet, RowInfo, Sha, key_of, parse_copy_path};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Corpora;
use ser_features::{Extractor, FeatureConfig};

use crate::copying::Copier;

/// Computes tensors of one feature set from the recordings in the corpora.
pub(super) struct Recomputer<'a> {
    corpora: &'a Corpora,
    configuration: &'a str,
    copier: Option<Copier>,
    loader: Loader,
    extractor: Extractor,
    bytes: Vec<u8>,
}

impl<'a> Recomputer<'a> {
    /// # Errors
    /// When the configuration of `set` is none that this program knows, or its `copies` were made by another version.
    pub(super) fn new(
        corpora: &'a Corpora,
        set: &'a FeatureSet,
        copies: Option<&CopySettings>,
    ) -> Result<Self> {
        let config: FeatureConfig = serde_json::from_str(&set.configuration).map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("feature set {}: {error}", set.id))
        })?;
        Ok(Self {
            corpora,
            copier: copies.map(|copies| Copier::new(copies, &config)).transpose()?,
            configuration: &set.configuration,
            loader: Loader::new(config.sample_rate, config.normalisation, Limits::accepted_before()),
            extractor: Extractor::new(&config)?,
            bytes: Vec::new(),
        })
    }

    /// The tensor of `row`, which is exactly what was written, from the first of `sources` that still has the
    /// content it was computed from.
    ///
    /// # Errors
    /// When none has, each with its reason.
    pub(super) fn tensor(&mut self, row: &RowInfo, sources: &[String]) -> Result<Vec<f32>> {
        let mut reasons = Vec::new();
        for source in sources {
            match self.tensor_from(row, source) {
                Ok(tensor) => return Ok(tensor),
                Err(error) => reasons.push(format!("{source}: {}", error.reason())),
            }
        }
        let what = match reasons.is_empty() {
            true => "its recording is not known".to_owned(),
            false => reasons.join("; "),
        };
        Err(Error::new(ErrorKind::Missing, what))
    }

    fn tensor_from(&mut self, row: &RowInfo, source: &str) -> Result<Vec<f32>> {
        let copy = self.copier.as_mut().and_then(|copier| {
            let (parent, number) = parse_copy_path(source)?;
            Some((copier, parent, number))
        });
        let recording = copy.as_ref().map_or(source, |(_, parent, _)| *parent);
        let path = self.corpora.location(recording)?;
        ser_audio::read_file(&path, &Limits::accepted_before(), &mut self.bytes)?;
        // The key stands for the content, the configuration and the extractor's version.
        let content = Sha::of(&[&self.bytes]);
        let key = match &copy {
            Some((copier, _, number)) => copier.copies().key(&content, self.configuration, *number),
            None => key_of(&content, self.configuration),
        };
        if key != row.key {
            return Err(Error::new(
                ErrorKind::Mismatch,
                "has changed since, or the tensor is of another version of the extractor",
            ));
        }
        let clip = self.loader.load(&mut self.bytes)?;
        let mut tensor = vec![0.0; self.extractor.shape().iter().product()];
        let samples = match copy {
            Some((copier, _, number)) => copier.copy(&content, number, clip.samples)?,
            None => clip.samples,
        };
        let frames = self.extractor.extract(samples, &mut tensor)?.frames;
        if u32::try_from(frames) == Ok(row.frames) && Checksum::of_row(&tensor, row.frames) == row.checksum {
            return Ok(tensor);
        }
        Err(Error::new(
            ErrorKind::Mismatch,
            "gives different values on this machine from when it was written",
        ))
    }
}
