//! The sections of the page, in order.

use maud::{Markup, PreEscaped, Render, html};
use ser_cache::audit::Leakage;
use ser_core::text::{Untrusted, sentence, thousands};
use ser_corpus::split::Side;

use crate::evaluation::{EpochHistory, Evaluation, History, RunRecord, Uncertainty, WrongPrediction};
use crate::render::html::recordings::{PlayerSource, Recordings};
use crate::render::svg::{Plot, figures};

/// The sections that have a place in the list of contents.
const CONTENTS: [(&str, &str); 9] = [
    ("split", "The split"),
    ("confusion", "Confusion matrix"),
    ("classes", "Classes"),
    ("training", "Training"),
    ("calibration", "Calibration"),
    ("uncertainty", "Uncertainty"),
    ("errors", "Mistakes"),
    ("reproduce", "Reproduce"),
    ("definitions", "Definitions"),
];

/// A name from the corpus, kept from mixing with the reading direction of the text around it.
fn name(text: &str) -> Markup {
    html! { bdi { (Untrusted(text)) } }
}

/// A name to be read letter by letter.
fn path(text: &str) -> Markup {
    html! { span.path { (name(text)) } }
}

/// Several lines of text; [`Untrusted`] alone would show their ends.
fn lines(text: &str) -> Markup {
    html! {
        @for (number, line) in text.trim_end().lines().enumerate() {
            @if number > 0 { "\n" }
            (Untrusted(line))
        }
    }
}

/// A table wider than the screen moves on its own, by keyboard too.
fn scrolling(label: &str, content: impl Render) -> Markup {
    html! { div.scroll role="region" tabindex="0" aria-label=(label) { (content) } }
}

fn table(caption: &'static str, heads: impl IntoIterator<Item = impl Render>, rows: impl Render) -> Markup {
    html! {
        table {
            caption { (caption) }
            thead { tr { @for head in heads { th scope="col" { (head) } } } }
            (rows)
        }
    }
}

fn row(head: impl Render, cells: impl IntoIterator<Item = String>) -> Markup {
    html! { tr { th scope="row" { (head) } @for cell in cells { td { (cell) } } } }
}

fn figure(figure: &Plot, caption: &'static str) -> Markup {
    html! {
        figure {
            (scrolling(&figure.title, PreEscaped(figure.inline())))
            figcaption { span.hint { "Swipe the picture to see all of it. " } (caption) }
        }
    }
}

fn drawn(evaluation: &Evaluation, run: Option<&RunRecord>, name: &str) -> Option<Plot> {
    figures(evaluation, run).into_iter().find(|figure| figure.name == name)
}

fn decimals<const N: usize>(values: [f64; N]) -> [String; N] {
    values.map(|value| format!("{value:.4}"))
}

pub(super) fn head(evaluation: &Evaluation, run: Option<&RunRecord>) -> Markup {
    let provenance = &evaluation.provenance;
    let interval = &evaluation.accuracy_interval;
    let version = run.map(|run| run.version.as_str()).filter(|version| !version.is_empty());
    let tile = |what: &'static str, value: f64, remark: String| {
        html! { li { (what) b { (format!("{value:.4}")) } small { (remark) } } }
    };
    html! {
        header {
            h1 {
                "Speech emotion recognition: test of " (path(&provenance.checkpoint))
                @if let Some(version) = version { ", trained by ser " (Untrusted(version)) }
            }
            p.headline {
                strong { (format!("{:.3}", evaluation.uar)) }
                span {
                    "unweighted average recall (UAR) on the split " b { (name(&provenance.protocol)) }
                    (format!(". A guess gives {:.3}.", evaluation.chance_uar))
                }
            }
            p.lead { (Untrusted(&provenance.protocol_in_words)) }
            ul.tiles {
                (tile("Accuracy (WA)", evaluation.accuracy, format!(
                    "{} of {} utterances; 95 % interval {:.4} to {:.4}",
                    thousands(evaluation.n_correct),
                    thousands(evaluation.n_utterances),
                    interval.lower,
                    interval.upper
                )))
                (tile("Macro-F1", evaluation.macro_f1, "mean F1 over all classes".to_owned()))
                (tile("Calibration error (ECE)", evaluation.calibration.ece, format!(
                    "states {:.4} on average",
                    evaluation.calibration.mean_confidence
                )))
                (tile("Cross-entropy", evaluation.cross_entropy, format!(
                    "nats; a guess gives {:.4}",
                    (evaluation.classes.len() as f64).ln()
                )))
            }
            @for note in &evaluation.notes {
                p { b { "Note:" } " " (Untrusted(note)) "." }
            }
            nav aria-label="Contents" {
                ul { @for (id, title) in CONTENTS { li { a href={ "#" (id) } { (title) } } } }
            }
        }
    }
}

