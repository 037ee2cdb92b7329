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
mod sampling;
mod search;
mod space;
mod study;

pub use base_recipe::BaseRecipe;
pub use sampling::distribution::Distribution;
pub use sampling::tpe::suggest;
pub use search::child::{LAUNCH, TrialRunner, launch};
pub use search::summary::{StudySummary, TrialSummary};
pub use search::{Search, SearchEvent, search};
pub use space::Space;
pub use study::journal::Journal;
pub use study::objective::{Direction, Objective};
pub use study::operation::Operation;
pub use study::pruner::{Pruner, PrunerDecision};
pub use study::replay::{Replay, Study};
pub use study::setup::SearchSetup;
pub use study::trial::{Trial, TrialState};
