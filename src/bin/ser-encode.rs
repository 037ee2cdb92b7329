//! `ser-encode`: what `ser-prep --encoder` runs in its place, since it alone links libtorch.

use std::process::ExitCode;

use ser::prep::{EncoderFeatures, EncoderRequest};
use ser_core::Result;
use ser_encoder::{Encoder, EncoderExtractors};
use ser_train::device;

fn main() -> ExitCode {
    ser::prep::main(Some(&open))
}

/// The features that an encoder computes. Threads work side by side, each on a recording of its own, so libtorch needs no
/// threads beside them; on a GPU they decode while it computes.
fn open(request: EncoderRequest<'_>) -> Result<EncoderFeatures> {
    let EncoderRequest { folder, layers, pooling, dtype, precision, device, max_frames } = request;
    let (device, without_cuda) = device::set_up(device, 1)?;
    let encoder = Encoder::open_in(folder, device, precision)?;
    let features = encoder.features(layers, pooling, dtype, max_frames)?;
    let extractors = EncoderExtractors::new(encoder, &features)?;
    Ok(EncoderFeatures {
        features,
        extractors: Box::new(extractors),
        folder: folder.to_owned(),
        without_cuda,
    })
}
