//! Samples to MFCC, Δ and ΔΔ: pure functions.
