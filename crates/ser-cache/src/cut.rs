//! What a feature set leaves out of recordings that are longer than its tensors.

use std::fmt;

use ser_core::text::thousands;
use serde::Serialize;

use crate::RowInfo;

/// Recordings whose end is not in their tensor, and how much of all sound that is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CutFrames {
    /// Recordings that lose their end.
    pub recordings: usize,
    /// Of how many.
    pub of: usize,
    /// Frames that are left out / all frames of all recordings.
    pub share: f64,
    /// Frames of a tensor that would hold every recording.
    pub longest: u32,
}

impl CutFrames {
    /// Of these recordings; `None` if none is cut.
    pub fn of<'a>(rows: impl Iterator<Item = &'a RowInfo>) -> Option<Self> {
        let (mut recordings, mut of, mut longest, mut cut, mut all) = (0, 0, 0, 0_u64, 0_u64);
        for RowInfo { frames, frames_cut, .. } in rows {
            let whole = frames.saturating_add(*frames_cut);
            of += 1;
            recordings += usize::from(*frames_cut > 0);
            longest = whole.max(longest);
            cut += u64::from(*frames_cut);
            all += u64::from(whole);
        }
        (recordings > 0).then(|| Self { recordings, of, share: cut as f64 / all.max(1) as f64, longest })
    }
}

/// "1,386 of 1,440 recordings lose their end, 22.5 % of the sound; 329 frames would hold all of it".
impl fmt::Display for CutFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recordings, of, share, longest } = self;
        let lose = if *of == 1 { "recording loses its" } else { "recordings lose their" };
        let percent = match share * 100.0 {
            small if small < 0.05 => "less than 0.1".to_owned(),
            percent => format!("{percent:.1}"),
        };
        write!(
            f,
            "{} of {} {lose} end, {percent} % of the sound; {longest} frames would hold all of it",
            thousands(*recordings as u64),
            thousands(*of as u64),
        )
    }
}

#[cfg(test)]
mod tests {
    use ser_features::ValueType;

    use super::*;
    use crate::{Checksum, Sha, TensorSource};

    fn row(frames: u32, frames_cut: u32) -> RowInfo {
        let sound = Checksum::of_row(&[], ValueType::F32, 0);
        let container = ser_audio::Container::Wav;
        let source = TensorSource {
            sample_rate: 16_000,
            channels: crate::SourceChannels::new(1, None),
            container,
            samples: 1,
            sound,
        };
        RowInfo { key: Sha::of(&[]), frames, frames_cut, checksum: sound, source }
    }

    #[test]
    fn what_is_cut_is_a_share_of_all_frames_and_the_longest_recording_needs_most() {
        let rows = [row(200, 100), row(150, 0), row(200, 50)];
        let cut = CutFrames::of(rows.iter()).unwrap();
        assert_eq!((cut.recordings, cut.of, cut.longest), (2, 3, 300));
        assert!((cut.share - 150.0 / 700.0).abs() < 1e-12);
        let words = "2 of 3 recordings lose their end, 21.4 % of the sound; 300 frames would hold all of it";
        assert_eq!(cut.to_string(), words);
        assert_eq!(CutFrames::of(rows[1..2].iter()), None);
    }
}
