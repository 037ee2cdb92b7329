//! A sum whose value is known, before any that matters.

use ser_core::{Error, ErrorKind, Result};
use ser_torch::Result as TorchResult;
use tch::{Device, Kind, Tensor};

use super::Ranks;

/// Numbers of the self-test.
const TESTED: i64 = 1000;

impl Ranks {
    /// Adds up numbers on `device` whose sum is known, forwards and backwards: c10d's own layout in memory is what could be wrong.
    pub(super) fn test_itself(&self, device: Device) -> Result<()> {
        let wrong = |found: f64, expected: f64| {
            let what = format!("the self-test of the ranks gave {found} in the place of {expected}");
            Error::new(ErrorKind::Unsupported, what)
                .help("build ser with the libtorch that it runs with, and start all ranks with it")
        };
        let test = || -> TorchResult<[f64; 2]> {
            let options = (Kind::Double, device);
            let value = Tensor::f_arange(TESTED, options)?.f_mul_scalar(f64::from(self.rank + 1))?;
            let value = value.f_set_requires_grad(true)?;
            let sum = self.sum_differentiably(&value)?;
            let loss = sum.f_mul_scalar(f64::from(self.rank + 1))?.f_sum(Kind::Double)?;
            let gradient = Tensor::f_run_backward(&[&loss], &[&value], false, false)?;
            Ok([sum.f_double_value(&[TESTED - 1])?, gradient[0].f_double_value(&[TESTED - 1])?])
        };
        // 1 + 2 + … + n of the last number, and of the gradient of each rank's loss.
        let times = f64::from(self.count) * f64::from(self.count + 1) / 2.0;
        let found = test()?;
        for (found, expected) in found.into_iter().zip([times * (TESTED - 1) as f64, times]) {
            if found != expected {
                return Err(wrong(found, expected));
            }
        }
        Ok(())
    }
}
