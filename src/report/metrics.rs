//! Metrics of a classification, defined as in scikit-learn.
