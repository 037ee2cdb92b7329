//! A model card: what a model is, what it was measured on, and what it must not be used for.
//!
//! Headings are those of M. Mitchell et al., "Model cards for model reporting", FAT* 2019; the metadata in front of them
//! is what model hubs read. Everything said of this model comes from its checkpoint and evaluation; what they do not
//! say is left open, in words.

use std::fmt::Write;

use ser_core::text::{printable, sentence, thousands};
use ser_corpus::split::Side;

use crate::evaluation::{Evaluation, OutOfDomain, RunRecord, Uncertainty};
use crate::render::escape::md;

/// The card, in Markdown.
pub fn model_card(evaluation: &Evaluation, run: &RunRecord) -> String {
    let mut card = String::new();
    front_matter(&mut card, evaluation, run);
    details(&mut card, evaluation, run);
    uses(&mut card, evaluation);
    factors(&mut card, run);
    metrics(&mut card, evaluation);
    data(&mut card, evaluation, run);
    analyses(&mut card, evaluation, run);
    ethics(&mut card);
    caveats(&mut card, evaluation, run);
    card
}

macro_rules! put {
    ($card:expr, $($arguments:tt)*) => {{
        // Writing to a string cannot fail.
        let _ = writeln!($card, $($arguments)*);
    }};
}

fn front_matter(card: &mut String, evaluation: &Evaluation, run: &RunRecord) {
    // A JSON string is a YAML string.
    let quoted = |text: &str| serde_json::Value::from(printable(text).as_ref()).to_string();
    let corpus = corpus_name(run);
    put!(card, "---\nlibrary_name: ser\npipeline_tag: audio-classification");
    put!(card, "tags:\n- speech-emotion-recognition\n- audio-classification\n- emotion");
    put!(card, "metrics:\n- accuracy\n- recall\n- f1");
    put!(card, "model-index:\n- name: {}\n  results:", quoted(&architecture(run)));
    put!(card, "  - task:\n      type: audio-classification\n      name: Speech emotion recognition");
    put!(
        card,
        "    dataset:\n      type: {}\n      name: {}\n      split: {}",
        quoted(corpus.as_deref().unwrap_or("unknown")),
        quoted(corpus.as_deref().unwrap_or("unknown")),
        quoted(&format!("test of {}", evaluation.provenance.protocol))
    );
    put!(card, "    metrics:");
    for (kind, name, value) in [
        ("recall", "UAR (macro recall)", evaluation.uar),
        ("accuracy", "Accuracy (WA)", evaluation.accuracy),
        ("f1", "Macro-F1", evaluation.macro_f1),
        ("ece", "Expected calibration error", evaluation.calibration.ece),
    ] {
        put!(card, "    - type: {kind}\n      name: {name}\n      value: {value:.4}");
    }
    put!(card, "---\n");
}

fn details(card: &mut String, evaluation: &Evaluation, run: &RunRecord) {
    put!(card, "# Model card: speech emotion recognition, {}\n", md(&architecture(run)));
    put!(card, "## Model details\n");
    put!(
        card,
        "- Classifies a short recording of speech into {} classes: {}.",
        evaluation.labels.len(),
        list(&evaluation.labels)
    );
    put!(
        card,
        "- Network: {}, {} parameters; input {:?} (features × coefficients × frames).",
        md(&architecture(run)),
        thousands(run.n_parameters),
        run.input_shape
    );
    put!(card, "- Trained by ser {}: {}.", md(&run.version), evaluation.provenance.trained_in_words());
    put!(card, "- Checkpoint SHA-256: `{}`.", run.checkpoint_digest);
    put!(
        card,
        "- Licence, authors and contact: not stated in the checkpoint; add them before you publish it.\n"
    );
}

fn uses(card: &mut String, evaluation: &Evaluation) {
    put!(card, "## Intended use\n");
    put!(
        card,
        "Research and teaching on recordings like those it was trained on: the same kind of speech, the same {} classes, one \
         speaker at a time. What may be expected of it is what the protocol below measures, no more.\n",
        evaluation.labels.len()
    );
    put!(card, "### Out-of-scope use\n");
    put!(
        card,
        "- Any decision about a person: hiring, schooling, policing, border control, insurance, health, credit. In the European Union, emotion recognition at work and in education is prohibited with few exceptions (Regulation (EU) 2024/1689, article 5)."
    );
    put!(card, "- Telling what somebody feels, or whether they tell the truth.");
    put!(
        card,
        "- Spontaneous speech, other languages, other age groups, several speakers at once, noise or telephone lines, unless it has been tested on them.\n"
    );
}

