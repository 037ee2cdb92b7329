//! `tract-answers MODEL CLIP…`: what tract computes with an exported model, a line of all its outputs for each clip.
//!
//! Clips are little-endian f32 samples. The model is loaded once, with the number of samples as a symbol; a clip behind
//! `--fixed` has one made for its own length.

use std::error::Error;
use std::path::Path;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::dims;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let model = arguments.next().ok_or("usage: tract-answers MODEL [--fixed] CLIP…")?;
    let fixed = arguments.next_if(|argument| argument == "--fixed").is_some();
    let load = |samples: Option<usize>| -> TractResult<_> {
        let model = tract_onnx::onnx().model_for_path(&model)?;
        let length = samples.map_or_else(|| model.symbols.sym("N").to_dim(), |count| count.to_dim());
        model.with_input_fact(0, f32::fact(dims!(1, length)).into())?.into_optimized()?.into_runnable()
    };
    let any_length = if fixed { None } else { Some(load(None)?) };
    for clip in arguments {
        let bytes = std::fs::read(Path::new(&clip))?;
        let samples: Vec<f32> = bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect();
        let count = samples.len();
        let input: Tensor = tract_ndarray::Array2::from_shape_vec((1, count), samples)?.into();
        let answer = match &any_length {
            Some(model) => model.run(tvec!(input.into()))?,
            None => load(Some(count))?.run(tvec!(input.into()))?,
        };
        let mut texts: Vec<String> = Vec::new();
        for output in &answer {
            texts.extend(output.to_plain_array_view::<f32>()?.iter().map(|number| format!("{number:?}")));
        }
        println!("{}", texts.join(" "));
    }
    Ok(())
}
