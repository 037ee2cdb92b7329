//! The sections of the page, in order.

use std::fmt::Write;

use ser_cache::audit::Leakage;
use ser_core::text::{escape, sentence, thousands};
use ser_corpus::split::Part;

use crate::render::html::recordings::{PlayerSource, Recordings};
use crate::render::html::markup::name;
use crate::evaluation::{Evaluation, History, RunRecord, WrongPrediction};
use crate::render::svg::{Plot, figures};

/// The sections that have a place in the list of contents.
const CONTENTS: [(&str, &str); 8] = [
    ("split", "The split"),
    ("confusion", "Confusion matrix"),
    ("classes", "Classes"),
    ("training", "Training"),
    ("calibration", "Calibration"),
    ("errors", "Mistakes"),
    ("reproduce", "Reproduce"),
    ("definitions", "Definitions"),
];

macro_rules! put {
    ($page:expr, $($arguments:tt)*) => {{
        // Writing to a string cannot fail.
        let _ = write!($page, $($arguments)*);
    }};
}

fn heading(page: &mut String, id: &str, text: &str) {
    put!(page, "<h2 id=\"{id}\">{}</h2>\n", escape(text));
}

/// A table wider than the screen moves on its own, by keyboard too.
fn scrolling(page: &mut String, label: &str, content: impl FnOnce(&mut String)) {
    put!(page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">", escape(label));
    content(page);
    page.push_str("</div>\n");
}

fn figure(page: &mut String, figure: &Plot, caption: &str) {
    page.push_str("<figure>");
    scrolling(page, &figure.title, |page| page.push_str(&figure.inline()));
    put!(
        page,
        "<figcaption><span class=\"hint\">Swipe the picture to see all of it. </span>{}</figcaption></figure>\n",
        escape(caption)
    );
}

fn drawn(evaluation: &Evaluation, run: Option<&RunRecord>, name: &str) -> Option<Plot> {
    figures(evaluation, run).into_iter().find(|figure| figure.name == name)
}

pub(super) fn head(page: &mut String, evaluation: &Evaluation, run: Option<&RunRecord>) {
    let provenance = &evaluation.provenance;
    let interval = &evaluation.accuracy_interval;
    let version = run.map_or("", |run| run.version.as_str());
    put!(
        page,
        "<header>\n<h1>Speech emotion recognition: test of <span class=\"path\">{}</span>{}{}</h1>\n",
        name(&provenance.checkpoint),
        if version.is_empty() { "" } else { ", trained by ser " },
        escape(version)
    );
    put!(
        page,
        "<p class=\"headline\"><strong>{:.3}</strong><span>unweighted average recall (UAR) on the split \
         <b>{}</b>. A guess gives {:.3}.</span></p>\n",
        evaluation.uar,
        name(&provenance.protocol),
        evaluation.chance_uar
    );
    put!(page, "<p class=\"lead\">{}</p>\n", escape(&provenance.protocol_in_words));
    page.push_str("<ul class=\"tiles\">\n");
    let mut tile = |what: &str, value: f64, remark: String| {
        put!(page, "<li>{what}<b>{value:.4}</b><small>{}</small></li>\n", escape(&remark));
    };
    tile(
        "Accuracy (WA)",
        evaluation.accuracy,
        format!(
            "{} of {} utterances; 95 % interval {:.4} to {:.4}",
            thousands(evaluation.n_correct),
            thousands(evaluation.n_utterances),
            interval.lower,
            interval.upper
        ),
    );
    tile("Macro-F1", evaluation.macro_f1, "mean F1 over all classes".to_owned());
    tile(
        "Calibration error (ECE)",
        evaluation.calibration.ece,
        format!("states {:.4} on average", evaluation.calibration.mean_confidence),
    );
    tile(
        "Cross-entropy",
        evaluation.cross_entropy,
        format!("nats; a guess gives {:.4}", (evaluation.classes.len() as f64).ln()),
    );
    page.push_str("</ul>\n");
    for note in &evaluation.notes {
        put!(page, "<p><b>Note:</b> {}.</p>\n", escape(note));
    }
    page.push_str("<nav aria-label=\"Contents\"><ul>");
    for (id, title) in CONTENTS {
        put!(page, "<li><a href=\"#{id}\">{title}</a></li>");
    }
    page.push_str("</ul></nav>\n</header>\n");
}

