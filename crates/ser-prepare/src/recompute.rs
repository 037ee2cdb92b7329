//! Recomputes one tensor from its recording.

use ser_audio::Limits;
use ser_cache::{Checksum, CopySettings, FeatureSet, RowInfo, content_of_segment, key_of, parse_copy_path};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::{Corpora, Segment};
use ser_features::{FeatureConfig, ValueType};

use crate::pipeline::Pipeline;

/// Computes tensors of one feature set from the recordings in the corpora.
pub(super) struct Recomputer<'a> {
    corpora: &'a Corpora,
    configuration: &'a str,
    dtype: ValueType,
    copies: Option<&'a CopySettings>,
    pipeline: Pipeline,
}

impl<'a> Recomputer<'a> {
    /// # Errors
    /// When the configuration of `set` is none that this program knows, or its `copies` were made by another version.
    pub(super) fn new(
        corpora: &'a Corpora,
        set: &'a FeatureSet,
        copies: Option<&'a CopySettings>,
    ) -> Result<Self> {
        let config: FeatureConfig = serde_json::from_str(&set.configuration).map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("feature set {}: {error}", set.id))
        })?;
        let recipe = copies.map(CopySettings::recipe).transpose()?;
        Ok(Self {
            corpora,
            copies,
            configuration: &set.configuration,
            dtype: config.value_type(),
            pipeline: Pipeline::new(&config, recipe.as_ref(), Limits::accepted_before())?,
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
        let copy = self.copies.and_then(|copies| Some((copies, parse_copy_path(source)?)));
        let utterance = copy.map_or(source, |(_, (parent, _))| parent);
        let (_, segment) = Segment::parse_path(utterance);
        // The key stands for the content, the configuration and the extractor's version.
        let file = self.pipeline.read(&self.corpora.location(utterance)?)?;
        let content = content_of_segment(&file, segment.as_ref());
        let key = match copy {
            Some((copies, (_, number))) => copies.key(&content, self.configuration, number),
            None => key_of(&content, self.configuration),
        };
        if key != row.key {
            return Err(Error::new(
                ErrorKind::Mismatch,
                "has changed since, or the tensor is of another version of the extractor",
            ));
        }
        let mut tensor = vec![0.0; self.pipeline.shape().iter().product()];
        let mut random = copy.map(|(copies, (_, number))| copies.random(&content, number));
        let recording = self.pipeline.decode(segment.is_some())?;
        let frames = self.pipeline.tensor(&recording, segment.as_ref(), random.as_mut(), &mut tensor)?.frames;
        if frames == row.frames && Checksum::of_row(&tensor, self.dtype, row.frames) == row.checksum {
            return Ok(tensor);
        }
        Err(Error::new(
            ErrorKind::Mismatch,
            "gives different values on this machine from when it was written",
        ))
    }
}
