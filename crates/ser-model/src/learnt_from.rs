//! What a network has heard: so that a recording it has learnt from is not taken for a test of it.

use std::collections::BTreeSet;

use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::{Checkpoint, Tensor, Value};

/// Its name in a checkpoint.
const LEARNT_FROM: &str = "learnt_from";

/// The name of [`LearntFrom::typical_frames`] in it.
const TYPICAL_FRAMES: &str = "typical_frames";

/// The name of [`LearntFrom::typical_ms`] in it.
const TYPICAL_MS: &str = "typical_ms";

/// The start of a sound's digest, by which it is recognised. Of a million sounds two have the same one with a probability
/// of 3 in 100 million.
pub type SoundDigest = [u8; 8];

/// The sounds and speakers that a network was trained and validated on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LearntFrom {
    /// Those that its weights were learnt from.
    pub training: Heard,
    /// Those that its epoch and calibration were chosen by.
    pub validation: Heard,
    /// Frames of a training utterance, the median; `None` in checkpoints from before it was kept.
    pub typical_frames: Option<u32>,
    /// Milliseconds of a training utterance, the median, where its features have one frame and do not tell.
    pub typical_ms: Option<u32>,
}

/// Sounds and speakers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The start of the XXH3-128 of each recording's decoded samples, as in the cache; of augmented copies, that of none.
    pub sounds: BTreeSet<SoundDigest>,
    /// Names of the speakers that are known.
    pub speakers: BTreeSet<String>,
}

impl LearntFrom {
    /// As a checkpoint carries it: `docs/checkpoint.md` specifies the entry.
    ///
    /// # Errors
    /// None but for sizes beyond reason.
    pub fn to_entry(&self) -> Result<(String, Value)> {
        let sounds = |heard: &Heard| {
            let bytes: Vec<u8> = heard.sounds.iter().flatten().copied().collect();
            Tensor::from_u8(&[heard.sounds.len(), 8], &bytes).map(Value::Tensor)
        };
        let speakers = |heard: &Heard| {
            Value::List(heard.speakers.iter().map(|name| Value::from(name.as_str())).collect())
        };
        let mut entry = vec![
            ("training_sounds", sounds(&self.training)?),
            ("training_speakers", speakers(&self.training)),
            ("validation_sounds", sounds(&self.validation)?),
            ("validation_speakers", speakers(&self.validation)),
        ];
        for (name, value) in [(TYPICAL_FRAMES, self.typical_frames), (TYPICAL_MS, self.typical_ms)] {
            entry.extend(value.map(|value| (name, Value::Int(value.into()))));
        }
        Ok((LEARNT_FROM.to_owned(), Value::dict(entry)))
    }

    /// That of `checkpoint`; `None` if it has none, as those from before it was kept.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] where it lacks a part or has one of the wrong type.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        let Some(entry) = checkpoint.extra(LEARNT_FROM) else { return Ok(None) };
        let number =
            |name: &str| entry.get(name).and_then(Value::as_int).and_then(|value| u32::try_from(value).ok());
        Ok(Some(Self {
            training: Heard::of(entry, "training")?,
            validation: Heard::of(entry, "validation")?,
            typical_frames: number(TYPICAL_FRAMES),
            typical_ms: number(TYPICAL_MS),
        }))
    }
}

impl Heard {
    fn of(entry: &Value, side: &str) -> Result<Self> {
        let lacks = |what: &str| {
            Error::new(ErrorKind::Damaged, format!("has a `{LEARNT_FROM}` without valid {side}_{what}"))
        };
        let sounds = entry.get(&format!("{side}_sounds")).and_then(Value::as_tensor);
        let sounds =
            sounds.filter(|sounds| matches!(sounds.shape(), [_, 8])).ok_or_else(|| lacks("sounds"))?;
        let bytes = sounds.to_u8().map_err(|_| lacks("sounds"))?;
        let speakers = entry.get(&format!("{side}_speakers")).and_then(Value::as_list);
        let speakers = speakers.ok_or_else(|| lacks("speakers"))?;
        Ok(Self {
            sounds: bytes.as_chunks().0.iter().copied().collect(),
            speakers: (speakers.iter())
                .map(|name| name.as_text().map(str::to_owned).ok_or_else(|| lacks("speakers")))
                .collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(extra: Vec<(String, Value)>) -> Checkpoint {
        Checkpoint { labels: vec!["a".to_owned()], config: "{}".to_owned(), model_state: Vec::new(), extra }
    }

    #[test]
    fn what_is_kept_in_a_checkpoint_comes_back_as_it_was() {
        let training = Heard {
            sounds: [[1, 2, 3, 4, 5, 6, 7, 8], [0; 8]].into(),
            speakers: ["OAF".to_owned(), "嬉".to_owned()].into(),
        };
        let validation = Heard::default();
        let learnt = LearntFrom { training, validation, typical_frames: Some(125), typical_ms: Some(2_000) };
        let bytes = checkpoint(vec![learnt.to_entry().unwrap()]).to_bytes().unwrap();
        assert_eq!(LearntFrom::of(&Checkpoint::from_bytes(&bytes).unwrap()).unwrap(), Some(learnt));
        assert_eq!(LearntFrom::of(&checkpoint(Vec::new())).unwrap(), None);
    }

    #[test]
    fn an_entry_of_the_wrong_shape_is_damaged() {
        let tensor = Value::Tensor(Tensor::from_u8(&[2, 4], &[0; 8]).unwrap());
        for entry in [Value::Int(1), Value::dict([("training_sounds", tensor)])] {
            let error = LearntFrom::of(&checkpoint(vec![(LEARNT_FROM.to_owned(), entry)])).unwrap_err();
            assert_eq!(error.to_string(), "has a `learnt_from` without valid training_sounds");
        }
    }
}
