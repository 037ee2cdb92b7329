//! What is found where a corpus is a published one: what is missing, what is not part of it, and what is not as published.

use std::collections::{BTreeMap, BTreeSet};

use crate::doctor::FindingKind;
use crate::doctor::as_published::Deviation;
use crate::doctor::collector::FindingCollector;
use crate::doctor::published::Recognition;

/// Adds all that is found by comparing with the published corpus, if there is one.
pub(super) fn find(findings: &mut FindingCollector<'_>, deviations: &[Deviation]) {
    let Some(recognition) = findings.recognition else { return };
    for item in recognition.missing_items() {
        findings.add(FindingKind::Missing, item);
    }
    find_extra(findings, recognition);
    find_two_takes(findings, recognition);
    find_deviations(findings, recognition, deviations);
}

/// Files that are none of its recordings.
fn find_extra(findings: &mut FindingCollector<'_>, recognition: &Recognition) {
    for (index, recording) in recognition.recordings.iter().enumerate() {
        if recording.is_none() {
            let text = format!("its name is not one of {}", recognition.corpus.name);
            findings.add_about(index, FindingKind::Extra, text);
        }
    }
}

/// Different sounds that are named as one recording.
fn find_two_takes(findings: &mut FindingCollector<'_>, recognition: &Recognition) {
    let examined = findings.examined;
    let mut takes: BTreeMap<&str, Vec<(usize, u128)>> = BTreeMap::new();
    for (index, (examined, recording)) in examined.iter().zip(&recognition.recordings).enumerate() {
        if let (Some(recording), Ok(sound)) = (recording, &examined.sound) {
            takes.entry(&recording.name).or_default().push((index, sound.audio_hash));
        }
    }
    for (name, takes) in takes {
        let Some((first, first_hash)) = takes.first() else { continue };
        let other = takes.iter().find(|(_, hash)| hash != first_hash);
        if let (Some((other, _)), Some(first)) = (other, examined.get(*first)) {
            let text = format!("{name} is also {}, another sound", first.path);
            findings.add_about(*other, FindingKind::TwoTakes, text);
        }
    }
}

/// Recordings that are not as published, each counted once.
fn find_deviations(findings: &mut FindingCollector<'_>, recognition: &Recognition, deviations: &[Deviation]) {
    let mut deviating = BTreeSet::new();
    for deviation in deviations {
        deviating.extend(deviation.recordings().map(|(index, _)| index));
        if deviation.is_of_all() {
            findings.add_about_all(FindingKind::NotAsPublished, deviation.in_words());
            continue;
        }
        for (index, text) in deviation.recordings() {
            findings.add_about(index, FindingKind::NotAsPublished, text);
        }
    }
    findings.set_count(FindingKind::NotAsPublished, deviating.len());
    if let Some(audio) = &recognition.corpus.audio {
        findings.summarise(FindingKind::NotAsPublished, format!("As published: see {}.", audio.source));
    }
}
