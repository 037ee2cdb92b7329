//! The page that plays the examples and shows their spectrograms.

use std::collections::BTreeSet;
use std::path::Path;

use maud::{Markup, PreEscaped, html};
use ser_core::text::Untrusted;

use crate::examples::{Example, ExampleVersion};

/// What the page begins with; a folder with it is one that may be written over.
pub(super) const PAGE_START: &str = "<!doctype html>\n<!-- made by ser-prep --listen -->\n";

const STYLE: &str = "body{font:16px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;\
    color:#222;background:#fff}h2{margin-top:2.5rem}table{border-collapse:collapse;width:100%}\
    td{border-top:1px solid #ccc;padding:.5rem;vertical-align:middle}img{display:block;max-width:26rem;\
    height:128px}audio{width:16rem}small{color:#555}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}small{color:#aaa}}";

/// The files that the page in `folder` shows, if ser wrote one.
pub(super) fn files(folder: &Path) -> BTreeSet<String> {
    let page = std::fs::read_to_string(folder.join("index.html")).unwrap_or_default();
    if !page.starts_with(PAGE_START) {
        return BTreeSet::new();
    }
    let sources = page.split(" src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    // Nothing but what lies in the folder itself.
    sources.filter(|name| !name.contains(['/', '\\'])).map(str::to_owned).collect()
}

/// The page about `examples`, in their order.
pub(super) fn page(examples: &[Example], seed: u64) -> String {
    let page = html! {
        (PreEscaped(PAGE_START))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Augmentation" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Augmentation" }
                p {
                    "One utterance of each class and speaker, as it is, with each step of the recipe alone (whatever its \
                     probability), and with the whole recipe. Drawn with seed " (seed) ". All are brought to the same \
                     peak; spectrograms are mel bands, 60 dB from dark to bright."
                }
                @for example in examples { (section(example)) }
            }
        }
    };
    page.into_string() + "\n"
}

fn section(Example { path, label, speaker, takes }: &Example) -> Markup {
    html! {
        h2 { (Untrusted(label)) @if let Some(speaker) = speaker { ", " (Untrusted(speaker)) } }
        p { small { (Untrusted(path)) } }
        table { @for ExampleVersion { name, drawn, file } in takes {
            tr {
                td { (name) br; small { (drawn) } }
                td { audio controls preload="none" src={ (file) ".wav" } {} }
                td { img loading="lazy" src={ (file) ".png" } alt={ "mel spectrogram: " (name) }; }
            }
        } }
    }
}
