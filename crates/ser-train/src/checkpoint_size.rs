//! Whether the checkpoints of a run can be written, said before anything is trained.

use ser_core::{Error, ErrorKind, Result};
use ser_model::checkpoint::MAX_FILE_BYTES;
use ser_model::network::Architecture;
use ser_model::{Averaging, FitConfig};

/// Of the largest file, what names and plain values may take.
const BESIDE_WEIGHTS: u64 = 16 << 20;

/// Refuses a network of which a checkpoint would be too large: that to go on from, with two moments of Adam and an average beside
/// the weights; the best one, with an encoder of so many `carried` bytes; or the joined one of an ensemble.
///
/// # Errors
/// As said.
pub(crate) fn check(architecture: &Architecture, config: &FitConfig, carried: usize) -> Result<()> {
    let weights = architecture.n_parameters()?.saturating_mul(4);
    let copies = 3 + u64::from(config.averaging != Averaging::None);
    let newest = weights.saturating_mul(copies);
    let best = weights.saturating_mul(u64::from(config.members)).saturating_add(carried as u64);
    let (largest, most) = (newest.max(best), MAX_FILE_BYTES as u64 - BESIDE_WEIGHTS);
    if largest <= most {
        return Ok(());
    }
    let what = format!(
        "its checkpoints would take {} MB, and one takes {} MB at most: there are {} MB of weights that learn",
        largest >> 20,
        most >> 20,
        weights >> 20
    );
    let help = match (newest > most, carried > 0) {
        (true, _) => "let fewer of an encoder's tensors learn, or make the network smaller",
        (false, true) => "let the checkpoint carry no encoder, or train fewer members",
        (false, false) => "train fewer members",
    };
    Err(Error::new(ErrorKind::Limit, what).help(help))
}

#[cfg(test)]
mod tests {
    use ser_model::network::{CnnBilstmConfig, NetworkConfig};

    use super::*;

    #[test]
    fn what_is_too_large_is_known_from_the_sizes() {
        let of = |hidden: u32| {
            let network = NetworkConfig::new(CnnBilstmConfig { hidden, ..CnnBilstmConfig::default() });
            Architecture::new(&network, [3, 40, 200], 7).unwrap()
        };
        let plain = FitConfig::default();
        let (small, large) = (of(128), of(3000));
        check(&small, &plain, 0).unwrap();
        // 3 × 372 MB.
        let error = check(&large, &plain, 0).unwrap_err().to_string();
        assert!(error.contains("make the network smaller"), "{error}");
        let many = FitConfig { members: 400, ..FitConfig::default() };
        let error = check(&small, &many, 0).unwrap_err().to_string();
        assert!(error.ends_with("train fewer members"), "{error}");
        let error = check(&small, &plain, MAX_FILE_BYTES - (17 << 20)).unwrap_err().to_string();
        assert!(error.contains("carry no encoder"), "{error}");
    }
}