pub(super) fn split(evaluation: &Evaluation, run: Option<&RunRecord>) -> Markup {
    let heading = html! { h2 #split { "What this split can and cannot show" } };
    let Some(run) = run else {
        return html! {
            (heading)
            p { (Untrusted(&evaluation.provenance.protocol_in_words)) }
            p { "Nothing more is known of the run." }
        };
    };
    let shortcuts = run.audit.shortcuts_in_words();
    let known = |n: usize, without: u64| match (n, without) {
        (0, _) => "unknown".to_owned(),
        (n, 0) => thousands(n as u64),
        (n, _) => format!("{} known", thousands(n as u64)),
    };
    let sides = run.sides.iter().map(|(part, side)| {
        let cells = [
            thousands(side.utterances),
            known(side.speakers.len(), side.without_speaker),
            known(side.words.len(), side.without_word),
        ];
        row(side_name(*part), cells)
    });
    html! {
        (heading)
        p {
            "A test shows how a model does on what the test side has and the training side does not. What both share, \
             the model may have memorised."
        }
        ul.audit aria-label="Audit of the split" {
            @for finding in run.audit.findings() {
                li { (tag(finding.verdict)) span { (Untrusted(&sentence(&finding.text))) } }
            }
        }
        @if !shortcuts.is_empty() {
            p { "What can be reached without listening, on the same test side:" }
            ul { @for shortcut in shortcuts { li { (Untrusted(&sentence(&shortcut))) } } }
        }
        (scrolling("Sides of the split", table(
            "Sides of the split",
            ["side", "utterances", "speakers", "words"],
            html! { tbody { @for side in sides { (side) } } },
        )))
    }
}

fn tag(verdict: Leakage) -> Markup {
    match verdict {
        Leakage::Apart => html! { span.tag.good { "✓ apart" } },
        Leakage::Shared => html! { span.tag.warn { "! shared" } },
        Leakage::Unknown => html! { span.tag.open { "? unknown" } },
    }
}

fn side_name(part: Side) -> &'static str {
    match part {
        Side::Train => "training",
        Side::Val => "validation",
        Side::Test => "test",
    }
}

pub(super) fn confusion(evaluation: &Evaluation) -> Markup {
    let heads = std::iter::once(html! { "true class" }).chain(evaluation.labels.iter().map(|l| name(l)));
    let rows = evaluation.labels.iter().zip(evaluation.confusion_matrix.rows());
    let rows = rows.map(|(label, counts)| row(name(label), counts.iter().map(|count| thousands(*count))));
    html! {
        h2 #confusion { "Confusion matrix" }
        @match drawn(evaluation, None, "confusion-matrix") {
            Some(picture) => (figure(
                &picture,
                "Each row is a true class, each column what the model answered: the count, and its share of the row. The \
                 darker or, on a dark ground, the lighter a cell, the larger its share; the diagonal is right.",
            )),
            None => p { "There are too many classes for a picture; the table below has every count." },
        }
        details {
            summary { "The same as a table" }
            (scrolling("Confusion matrix as a table", table(
                "Counts; rows are true, columns predicted",
                heads,
                html! { tbody { @for row in rows { (row) } } },
            )))
        }
    }
}

pub(super) fn classes(evaluation: &Evaluation) -> Markup {
    let classes = evaluation.classes.iter().map(|class| {
        let m = &class.metrics;
        let counts = [thousands(m.support), thousands(m.predicted)];
        row(name(&class.label), decimals([m.precision, m.recall, m.f1]).into_iter().chain(counts))
    });
    let means =
        [("macro average", &evaluation.macro_average), ("weighted average", &evaluation.weighted_average)];
    let means = means.into_iter().map(|(title, mean)| {
        let all = [thousands(evaluation.n_utterances), thousands(evaluation.n_utterances)];
        row(title, decimals([mean.precision, mean.recall, mean.f1]).into_iter().chain(all))
    });
    html! {
        h2 #classes { "Classes" }
        (scrolling("Metrics of each class", table(
            "Precision, recall and F1 of each class, as in scikit-learn",
            ["class", "precision", "recall", "F1", "utterances", "predicted"],
            html! {
                tbody { @for class in classes { (class) } }
                tfoot { @for mean in means { (mean) } }
            },
        )))
    }
}