pub(super) fn split(page: &mut String, evaluation: &Evaluation, run: Option<&RunRecord>) {
    heading(page, "split", "What this split can and cannot show");
    let Some(run) = run else {
        put!(
            page,
            "<p>{}</p>\n<p>Nothing more is known of the run.</p>\n",
            escape(&evaluation.provenance.protocol_in_words)
        );
        return;
    };
    page.push_str(
        "<p>A test shows how a model does on what the test side has and the training side does not. What both share, \
         the model may have memorised.</p>\n",
    );
    page.push_str("<ul class=\"audit\" aria-label=\"Audit of the split\">\n");
    for finding in run.audit.findings() {
        let (class, tag) = match finding.verdict {
            Leakage::Apart => ("good", "✓ apart"),
            Leakage::Shared => ("warn", "! shared"),
            Leakage::Unknown => ("open", "? unknown"),
        };
        put!(
            page,
            "<li><span class=\"tag {class}\">{tag}</span><span>{}</span></li>\n",
            escape(&sentence(&finding.text))
        );
    }
    page.push_str("</ul>\n");
    let shortcuts = run.audit.shortcuts_in_words();
    if !shortcuts.is_empty() {
        page.push_str("<p>What can be reached without listening, on the same test side:</p>\n<ul>\n");
        for shortcut in shortcuts {
            put!(page, "<li>{}</li>\n", escape(&sentence(&shortcut)));
        }
        page.push_str("</ul>\n");
    }
    scrolling(page, "Sides of the split", |page| {
        page.push_str(
            "<table><caption>Sides of the split</caption><thead><tr><th scope=\"col\">side</th>\
             <th scope=\"col\">utterances</th><th scope=\"col\">speakers</th><th scope=\"col\">words</th></tr></thead><tbody>",
        );
        for (part, side) in &run.sides {
            let known = |n: usize, without: u64| match (n, without) {
                (0, _) => "unknown".to_owned(),
                (n, 0) => thousands(n as u64),
                (n, _) => format!("{} known", thousands(n as u64)),
            };
            put!(
                page,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                side_name(*part),
                thousands(side.utterances),
                known(side.speakers.len(), side.without_speaker),
                known(side.words.len(), side.without_word)
            );
        }
        page.push_str("</tbody></table>");
    });
}

fn side_name(part: Part) -> &'static str {
    match part {
        Part::Train => "training",
        Part::Val => "validation",
        Part::Test => "test",
    }
}

pub(super) fn confusion(page: &mut String, evaluation: &Evaluation) {
    heading(page, "confusion", "Confusion matrix");
    match drawn(evaluation, None, "confusion-matrix") {
        Some(picture) => figure(
            page,
            &picture,
            "Each row is a true class, each column what the model answered: the count, and its share of the row. The \
             darker or, on a dark ground, the lighter a cell, the larger its share; the diagonal is right.",
        ),
        None => page
            .push_str("<p>There are too many classes for a picture; the table below has every count.</p>\n"),
    }
    page.push_str("<details><summary>The same as a table</summary>\n");
    scrolling(page, "Confusion matrix as a table", |page| {
        page.push_str("<table><caption>Counts; rows are true, columns predicted</caption><thead><tr><th scope=\"col\">true class</th>");
        for label in &evaluation.labels {
            put!(page, "<th scope=\"col\">{}</th>", name(label));
        }
        page.push_str("</tr></thead><tbody>");
        for (label, row) in evaluation.labels.iter().zip(evaluation.confusion_matrix.rows()) {
            put!(page, "<tr><th scope=\"row\">{}</th>", name(label));
            row.iter().for_each(|count| put!(page, "<td>{}</td>", thousands(*count)));
            page.push_str("</tr>");
        }
        page.push_str("</tbody></table>");
    });
    page.push_str("</details>\n");
}

