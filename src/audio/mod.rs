//! Recordings to mono samples at one rate: decode, mix down, resample, normalise.