pub(super) fn training(evaluation: &Evaluation, run: Option<&RunRecord>) -> Markup {
    html! {
        h2 #training { "Training" }
        @match run.map(|run| (run, &run.history)) {
            None => p { "There are no curves: nothing is known of the run." },
            Some((_, History::Unknown(reason))) => p { "There are no curves: " (Untrusted(reason)) "." },
            Some((run, History::Epochs(epochs))) => (curves(evaluation, run, epochs)),
        }
    }
}

fn curves(evaluation: &Evaluation, run: &RunRecord, epochs: &[EpochHistory]) -> Markup {
    let pictures = [
        (
            "loss-curve",
            "Mean cross-entropy. Training is measured while the weights still change, and with dropout.",
        ),
        ("accuracy-curve", "Share of utterances that are right, and the mean recall over classes (UAR)."),
    ];
    let rows = epochs.iter().map(|e| {
        let values = [e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy, e.val_uar];
        row(e.epoch, decimals(values))
    });
    let heads = [
        "epoch",
        "training loss",
        "training accuracy",
        "validation loss",
        "validation accuracy",
        "validation UAR",
    ];
    html! {
        p {
            (epochs.len()) " epochs; the checkpoint is of epoch " (evaluation.provenance.epoch) ", "
            (run.fit.select.in_words()) ". No utterance of the validation side is in the test."
        }
        div.pair {
            @for (picture, caption) in pictures {
                @if let Some(picture) = drawn(evaluation, Some(run), picture) { (figure(&picture, caption)) }
            }
        }
        details {
            summary { "The same as a table" }
            (scrolling("Epochs", table(
                "Epochs of the training",
                heads,
                html! { tbody { @for row in rows { (row) } } },
            )))
        }
    }
}

pub(super) fn calibration(evaluation: &Evaluation) -> Markup {
    let calibration = &evaluation.calibration;
    let difference = calibration.mean_confidence - evaluation.accuracy;
    let verdict = match difference {
        d if d > 0.02 => "On average the model is more confident than it is right: it is overconfident.",
        d if d < -0.02 => "On average the model is right more often than it says: it is underconfident.",
        _ => "On average the model is about as confident as it is right.",
    };
    html! {
        h2 #calibration { "Calibration" }
        p {
            (format!(
                "The model states {:.1} % on average and is right in {:.1} % of cases. {verdict} Expected calibration \
                 error (ECE) {:.4}, largest gap of a bin {:.4}, Brier score {:.4}.",
                calibration.mean_confidence * 100.0,
                evaluation.accuracy * 100.0,
                calibration.ece,
                calibration.mce,
                calibration.brier
            ))
        }
        @if let Some(picture) = drawn(evaluation, None, "reliability-diagram") {
            (figure(
                &picture,
                "Answers sorted by how confident the model was in them. A bar that ends on the dashed line is a bin whose \
                 answers are right as often as stated; below it the model is overconfident. Below, how many answers each \
                 bin has: a bin with few shows little.",
            ))
        }
    }
}

pub(super) fn uncertainty(evaluation: &Evaluation) -> Markup {
    html! {
        h2 #uncertainty { "Uncertainty" }
        @if let Some(measured) = &evaluation.uncertainty {
            (doubts(measured))
        } @else if let Some(why) = &evaluation.not_calibrated {
            p { "Not calibrated: " (Untrusted(why)) "." }
        } @else {
            p { "Nothing is known of a calibration." }
        }
        @if let Some(measured) = &evaluation.out_of_domain {
            @for sentence in measured.in_words() { p { (Untrusted(&sentence)) } }
        } @else if let Some(why) = &evaluation.no_domain_reference {
            p { "What is out of its domain is not known: " (Untrusted(why)) "." }
        }
    }
}

fn doubts(uncertainty: &Uncertainty) -> Markup {
    let (before, after) = (&uncertainty.uncalibrated, &uncertainty.calibrated);
    let effects = [
        ("cross-entropy", before.cross_entropy, after.cross_entropy),
        ("ECE", before.ece, after.ece),
        ("Brier score", before.brier, after.brier),
    ];
    let effects = effects.map(|(what, before, after)| row(what, decimals([before, after])));
    let sets = uncertainty.sets.iter().map(|set| {
        row(format!("{}", set.coverage), decimals([set.measured, set.mean_size, set.single_share]))
    });
    html! {
        p { (Untrusted(&uncertainty.basis_in_words())) }
        (scrolling("Effect of the temperature", table(
            "What dividing the logits by the temperature changes",
            ["", "without", &format!("with temperature {:.4}", uncertainty.temperature)],
            html! { tbody { @for effect in effects { (effect) } } },
        )))
        p {
            "A prediction set has as many of the most probable classes as it takes for the right one to be among them as \
             often as promised. One class is an answer; several are the model's way to say that it does not know."
        }
        (scrolling("Prediction sets", table(
            "Prediction sets on the test side",
            ["promised", "measured coverage", "mean size", "of one class"],
            html! { tbody { @for set in sets { (set) } } },
        )))
    }
}

