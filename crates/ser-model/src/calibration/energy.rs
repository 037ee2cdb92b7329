//! How unlike its training a recording is to a network.

/// The energy of an answer, `−ln Σ exp(logit)`: the higher, the less the recording is like what the network has learnt
/// from (W. Liu, X. Wang, J. Owens and Y. Li, "Energy-based out-of-distribution detection", NeurIPS 2020, equation 4, at
/// temperature 1).
///
/// Of an ensemble, or a network of several branches, it is the mean over members and branches, each with its own logits:
/// the log-probabilities that they are averaged to are normalised, and know nothing of energy.
pub fn energy(logits: &[f32]) -> f64 {
    let highest = logits.iter().fold(f64::NEG_INFINITY, |highest, &logit| highest.max(f64::from(logit)));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum();
    -(highest + sum.ln())
}
