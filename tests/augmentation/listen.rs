//! `ser-prep --listen`: examples that can be heard and seen.

use std::fs;

use crate::common::{contents, ser_prep, speech};

#[test]
fn examples_are_written_for_each_class_and_speaker_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (data, listen) = (folder.path().join("corpus"), folder.path().join("listen"));
    speech(&data, 2);
    let (data, place) = (data.display().to_string(), listen.display().to_string());
    let one_step = folder.path().join("gain.toml").display().to_string();
    fs::write(&one_step, "[[waveform]]\nkind = 'gain'\ndb = 3").unwrap();
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/augmentation.toml");
    let arguments = ["--data", &data, "--listen", &place, "--augment", recipe, "--augment-seed", "4"];
    let ran = ser_prep(arguments).ends(0);
    assert!(ran.stdout.contains("98 examples"), "{}", ran.stdout);
    let written = contents(&listen);
    // Seven classes, two speakers; the original, five steps, the whole recipe; a sound and a picture of each; a page.
    assert_eq!(written.len(), 14 * 7 * 2 + 1);
    let page = String::from_utf8(written["index.html"].clone()).unwrap();
    assert!(
        page.contains("vtlp × ") && page.contains("pitch-shift ") && page.contains("OAF_angry/"),
        "{page}"
    );
    for (name, bytes) in &written {
        if let Some(stem) = name.strip_suffix(".wav") {
            assert!(page.contains(&format!("src=\"{name}\"")), "{name}");
            assert_eq!(bytes.len(), 44 + u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize);
            let peak =
                bytes[44..].as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b).unsigned_abs()).max();
            assert!((31_000..31_300).contains(&peak.unwrap()), "{name}: {peak:?}");
            check_picture(&written[&format!("{stem}.png")], (bytes.len() - 44) / 2);
        }
    }
    // The same again, since the page is ours; nothing else is overwritten.
    ser_prep(arguments).ends(0);
    assert_eq!(contents(&listen), written);
    fs::write(listen.join("mine.txt"), "kept").unwrap();
    ser_prep(["--data", &data, "--listen", &place, "--augment", &one_step]).ends(0);
    let shorter = contents(&listen);
    assert_eq!(
        shorter.len(),
        14 * 2 * 2 + 2,
        "what the page no longer shows is gone, and what is not its own stays"
    );
    let refused = ser_prep(["--data", &data, "--listen", &format!("{data}/examples")]).ends(1);
    assert!(refused.stderr.contains("would be taken for recordings"), "{}", refused.stderr);
    assert!(!std::path::Path::new(&data).join("examples").exists());
    let parent = folder.path().display().to_string();
    let refused = ser_prep(["--data", &data, "--listen", &parent]).ends(1);
    assert!(refused.stderr.contains("holds other files"), "{}", refused.stderr);
    let cache = folder.path().join("cache").display().to_string();
    ser_prep(["--data", &data, "--out", &cache, "--quiet"]).ends(0);
    let refused = ser_prep(["--data", &data, "--listen", &cache]).ends(1);
    assert!(refused.stderr.contains("is a cache"), "{}", refused.stderr);
}

/// A picture of the mel spectrogram of `samples` samples: 2 × 2 pixels for each frame and band, from dark to bright.
fn check_picture(png: &[u8], samples: usize) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let picture = reader.next_frame(&mut pixels).unwrap();
    reader.finish().unwrap();
    let features = ser_features::FeatureConfig::default();
    let frames = samples / features.hop_length + 1;
    assert_eq!((picture.width, picture.height), (2 * frames as u32, 2 * features.n_mels as u32));
    assert_eq!(picture.color_type, png::ColorType::Rgb);
    let (rows, width) = (pixels.as_chunks::<3>().0, 2 * frames);
    let bright = |pixel: &[u8; 3]| pixel.iter().map(|value| u32::from(*value)).sum::<u32>();
    let (darkest, brightest) = (rows.iter().map(bright).min(), rows.iter().map(bright).max());
    // The loudest place is as bright as can be; how dark the quietest is depends on the noise that was added.
    assert_eq!(brightest, Some(252 + 253 + 191));
    assert!(darkest < Some(600), "{darkest:?}");
    for (index, pixel) in rows.iter().enumerate() {
        let (row, column) = (index / width, index % width);
        assert_eq!(*pixel, rows[row / 2 * 2 * width + column / 2 * 2], "{column}, {row}");
    }
}

#[test]
fn without_a_recipe_there_is_an_example_of_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let (data, listen) = (folder.path().join("corpus"), folder.path().join("listen"));
    speech(&data, 1);
    for class in fs::read_dir(&data).unwrap().flatten() {
        // Three recordings make a class; one speaker and two classes are enough here.
        let name = class.file_name().into_string().unwrap();
        if !name.ends_with("angry") && !name.ends_with("sad") {
            fs::remove_dir_all(class.path()).unwrap();
        }
    }
    ser_prep(["--data", &data.display().to_string(), "--listen", &listen.display().to_string(), "-q"])
        .ends(0);
    let page = fs::read_to_string(listen.join("index.html")).unwrap();
    for kind in ser_features::augmentation::Waveform::KINDS {
        assert!(page.contains(kind), "{kind}");
    }
    assert!(page.contains("babble of 4"), "{page}");
}