fn factors(card: &mut String, run: &RunRecord) {
    put!(card, "## Factors\n");
    for (part, title) in [(Side::Train, "Training"), (Side::Val, "Validation"), (Side::Test, "Test")] {
        let Some(side) = run.sides.get(&part) else { continue };
        let speakers = match (side.speakers.is_empty(), side.speakers.len()) {
            (true, _) => "speakers not known".to_owned(),
            (false, n) if n > 12 => format!("{n} speakers"),
            (false, 1) => format!("1 speaker ({})", list(&side.speakers)),
            (false, n) => format!("{n} speakers ({})", list(&side.speakers)),
        };
        let words = match side.words.len() {
            0 => "words not known".to_owned(),
            1 => "1 word".to_owned(),
            n => format!("{} words", thousands(n as u64)),
        };
        put!(card, "- {title}: {} utterances, {speakers}, {words}.", thousands(side.utterances));
    }
    put!(
        card,
        "\nAge, sex, accent and recording conditions of the speakers are not recorded in the checkpoint, so the numbers are not broken down by them.\n"
    );
}

fn metrics(card: &mut String, evaluation: &Evaluation) {
    put!(card, "## Metrics\n");
    for (term, definition) in evaluation.definitions.in_order() {
        put!(card, "- **{}**: {}.", md(term), md(definition));
    }
    card.push('\n');
}

fn data(card: &mut String, evaluation: &Evaluation, run: &RunRecord) {
    let corpus = corpus_name(run).map_or("not known".to_owned(), |name| md(&name));
    put!(card, "## Evaluation data\n");
    put!(card, "- Corpus: {corpus}.");
    put!(
        card,
        "- Protocol: {} with seed {}; digest of the split `{}`.",
        md(&evaluation.provenance.protocol),
        run.split_seed,
        run.split_digest
    );
    put!(card, "- {}", md(&evaluation.provenance.protocol_in_words));
    let findings = run.audit.findings().into_iter().map(|finding| finding.to_string());
    for line in findings.chain(run.audit.shortcuts_in_words()) {
        put!(card, "- {}", md(&sentence(&line)));
    }
    put!(card, "\n## Training data\n");
    put!(
        card,
        "The training and validation side of the same split; the weights are those of an epoch {}.\n",
        run.fit.select.in_words()
    );
    put!(card, "| class | training | validation | test |\n|---|---:|---:|---:|");
    for label in &evaluation.labels {
        let count =
            |part| run.counts_by_label.get(label).and_then(|counts| counts.get(&part)).copied().unwrap_or(0);
        put!(
            card,
            "| {} | {} | {} | {} |",
            md(label),
            thousands(count(Side::Train) as u64),
            thousands(count(Side::Val) as u64),
            thousands(count(Side::Test) as u64)
        );
    }
    card.push('\n');
}

fn analyses(card: &mut String, evaluation: &Evaluation, run: &RunRecord) {
    put!(card, "## Quantitative analyses\n");
    figures(card, evaluation);
    if let Some(uncertainty) = &evaluation.uncertainty {
        doubts(card, uncertainty);
    }
    if let Some(why) = &evaluation.not_calibrated {
        put!(card, "Its probabilities are not calibrated: {}.\n", md(why));
    }
    for sentence in evaluation.out_of_domain.iter().flat_map(OutOfDomain::in_words) {
        put!(card, "{}\n", md(&sentence));
    }
    if let Some(why) = &evaluation.no_domain_reference {
        put!(card, "What is out of its domain is not known: {}.\n", md(why));
    }
    classes(card, evaluation);
    put!(card, "\nTo reproduce the numbers:\n");
    for command in &run.commands {
        put!(card, "    {}", printable(&command.quoted()));
    }
    card.push('\n');
}