pub(super) fn errors(shown: &[WrongPrediction], n_wrong: usize, recordings: &mut Recordings<'_>) -> Markup {
    html! {
        h2 #errors { "The most confident mistakes" }
        @if shown.is_empty() {
            p { "There is none: every utterance of the test side was classified correctly." }
        } @else {
            p {
                (thousands(shown.len() as u64)) " of " (thousands(n_wrong as u64))
                " wrong answers, the most confident first. A confident mistake is often a wrong label, a poor recording \
                 or a class that sounds like another."
            }
            ol.errors {
                @for row in shown { li { (mistake(row)) (player(&row.path, recordings)) } }
            }
        }
    }
}

fn mistake(row: &WrongPrediction) -> Markup {
    html! {
        p {
            "said " b { (name(&row.predicted)) } (format!(" with {:.1} %,", row.probability_predicted * 100.0))
            // A template's `br` is not closed as XML wants it.
            (PreEscaped("<br/>"))
            "is " b { (name(&row.truth)) } (format!(", given {:.1} %", row.probability_true * 100.0))
        }
        p.path.muted { (name(&row.path)) }
    }
}

fn player(path: &str, recordings: &mut Recordings<'_>) -> Markup {
    match recordings.source(path) {
        PlayerSource::Url(url) => html! {
            audio controls="controls" preload="none" src=(url) aria-label=(Untrusted(path)) {}
        },
        PlayerSource::Without(why) => html! { p.muted { "No player: " (why) "." } },
        PlayerSource::Silent => html! {},
    }
}

pub(super) fn reproduction(evaluation: &Evaluation, run: Option<&RunRecord>) -> Markup {
    let heading = html! { h2 #reproduce { "How to reproduce the numbers" } };
    let provenance = &evaluation.provenance;
    let Some(run) = run else {
        return html! {
            (heading)
            p { "Checkpoint " (name(&provenance.checkpoint)) ": " (provenance.trained_in_words()) "." }
        };
    };
    let facts = [
        ("trained by", html! { "ser " (Untrusted(&run.version)) }),
        ("reported by", html! { "ser " (env!("CARGO_PKG_VERSION")) }),
        ("checkpoint", path(&provenance.checkpoint)),
        ("trained to", html! { (provenance.trained_in_words()) }),
        ("its SHA-256", path(&run.checkpoint_digest)),
        ("cache", path(&provenance.cache)),
        ("split", html! { (name(&provenance.protocol)) ", seed " (run.split_seed) }),
        ("digest of the split", path(&run.split_digest)),
        ("feature set", path(&run.feature_set)),
        (
            "network",
            html! { (thousands(run.n_parameters)) " parameters, input " (format!("{:?}", run.input_shape)) },
        ),
    ];
    let texts = [
        ("The recipe of the training, recipe.toml", toml::to_string(&run.fit).ok()),
        ("The features, features.toml", toml::to_string(&run.features).ok()),
        ("The network", serde_json::to_string_pretty(&run.model).ok()),
    ];
    html! {
        (heading)
        @for command in &run.commands {
            h3 { (Untrusted(&command.purpose)) }
            pre { code { (Untrusted(&command.quoted())) } }
        }
        table.facts {
            caption { "What it is based on" }
            tbody { @for (what, value) in facts { tr { th scope="row" { (what) } td { (value) } } } }
        }
        @for (title, text) in texts {
            @if let Some(text) = text {
                details { summary { (title) } pre { code { (lines(&text)) } } }
            }
        }
    }
}

pub(super) fn definitions(evaluation: &Evaluation) -> Markup {
    html! {
        h2 #definitions { "Definitions" }
        dl {
            @for (term, definition) in evaluation.definitions.in_order() {
                dt { (term) }
                dd { (definition) }
            }
        }
        footer {
            "Made by ser " (env!("CARGO_PKG_VERSION")) ". This page runs no scripts and makes no network requests."
        }
    }
}
