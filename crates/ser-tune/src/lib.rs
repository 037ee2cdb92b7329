//! The search for a good recipe: trials of `ser-fit`, each a process of its own, in a study that Optuna can open.
//!
//! ```text
//! space ──▶ tpe ──▶ recipe ──▶ ser-fit ──▶ epochs ──▶ pruner
//!            ▲                                          │
//!            └──────────────── journal ◀────────────────┘
//! ```
//!
//! Nothing here needs libtorch, and nothing looks at the test side.

mod base_recipe;
mod check;
mod child;
mod condition;
mod distribution;
mod entry;
mod epochs;
mod importance;
mod journal;
mod number;
mod objective;
mod operation;
mod outcome;
mod parzen;
mod pruner;
mod replay;
mod search;
mod setup;
mod space;
mod tpe;
mod training;
mod trial;
mod trial_folder;
mod worker;

pub use base_recipe::BaseRecipe;
pub use child::{LAUNCH, TrialRunner, launch};
pub use condition::Condition;
pub use distribution::Distribution;
pub use importance::importance;
pub use journal::Journal;
pub use objective::{Direction, Objective};
pub use operation::Operation;
pub use outcome::{StudySummary, TrialSummary};
pub use pruner::{Pruner, PrunerDecision};
pub use replay::{Replay, Study};
pub use search::{Search, SearchEvent, search};
pub use setup::SearchSetup;
pub use space::Space;
pub use tpe::{STARTUP_TRIALS, suggest};
pub use trial::{Trial, TrialState};