pub(super) fn classes(page: &mut String, evaluation: &Evaluation) {
    heading(page, "classes", "Classes");
    scrolling(page, "Metrics of each class", |page| {
        page.push_str(
            "<table><caption>Precision, recall and F1 of each class, as in scikit-learn</caption><thead><tr>\
             <th scope=\"col\">class</th><th scope=\"col\">precision</th><th scope=\"col\">recall</th>\
             <th scope=\"col\">F1</th><th scope=\"col\">utterances</th><th scope=\"col\">predicted</th></tr></thead><tbody>",
        );
        for class in &evaluation.classes {
            let m = &class.metrics;
            put!(
                page,
                "<tr><th scope=\"row\">{}</th><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{}</td><td>{}</td></tr>",
                name(&class.label),
                m.precision,
                m.recall,
                m.f1,
                thousands(m.support),
                thousands(m.predicted)
            );
        }
        page.push_str("</tbody><tfoot>");
        for (title, mean) in
            [("macro average", &evaluation.macro_average), ("weighted average", &evaluation.weighted_average)]
        {
            put!(
                page,
                "<tr><th scope=\"row\">{title}</th><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{n}</td><td>{n}</td></tr>",
                mean.precision,
                mean.recall,
                mean.f1,
                n = thousands(evaluation.n_utterances)
            );
        }
        page.push_str("</tfoot></table>");
    });
}

pub(super) fn training(page: &mut String, evaluation: &Evaluation, run: Option<&RunRecord>) {
    heading(page, "training", "Training");
    let unknown = History::Unknown("nothing is known of the run".to_owned());
    match run.map_or(&unknown, |run| &run.history) {
        History::Unknown(reason) => {
            put!(page, "<p>There are no curves: {}.</p>\n", escape(reason));
        }
        History::Epochs(epochs) => {
            put!(
                page,
                "<p>{} epochs; the checkpoint is of epoch {}, {}. No utterance of the validation side is in the test.</p>\n\
                 <div class=\"pair\">\n",
                epochs.len(),
                evaluation.provenance.epoch,
                run.map_or("", |run| run.fit.select.in_words())
            );
            for (picture, caption) in [
                (
                    "loss-curve",
                    "Mean cross-entropy. Training is measured while the weights still change, and with dropout.",
                ),
                (
                    "accuracy-curve",
                    "Share of utterances that are right, and the mean recall over classes (UAR).",
                ),
            ] {
                if let Some(picture) = drawn(evaluation, run, picture) {
                    figure(page, &picture, caption);
                }
            }
            page.push_str("</div>\n<details><summary>The same as a table</summary>\n");
            scrolling(page, "Epochs", |page| {
                page.push_str(
                    "<table><caption>Epochs of the training</caption><thead><tr><th scope=\"col\">epoch</th>\
                     <th scope=\"col\">training loss</th><th scope=\"col\">training accuracy</th>\
                     <th scope=\"col\">validation loss</th><th scope=\"col\">validation accuracy</th>\
                     <th scope=\"col\">validation UAR</th></tr></thead><tbody>",
                );
                for e in epochs {
                    put!(
                        page,
                        "<tr><th scope=\"row\">{}</th><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td></tr>",
                        e.epoch,
                        e.train_loss,
                        e.train_accuracy,
                        e.val_loss,
                        e.val_accuracy,
                        e.val_uar
                    );
                }
                page.push_str("</tbody></table>");
            });
            page.push_str("</details>\n");
        }
    }
}

pub(super) fn calibration(page: &mut String, evaluation: &Evaluation) {
    heading(page, "calibration", "Calibration");
    let calibration = &evaluation.calibration;
    let difference = calibration.mean_confidence - evaluation.accuracy;
    let verdict = match difference {
        d if d > 0.02 => "On average the model is more confident than it is right: it is overconfident.",
        d if d < -0.02 => "On average the model is right more often than it says: it is underconfident.",
        _ => "On average the model is about as confident as it is right.",
    };
    put!(
        page,
        "<p>The model states {:.1} % on average and is right in {:.1} % of cases. {verdict} Expected calibration error (ECE) \
         {:.4}, largest gap of a bin {:.4}, Brier score {:.4}.</p>\n",
        calibration.mean_confidence * 100.0,
        evaluation.accuracy * 100.0,
        calibration.ece,
        calibration.mce,
        calibration.brier
    );
    if let Some(picture) = drawn(evaluation, None, "reliability-diagram") {
        figure(
            page,
            &picture,
            "Answers sorted by how confident the model was in them. A bar that ends on the dashed line is a bin whose answers \
             are right as often as stated; below it the model is overconfident. Below, how many answers each bin has: a \
             bin with few shows little.",
        );
    }
}

