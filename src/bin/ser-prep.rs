//! `ser-prep`: recordings in, a tensor cache with split manifests out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ser::prep::main(None)
}
