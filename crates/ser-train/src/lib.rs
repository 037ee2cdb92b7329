//! Networks and their training with libtorch.
//!
//! ```text
//! cache ──▶ batches ──▶ network ──▶ loss ──▶ optimisation      (train)
//!                          │
//!                          └──▶ predictions ──▶ metrics        (evaluate, assess)
//! ```
//!
//! [`train::fit`] trains one network, [`ensemble`] several as one, and [`matrix`] plans runs over protocols and seeds.
//! [`assess`] runs a checkpoint on the test side of its split, [`collect`] many; [`unseen`] on another
//! corpus; [`predict`] on any features. [`finetune`] is about networks that begin with a pretrained encoder. What a run leaves in its folder is in
//! [`run`].

pub mod assess;
pub mod batches;
mod calibrate;
mod carried_encoder;
mod checkpoint_size;
pub mod collect;
mod compatibility;
pub mod device;
pub mod domain;
pub mod ensemble;
pub mod evaluate;
pub mod finetune;
mod foreign;
mod heard;
mod material;
pub mod matrix;
pub mod network;
pub mod optimisation;
pub mod predict;
pub mod run;
pub mod state;
pub mod train;
pub mod trained;
pub mod unseen;

/// The examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
