//! An utterance while steps are applied to it.

use std::any::Any;
use std::fmt;

use ser_core::Result;
use ser_core::random::Random;

use crate::augmentation::voice::{VoiceChange, VoiceChanger, VoicePass};

/// Where babble comes from: gives the samples of another utterance at the augmenter's sample rate, chosen with the
/// generator; `None` if there is no other.
///
/// It may give training utterances only; the caller ensures that.
pub type Babble<'a> = dyn FnMut(&mut Random) -> Option<Vec<f32>> + 'a;

/// An utterance that a step is applied to.
pub struct Sound<'a> {
    pub(super) samples: &'a mut Vec<f32>,
    pub(super) random: &'a mut Random,
    pub(super) babble: &'a mut Babble<'a>,
    pub(super) tools: &'a mut Tools,
}

/// What a step works on and with.
pub struct Parts<'a> {
    /// Mono, never empty. Their peak is at most 1 before the first step; no step needs to keep it there.
    pub samples: &'a mut Vec<f32>,
    /// In Hz.
    pub sample_rate: u32,
    /// Draws for this step alone.
    pub random: &'a mut Random,
    /// Other utterances, for steps that mix them in.
    pub babble: &'a mut Babble<'a>,
    /// Tables and buffers that are kept from one utterance to the next.
    pub workspaces: &'a mut Workspaces,
}

impl Sound<'_> {
    /// The samples, with everything done to them that was asked for before.
    ///
    /// # Errors
    /// None that finite samples could cause.
    pub fn samples(&mut self) -> Result<&mut Vec<f32>> {
        self.tools.change_voice(self.samples)?;
        Ok(self.samples)
    }

    /// The samples as by [`samples`](Self::samples), and beside them what a step needs to work on them.
    ///
    /// # Errors
    /// None that finite samples could cause.
    pub fn parts(&mut self) -> Result<Parts<'_>> {
        self.tools.change_voice(self.samples)?;
        Ok(Parts {
            samples: self.samples,
            sample_rate: self.tools.sample_rate,
            random: self.random,
            babble: self.babble,
            workspaces: &mut self.tools.workspaces,
        })
    }

    /// Has the voice changed. Neighbouring changes are made in one pass over the samples, before the next step that works
    /// on them.
    ///
    /// # Errors
    /// None that finite samples could cause.
    pub fn change_voice(&mut self, change: VoiceChange) -> Result<()> {
        // An equaliser comes last in a pass, so what moves formants after one needs a pass of its own.
        let moves_formants = matches!(change, VoiceChange::Pitch { .. } | VoiceChange::Formants { .. });
        if moves_formants && self.tools.pending.as_ref().is_some_and(VoicePass::has_equalisers) {
            self.tools.change_voice(self.samples)?;
        }
        self.tools.pending.get_or_insert_default().add(change);
        Ok(())
    }
}

impl fmt::Debug for Sound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sound").field("tools", self.tools).finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("sample_rate", &self.sample_rate).finish_non_exhaustive()
    }
}

/// What an augmenter keeps from one step, and one utterance, to the next.
#[derive(Debug)]
pub(super) struct Tools {
    sample_rate: u32,
    voice: VoiceChanger,
    workspaces: Workspaces,
    /// What the next pass over the voice is to change.
    pending: Option<VoicePass>,
    /// What that pass writes to.
    between: Vec<f32>,
}

impl Tools {
    pub(super) fn new(sample_rate: u32) -> Self {
        Self {
            sample_rate,
            voice: VoiceChanger::new(sample_rate),
            workspaces: Workspaces::default(),
            pending: None,
            between: Vec::new(),
        }
    }

    /// Forgets what is pending, after an error.
    pub(super) fn reset(&mut self) {
        self.pending = None;
    }

    /// Runs the pending pass, if there is one.
    pub(super) fn change_voice(&mut self, samples: &mut Vec<f32>) -> Result<()> {
        if let Some(pass) = self.pending.take() {
            self.voice.process(&pass, samples, &mut self.between)?;
            std::mem::swap(samples, &mut self.between);
        }
        Ok(())
    }
}

/// Tables and buffers of the kinds of augmentation, one of each type, made when first asked for.
#[derive(Default)]
pub struct Workspaces(Vec<Box<dyn Any + Send + Sync>>);

impl Workspaces {
    /// The workspace of type `T`; `make` makes it the first time. What a step leaves in it must not change what another
    /// one does.
    pub fn get<T: Any + Send + Sync>(&mut self, make: impl FnOnce() -> T) -> &mut T {
        let index = self.0.iter().position(|workspace| workspace.is::<T>()).unwrap_or_else(|| {
            self.0.push(Box::new(make()));
            self.0.len() - 1
        });
        #[expect(clippy::expect_used, reason = "the type at this place was asked for or put there just now")]
        self.0[index].downcast_mut().expect("a workspace is of its type")
    }
}

impl fmt::Debug for Workspaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workspaces").field(&self.0.len()).finish()
    }
}
