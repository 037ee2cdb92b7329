//! How a run ended.

use std::path::PathBuf;

use ser_core::{Error, ErrorKind, Result};
use ser_model::EpochRecord;
use serde::Serialize;

use crate::run::StillRising;

/// How a run ended. In JSON, an ensemble's has `members` and `checkpoint` alone, and a network's everything but `members`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "Printed")]
pub struct FitSummary {
    /// All epochs; of an ensemble, those of its last member, and likewise below.
    pub history: Vec<EpochRecord>,
    /// Whether `patience` ended it before its last epoch.
    pub stopped_early: bool,
    /// The epoch whose weights were kept.
    pub best_epoch: u32,
    /// What tells that it should have been longer, if anything does.
    pub warning: Option<StillRising>,
    /// Where what was kept is, all of an ensemble together.
    pub checkpoint: PathBuf,
    /// How each member of an ensemble ended; none for a single network.
    pub members: Vec<FitSummary>,
}

impl FitSummary {
    /// How each network ended: each member of an ensemble, or the only one.
    pub fn networks(&self) -> &[Self] {
        if self.members.is_empty() { std::slice::from_ref(self) } else { &self.members }
    }

    /// That of an ensemble of `members`, which is kept at `checkpoint`.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) fn of_ensemble(members: Vec<Self>, checkpoint: PathBuf) -> Result<Self> {
        let last = members.last().cloned();
        let last = last.ok_or_else(|| Error::new(ErrorKind::Usage, "an ensemble needs members"))?;
        Ok(Self { checkpoint, members, ..last })
    }
}

/// What JSON has of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Printed {
    Network {
        history: Vec<EpochRecord>,
        stopped_early: bool,
        best_epoch: u32,
        warning: Option<StillRising>,
        checkpoint: PathBuf,
    },
    Ensemble {
        members: Vec<FitSummary>,
        checkpoint: PathBuf,
    },
}

impl From<FitSummary> for Printed {
    fn from(summary: FitSummary) -> Self {
        let FitSummary { history, stopped_early, best_epoch, warning, checkpoint, members } = summary;
        match members.is_empty() {
            true => Self::Network { history, stopped_early, best_epoch, warning, checkpoint },
            false => Self::Ensemble { members, checkpoint },
        }
    }
}
