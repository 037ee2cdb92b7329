//! The search for a good recipe: trials of `ser-fit`, each a process of its own, in a study that Optuna can open.
//!
//! ```text
//! space ──▶ tpe ──▶ recipe ──▶ ser-fit ──▶ epochs ──▶ pruner
//!            ▲                                          │
//!            └──────────────── journal ◀────────────────┘
//! ```
//!
//! Nothing here needs libtorch, and nothing looks at the test side.

mod child;
mod distribution;
mod epochs;
mod importance;
mod journal;
mod number;
mod objective;
mod operation;
mod outcome;
mod parzen;
mod pruner;
mod recipe;
mod replay;
mod search;
mod setup;
mod space;
mod tpe;
mod trial;

pub use child::{LAUNCH, Trainer, launch};
pub use distribution::Distribution;
pub use importance::importance;
pub use journal::Journal;
pub use objective::{Direction, Objective};
pub use operation::Operation;
pub use outcome::{Outcome, TrialSummary};
pub use pruner::{Pruner, Verdict};
pub use recipe::Recipe;
pub use replay::{Replay, Study};
pub use search::{Event, Search, search};
pub use setup::Setup;
pub use space::Space;
pub use tpe::{STARTUP_TRIALS, suggest};
pub use trial::{Trial, TrialState};