pub(super) fn errors(
    page: &mut String,
    shown: &[WrongPrediction],
    n_wrong: usize,
    recordings: &mut Recordings<'_>,
) {
    heading(page, "errors", "The most confident mistakes");
    if shown.is_empty() {
        page.push_str("<p>There is none: every utterance of the test side was classified correctly.</p>\n");
        return;
    }
    put!(
        page,
        "<p>{} of {} wrong answers, the most confident first. A confident mistake is often a wrong label, a poor recording \
         or a class that sounds like another.</p>\n<ol class=\"errors\">\n",
        thousands(shown.len() as u64),
        thousands(n_wrong as u64)
    );
    for row in shown {
        put!(
            page,
            "<li><p>said <b>{}</b> with {:.1} %,<br/>is <b>{}</b>, given {:.1} %</p><p class=\"path muted\">{}</p>",
            name(&row.predicted),
            row.probability_predicted * 100.0,
            name(&row.truth),
            row.probability_true * 100.0,
            name(&row.path)
        );
        match recordings.source(&row.path) {
            PlayerSource::Url(url) => put!(
                page,
                "<audio controls=\"controls\" preload=\"none\" src=\"{}\" aria-label=\"{}\"></audio>",
                escape(&url),
                escape(&row.path)
            ),
            PlayerSource::Without(why) => put!(page, "<p class=\"muted\">No player: {why}.</p>"),
            PlayerSource::Silent => {}
        }
        page.push_str("</li>\n");
    }
    page.push_str("</ol>\n");
}

pub(super) fn reproduction(page: &mut String, evaluation: &Evaluation, run: Option<&RunRecord>) {
    heading(page, "reproduce", "How to reproduce the numbers");
    let provenance = &evaluation.provenance;
    let Some(run) = run else {
        put!(
            page,
            "<p>Checkpoint {}: {}.</p>\n",
            name(&provenance.checkpoint),
            provenance.trained_in_words()
        );
        return;
    };
    for command in &run.commands {
        put!(
            page,
            "<h3>{}</h3>\n<pre><code>{}</code></pre>\n",
            escape(&command.purpose),
            escape(&command.quoted())
        );
    }
    page.push_str("<table class=\"facts\"><caption>What it is based on</caption><tbody>\n");
    let mut fact = |what: &str, value: String| {
        put!(page, "<tr><th scope=\"row\">{what}</th><td>{value}</td></tr>\n");
    };
    let path = |text: &str| format!("<span class=\"path\">{}</span>", name(text));
    fact("trained by", format!("ser {}", escape(&run.version)));
    fact("reported by", format!("ser {}", env!("CARGO_PKG_VERSION")));
    fact("checkpoint", path(&provenance.checkpoint));
    fact("trained to", provenance.trained_in_words());
    fact("its SHA-256", path(&run.checkpoint_digest));
    fact("cache", path(&provenance.cache));
    fact("split", format!("{}, seed {}", name(&provenance.protocol), run.split_seed));
    fact("digest of the split", path(&run.split_digest));
    fact("feature set", path(&run.feature_set));
    fact("network", format!("{} parameters, input {:?}", thousands(run.n_parameters), run.input_shape));
    page.push_str("</tbody></table>\n");
    for (title, text) in [
        ("The recipe of the training, recipe.toml", toml::to_string(&run.fit).ok()),
        ("The features, features.toml", toml::to_string(&run.features).ok()),
        ("The network", serde_json::to_string_pretty(&run.model).ok()),
    ] {
        if let Some(text) = text {
            put!(
                page,
                "<details><summary>{title}</summary><pre><code>{}</code></pre></details>\n",
                lines(&text)
            );
        }
    }
}

/// Several lines of text; [`escape`] alone would show their ends.
fn lines(text: &str) -> String {
    text.trim_end().lines().map(escape).collect::<Vec<_>>().join("\n")
}

pub(super) fn definitions(page: &mut String, evaluation: &Evaluation) {
    heading(page, "definitions", "Definitions");
    page.push_str("<dl>\n");
    for (term, definition) in evaluation.definitions.in_order() {
        put!(page, "<dt>{}</dt><dd>{}</dd>\n", escape(term), escape(definition));
    }
    put!(
        page,
        "</dl>\n<footer>Made by ser {}. This page runs no scripts and makes no network requests.</footer>\n",
        env!("CARGO_PKG_VERSION")
    );
}
