//! What is found in the audio: in each recording by itself, and in what all of them have in common or one has unlike all others.

use std::collections::BTreeMap;
use std::fmt::Display;

use ser_core::text::thousands;

use crate::Segment;
use crate::doctor::collector::FindingCollector;
use crate::doctor::outliers::{far_speakers, unusual_lengths};
use crate::doctor::recording::Sound;
use crate::doctor::sameness::{Shared, shared_length, shared_peak};
use crate::doctor::{CorpusStatistics, FindingKind, dbfs};

/// A rate, or a number of channels, that this share of the recordings has is what is usual, in percent.
const USUAL_PERCENT: usize = 80;

/// Below this peak, in dB relative to full scale, a recording is nearly silent: ten bits of sixteen are unused.
const NEARLY_SILENT_DBFS: f64 = -60.0;

/// Above this share, there is more silence before and after the sound than sound.
const SILENT_SHARE: f64 = 0.5;

/// A mean that is both above −60 dB and above a quarter of the root mean square is a DC offset. A smaller share may
/// be chance: noise of 500 samples reaches a tenth once in fifty times.
const DC_LEAST: f32 = 0.001;
const DC_SHARE_OF_RMS: f32 = 0.25;

/// Adds all that is found in the audio.
pub(super) fn find(findings: &mut FindingCollector<'_>, numbers: &CorpusStatistics) {
    find_unusable(findings);
    find_other_formats(findings, numbers);
    for (index, examined, sound) in findings.sounds() {
        find_in_file(findings, index, &examined.path, sound);
        find_in_levels(findings, index, sound);
    }
    find_sameness(findings);
    find_unusual_lengths(findings);
    find_far_speakers(findings);
}

/// What cannot be used, and why.
fn find_unusable(findings: &mut FindingCollector<'_>) {
    for (index, examined) in findings.examined.iter().enumerate() {
        if let Err(reason) = &examined.sound {
            findings.add_about(index, reason.kind, &reason.text);
        } else if let Err(reason) = &examined.annotation {
            findings.add_about(index, FindingKind::Unlabelled, reason);
        }
    }
}

/// Rates and numbers of channels other than the usual ones.
fn find_other_formats(findings: &mut FindingCollector<'_>, numbers: &CorpusStatistics) {
    let rate = usual(findings, &numbers.sample_rates, FindingKind::OtherRate, "sample rate", " Hz");
    let channels = usual(findings, &numbers.channels, FindingKind::OtherChannels, "number of channels", "");
    for (index, _, sound) in findings.sounds() {
        let recording = &sound.recording;
        if let Some(usual) = rate.filter(|usual| *usual != recording.sample_rate) {
            let [own, usual] = [recording.sample_rate, usual].map(|rate| thousands(u64::from(rate)));
            findings.add_about(index, FindingKind::OtherRate, format!("{own} Hz, most have {usual} Hz"));
        }
        if let Some(usual) = channels.filter(|usual| *usual != recording.channels) {
            let text = format!("{}, most have {usual}", recording.channels);
            findings.add_about(index, FindingKind::OtherChannels, text);
        }
    }
}

/// What nearly all have. Where nothing is, one item says so.
fn usual<T: Copy + Display>(
    findings: &mut FindingCollector<'_>,
    counts: &BTreeMap<T, usize>,
    kind: FindingKind,
    what: &str,
    unit: &str,
) -> Option<T> {
    let all: usize = counts.values().sum();
    let (usual, count) = counts.iter().max_by_key(|(_, count)| **count)?;
    if *count * 100 >= all * USUAL_PERCENT {
        return Some(*usual);
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(value, count)| format!("{} have {value}{unit}", thousands(*count as u64)))
        .collect();
    findings.add_about_all(kind, format!("no {what} predominates: {}", counts.join(", ")));
    None
}

