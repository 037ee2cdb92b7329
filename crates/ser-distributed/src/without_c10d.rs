//! What stands in the place of c10d in a build without it: a group that cannot be made.

use std::time::Duration;

use ser_core::{Error, ErrorKind, Result};
use ser_torch::Result as TorchResult;
use tch::Tensor;

use crate::environment::Environment;

/// No group.
#[derive(Debug)]
pub(crate) enum Group {}

impl Group {
    /// # Errors
    /// Always.
    pub(crate) fn meet(environment: &Environment) -> Result<Self> {
        let what = format!("this is one of {} processes that are to train together", environment.count);
        Err(Error::new(ErrorKind::Unsupported, format!("{what}, and this build of ser cannot do that"))
            .help("build it with the feature `distributed`, or start one process"))
    }

    pub(crate) fn connect(&self, _environment: &Environment) -> Result<()> {
        match *self {}
    }

    pub(crate) fn connect_gpus(&self, _rank: u32, _count: u32) -> Result<()> {
        match *self {}
    }

    pub(crate) fn gpu(_index: usize) -> Option<String> {
        None
    }

    pub(crate) fn set(&self, _key: &str, _value: &[u8]) -> Result<()> {
        match *self {}
    }

    pub(crate) fn get(&self, _key: &str, _patience: Duration) -> Result<Vec<u8>> {
        match *self {}
    }

    pub(crate) fn count(&self, _key: &str) -> Result<u64> {
        match *self {}
    }

    pub(crate) fn sum(&self, _value: &Tensor) -> TorchResult<Tensor> {
        match *self {}
    }
}
