//! A TESS-shaped corpus of synthetic speech, for demonstrations and tests.