/// How the file at `path` and its channels are odd.
fn find_in_file(findings: &mut FindingCollector<'_>, index: usize, path: &str, sound: &Sound) {
    let recording = &sound.recording;
    if let Some(only) = recording.only_channel {
        let text = format!("channel {only} of {} is used", recording.channels);
        findings.add_about(index, FindingKind::OppositePhase, text);
    }
    let (file, _) = Segment::parse_path(path);
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let extensions = recording.container.extensions();
    if !extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)) {
        let text = format!("is {} inside .{extension}", recording.container);
        findings.add_about(index, FindingKind::Disguised, text);
    }
}

/// How the samples of a recording are odd.
fn find_in_levels(findings: &mut FindingCollector<'_>, index: usize, sound: &Sound) {
    let (recording, levels) = (&sound.recording, &sound.levels);
    if levels.clipped_samples > 0 {
        let at = levels.first_clipped as f64 / f64::from(recording.sample_rate.max(1));
        let text = format!(
            "{} samples at full scale in runs of up to {}, the first at {at:.3} s",
            thousands(levels.clipped_samples),
            levels.longest_clipped_run,
        );
        findings.add_about(index, FindingKind::Clipped, text);
    }
    if dbfs(levels.peak) < NEARLY_SILENT_DBFS {
        let text = format!("its peak is {:.1} dBFS", dbfs(levels.peak.max(1e-10)));
        findings.add_about(index, FindingKind::NearlySilent, text);
    }
    if sound.silence_share() > SILENT_SHARE {
        let [before, after] = [levels.leading_silence_s, levels.trailing_silence_s];
        let whole = recording.duration_s();
        let text = format!("{before:.2} s before and {after:.2} s after the sound, of {whole:.2} s");
        findings.add_about(index, FindingKind::MostlySilence, text);
    }
    if levels.mean.abs() > DC_LEAST && levels.mean.abs() > DC_SHARE_OF_RMS * levels.rms {
        let text = format!("a mean of {:+.4} of full scale, where the RMS is {:.4}", levels.mean, levels.rms);
        findings.add_about(index, FindingKind::DcOffset, text);
    }
}

/// Lengths and peaks that nearly all recordings share.
fn find_sameness(findings: &mut FindingCollector<'_>) {
    let sounds: Vec<_> = findings.sounds().map(|(index, _, sound)| (index, sound)).collect();
    let mut add = |kind, shared: Option<Shared>, text: &dyn Fn(f64) -> String| {
        let Some(shared) = shared else { return };
        let count = shared.indices.len();
        let who = match count == shared.of {
            true => format!("all {}", thousands(count as u64)),
            false => [count, shared.of].map(|number| thousands(number as u64)).join(" of "),
        };
        findings.add_about_all(kind, format!("{who} {}", text(shared.value)));
        findings.set_count(kind, count);
    };
    let length = |seconds| format!("are exactly {seconds:.2} s long");
    let peak = |level| format!("have a peak of {level:.2} dBFS");
    add(FindingKind::EqualLengths, shared_length(&sounds), &length);
    add(FindingKind::EqualPeaks, shared_peak(&sounds), &peak);
}

/// Recordings much longer or shorter than the others.
fn find_unusual_lengths(findings: &mut FindingCollector<'_>) {
    let sounds: Vec<_> = findings.sounds().map(|(index, _, sound)| (index, sound)).collect();
    let unusual = unusual_lengths(&sounds);
    for (index, length) in unusual.lengths {
        let text = format!("{length:.2} s, where the median is {:.2} s", unusual.median_s);
        findings.add_about(index, FindingKind::UnusualLength, text);
    }
}

/// Speakers much louder or softer than the others.
fn find_far_speakers(findings: &mut FindingCollector<'_>) {
    for (speaker, decibels) in far_speakers(findings.examined) {
        let how = if decibels > 0.0 { "louder" } else { "softer" };
        let text = format!(
            "speaker {speaker} is {:.1} dB {how} than the other speakers, class by class",
            decibels.abs()
        );
        findings.add_about_all(FindingKind::SpeakerLevel, text);
    }
}
