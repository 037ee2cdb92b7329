//! Augmented copies that were separated from what they were made from.

use std::collections::HashMap;

use ser_cache::ManifestLine;
use ser_cache::audit::CopyApart;

use crate::audit::lines;

/// The copies on a different side from their parent or, where that is missing, from the first copy of it;
/// sorted by path.
pub(super) fn copies_apart<L: ManifestLine>(sides: [&[L]; 3]) -> Vec<CopyApart> {
    let all = || {
        sides.into_iter().enumerate().flat_map(|(side, of_side)| lines(of_side).map(move |one| (side, one)))
    };
    let copies = || all().filter_map(|(side, utterance)| Some((side, utterance.path, utterance.parent?)));
    // By the path of a parent: a path of its family, and the side that is on.
    let mut families: HashMap<&str, (&str, Option<usize>)> =
        copies().map(|(_, _, parent)| (parent, (parent, None))).collect();
    if families.is_empty() {
        return Vec::new();
    }
    for (side, utterance) in all() {
        if let Some((_, place)) = families.get_mut(utterance.path) {
            *place = Some(side);
        }
    }
    let mut in_order: Vec<(usize, &str, &str)> = copies().collect();
    in_order.sort_unstable_by_key(|(_, path, _)| *path);
    let mut apart = Vec::new();
    for (side, path, parent) in in_order {
        match families.get_mut(parent) {
            Some((first, place @ None)) => (*first, *place) = (path, Some(side)),
            Some((first, Some(place))) if *place != side => {
                apart.push(CopyApart { path: path.to_owned(), parent: (*first).to_owned() });
            }
            _ => {}
        }
    }
    apart
}
