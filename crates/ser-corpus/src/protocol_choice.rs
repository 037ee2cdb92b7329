//! Several protocols, chosen among those of a cache by their names or by how these begin.

use ser_core::{Error, ErrorKind, Result};

use crate::Protocol;

impl Protocol {
    /// The protocols among `known` that `wanted` names, each once, in the order they are named: names, or beginnings of
    /// names with a `*` after them, between commas; `all` is `*`.
    ///
    /// # Errors
    /// When one names none of them.
    pub fn choose(known: &[Self], wanted: &str) -> Result<Vec<Self>> {
        let mut chosen: Vec<Self> = Vec::new();
        for name in wanted.split(',').map(str::trim) {
            let name = if name == "all" { "*" } else { name };
            let matches = |protocol: &&Self| match name.strip_suffix('*') {
                Some(beginning) => protocol.to_string().starts_with(beginning),
                None => protocol.to_string() == name,
            };
            let before = chosen.len();
            let mut found = false;
            for protocol in known.iter().filter(matches) {
                found = true;
                if !chosen[..before].contains(protocol) {
                    chosen.push(protocol.clone());
                }
            }
            if !found {
                let known: Vec<String> = known.iter().map(Self::to_string).collect();
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("there is no protocol {name:?} in the cache"),
                )
                .help(format!("choose among {}, or give all", known.join(", "))));
            }
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<Protocol> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn protocols_are_chosen_by_name_by_beginning_or_all_at_once() {
        let known = named(&["random", "speaker-OAF", "speaker-YAF", "word"]);
        assert_eq!(Protocol::choose(&known, "all").unwrap(), known);
        assert_eq!(Protocol::choose(&known, "speaker-*").unwrap(), named(&["speaker-OAF", "speaker-YAF"]));
        assert_eq!(Protocol::choose(&known, "word, random,word").unwrap(), named(&["word", "random"]));
        assert_eq!(Protocol::choose(&known, "word,all").unwrap().len(), 4);
        for wrong in ["", "speaker", "random,sentence", "x*"] {
            assert_eq!(Protocol::choose(&known, wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong:?}");
        }
    }
}
