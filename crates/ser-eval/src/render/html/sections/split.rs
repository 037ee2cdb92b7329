//! What the split can and cannot show.

use maud::{Markup, html};
use ser_cache::audit::Leakage;
use ser_core::text::{Untrusted, sentence, thousands};
use ser_corpus::split::Side;

use crate::evaluation::{Evaluation, RunRecord};
use crate::render::html::sections::parts::{row, scrolling, table};

pub(in crate::render::html) fn split(evaluation: &Evaluation, run: Option<&RunRecord>) -> Markup {
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
