//! The search for a good recipe: trials of `ser-fit`, each a process of its own, in a study that Optuna can open.
//!
//! ```text
//! space ──▶ tpe ──▶ recipe ──▶ ser-fit ──▶ metrics.jsonl ──▶ pruner
//!            ▲                                                 │
//!            └──────────────────── journal ◀───────────────────┘
//! ```
//!
//! [`search`] runs until a study has its trials: its workers take what [`suggest`] draws from a [`Space`], train it by a
//! [`TrialRunner`], stop it where the [`Pruner`] says so, and record everything in the [`Journal`], which is also the
//! history that [`suggest`] learns from. [`StudySummary`] is what came out.
//!
//! ```
//! use ser_tune::{Direction, Space, suggest};
//!
//! # fn main() -> ser_core::Result<()> {
//! let space = Space::parse("lr = { log_float = [1e-4, 1e-2] }\nbatch_size = { int = [8, 64], step = 8 }")?;
//! let first = suggest(&space, Direction::Maximize, 0, 0, std::iter::empty());
//! let (distribution, batch_size) = &first["batch_size"];
//! assert!(distribution.contains(*batch_size));
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here needs libtorch, and nothing looks at the test side: there is no objective of it.

mod base_recipe;
mod check;
mod child;
mod distribution;
mod entry;
mod importance;
mod journal;
mod operation;
mod parzen;
mod pruner;
mod python_json;
mod replay;
mod search;
mod setup;
mod space;
mod split_training;
mod summary;
mod tpe;
mod training;
mod trial;
mod trial_folder;
mod worker;

pub use base_recipe::BaseRecipe;
pub use child::{LAUNCH, TrialRunner, launch};
pub use distribution::Distribution;
pub use journal::Journal;
pub use operation::Operation;
pub use pruner::{Pruner, PrunerDecision};
pub use replay::{Replay, Study};
pub use search::{Search, SearchEvent, search};
pub use setup::{Direction, Objective, SearchSetup};
pub use space::Space;
pub use summary::{StudySummary, TrialSummary};
pub use tpe::suggest;
pub use trial::{Trial, TrialState};
