//! A study: how it is set up, its trials and their journal, which Optuna can open.

pub(crate) mod journal;
pub(crate) mod objective;
pub(crate) mod operation;
pub(crate) mod pruner;
pub(crate) mod python_json;
pub(crate) mod replay;
pub(crate) mod setup;
pub(crate) mod trial;
