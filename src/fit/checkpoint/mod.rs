//! Checkpoints: PyTorch files, written and read without executing anything.
