//! How to reproduce the numbers.

use maud::{Markup, html};
use ser_core::text::{Untrusted, thousands};

use crate::evaluation::{Evaluation, RunRecord};
use crate::render::html::sections::parts::{lines, name, path};

pub(in crate::render::html) fn reproduction(evaluation: &Evaluation, run: Option<&RunRecord>) -> Markup {
    let heading = html! { h2 #reproduce { "How to reproduce the numbers" } };
    let provenance = &evaluation.provenance;
    let Some(run) = run else {
        return html! {
            (heading)
            p { "Checkpoint " (name(&provenance.checkpoint)) ": " (provenance.trained_in_words()) "." }
        };
    };
    html! {
        (heading)
        @for command in &run.commands {
            h3 { (Untrusted(&command.purpose)) }
            pre { code { (Untrusted(&command.quoted())) } }
        }
        table.facts {
            caption { "What it is based on" }
            tbody { @for (what, value) in facts(evaluation, run) { tr { th scope="row" { (what) } td { (value) } } } }
        }
        @for (title, text) in texts(run) {
            @if let Some(text) = text {
                details { summary { (title) } pre { code { (lines(&text)) } } }
            }
        }
    }
}

/// What the evaluation is based on.
fn facts(evaluation: &Evaluation, run: &RunRecord) -> [(&'static str, Markup); 10] {
    let provenance = &evaluation.provenance;
    [
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
    ]
}

/// What somebody else needs to train it once more, as files have it.
fn texts(run: &RunRecord) -> [(&'static str, Option<String>); 3] {
    [
        ("The recipe of the training, recipe.toml", toml::to_string(&run.fit).ok()),
        ("The features, features.toml", toml::to_string(&run.features).ok()),
        ("The network", serde_json::to_string_pretty(&run.model).ok()),
    ]
}
