//! The commands without object stores.

use crate::common::ser_prep;

#[test]
fn a_program_without_object_stores_refuses_them_and_says_how_to_get_them() {
    let out = tempfile::tempdir().unwrap();
    let ran = ser_prep(["--data", "s3://bucket/corpus", "--out", out.path().join("cache").to_str().unwrap()])
        .ends(1);
    let says = "s3://bucket/corpus: lies in an object store, which this program cannot read; build it with the feature stores";
    assert!(ran.stderr.contains(says), "{ran:?}");
}
