//! ser-prep
fn main() {}
