//! The page that plays the examples and shows their spectrograms.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use ser_core::text::escape;

use crate::listen::Example;

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
    let mut html = format!(
        "{PAGE_START}<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Augmentation</title><style>{STYLE}</style>\n<h1>Augmentation</h1>\n\
         <p>One utterance of each class and speaker, as it is, with each step of the recipe alone (whatever its \
         probability), and with the whole recipe. Drawn with seed {seed}. All are brought to the same peak; \
         spectrograms are mel bands, 60 dB from dark to bright.</p>\n"
    );
    for Example { path, label, speaker, takes, .. } in examples {
        let speaker = speaker.as_ref().map_or(String::new(), |speaker| format!(", {}", escape(speaker)));
        let _ = writeln!(
            html,
            "<h2>{}{speaker}</h2>\n<p><small>{}</small></p>\n<table>",
            escape(label),
            escape(path)
        );
        for take in takes {
            let _ = writeln!(
                html,
                "<tr><td>{name}<br><small>{drawn}</small></td><td><audio controls preload=\"none\" \
                 src=\"{file}.wav\"></audio></td><td><img loading=\"lazy\" src=\"{file}.png\" alt=\"mel spectrogram: \
                 {name}\"></td></tr>",
                name = escape(&take.name),
                drawn = escape(&take.drawn),
                file = take.file
            );
        }
        html.push_str("</table>\n");
    }
    html.push_str("</html>\n");
    html
}