/// The metrics over all classes.
fn figures(card: &mut String, evaluation: &Evaluation) {
    let interval = &evaluation.accuracy_interval;
    put!(card, "| metric | value | |\n|---|---:|---|");
    put!(card, "| UAR | {:.4} | a guess: {:.4} |", evaluation.uar, evaluation.chance_uar);
    put!(
        card,
        "| accuracy (WA) | {:.4} | 95 % interval {:.4} to {:.4}; {} of {} utterances |",
        evaluation.accuracy,
        interval.lower,
        interval.upper,
        thousands(evaluation.n_correct),
        thousands(evaluation.n_utterances)
    );
    put!(card, "| macro-F1 | {:.4} | |", evaluation.macro_f1);
    put!(
        card,
        "| cross-entropy | {:.4} | a guess: {:.4} |",
        evaluation.cross_entropy,
        (evaluation.classes.len() as f64).ln()
    );
    put!(
        card,
        "| ECE | {:.4} | mean confidence {:.4}, MCE {:.4}, Brier score {:.4} |\n",
        evaluation.calibration.ece,
        evaluation.calibration.mean_confidence,
        evaluation.calibration.mce,
        evaluation.calibration.brier
    );
}

/// The metrics of each class.
fn classes(card: &mut String, evaluation: &Evaluation) {
    put!(card, "| class | precision | recall | F1 | utterances |\n|---|---:|---:|---:|---:|");
    for class in &evaluation.classes {
        let m = &class.metrics;
        put!(
            card,
            "| {} | {:.4} | {:.4} | {:.4} | {} |",
            md(&class.label),
            m.precision,
            m.recall,
            m.f1,
            thousands(m.support)
        );
    }
}

fn doubts(card: &mut String, uncertainty: &Uncertainty) {
    let (before, after) = (&uncertainty.uncalibrated, &uncertainty.calibrated);
    put!(
        card,
        "Probabilities are calibrated with the temperature {:.4}; without it the cross-entropy is {:.4} instead of {:.4}, \
         the ECE {:.4} instead of {:.4}, the Brier score {:.4} instead of {:.4}. {}\n",
        uncertainty.temperature,
        before.cross_entropy,
        after.cross_entropy,
        before.ece,
        after.ece,
        before.brier,
        after.brier,
        md(&uncertainty.basis_in_words())
    );
    put!(card, "| prediction sets | measured coverage | mean size | of one class |\n|---:|---:|---:|---:|");
    for set in &uncertainty.sets {
        put!(
            card,
            "| {} promised | {:.4} | {:.4} | {:.4} |",
            set.coverage,
            set.measured,
            set.mean_size,
            set.single_share
        );
    }
    card.push('\n');
}

fn ethics(card: &mut String) {
    put!(card, "## Ethical considerations\n");
    put!(
        card,
        "- The model has learnt labels that somebody gave to recordings. Where actors played the emotions, it recognises how these actors play them. It does not measure what anybody feels."
    );
    put!(
        card,
        "- How people express emotion differs between persons, cultures, ages and situations; a voice unlike those in the training data is likely to be misread, and more often in one direction."
    );
    put!(
        card,
        "- A recording of a voice is personal data, and can tell who speaks. Ask before you record or classify it.\n"
    );
}

fn caveats(card: &mut String, evaluation: &Evaluation, run: &RunRecord) {
    put!(card, "## Caveats and recommendations\n");
    let one_voice = run.audit.speakers_known && run.audit.test_speakers.len() == 1;
    if run.audit.speakers_known && run.audit.shared_speakers.is_empty() {
        put!(
            card,
            "- No test speaker was heard in training, but {} test {} says little about voices at large.",
            run.audit.test_speakers.len(),
            if one_voice { "speaker" } else { "speakers" }
        );
    } else {
        put!(
            card,
            "- Test speakers were, or may have been, heard in training: expect less on a new voice, and measure it with a speaker-independent protocol."
        );
    }
    match evaluation.provenance.members.len() {
        0 => put!(card, "- This is one run with one seed; another seed gives other numbers."),
        n => put!(card, "- This is one ensemble of {n} networks; other seeds give other numbers."),
    }
    if evaluation.calibration.mean_confidence - evaluation.accuracy > 0.02 {
        put!(
            card,
            "- The stated probabilities are too high on average ({:.4} against an accuracy of {:.4}): do not take them at face value.",
            evaluation.calibration.mean_confidence,
            evaluation.accuracy
        );
    }
    for note in &evaluation.notes {
        put!(card, "- Note: {}.", md(note));
    }
}

/// The name of the corpus, or corpora, that the recordings were found in.
fn corpus_name(run: &RunRecord) -> Option<String> {
    let names = run.corpora.as_ref()?.iter().map(|corpus| corpus.name.clone());
    Some(names.collect::<Vec<_>>().join(", "))
}

fn architecture(run: &RunRecord) -> String {
    run.model["arch"].as_str().unwrap_or("network").to_owned()
}

fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| md(name)).collect::<Vec<_>>().join(", ")
}
