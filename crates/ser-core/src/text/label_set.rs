//! Several labels in one field of a table.

/// `labels` with `|` between them, and `\` before each `|` or `\` of a label, so that no two sets are written alike.
pub fn label_set<'a>(labels: impl IntoIterator<Item = &'a str>) -> String {
    let escaped = labels.into_iter().map(|label| label.replace('\\', "\\\\").replace('|', "\\|"));
    escaped.collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_told_apart_whatever_they_hold() {
        assert_eq!(label_set([]), "");
        assert_eq!(label_set(["sad"]), "sad");
        let sets = [["b", "a"], ["b|a", "a"], ["b\\", "a"], ["b\\|", "a"], ["b", "|a"]];
        assert_eq!(sets.map(label_set), ["b|a", r"b\|a|a", r"b\\|a", r"b\\\||a", r"b|\|a"]);
    }
}
