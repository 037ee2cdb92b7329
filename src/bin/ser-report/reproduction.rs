//! The commands that reproduce an evaluation: prepare, train, report.

use ser_eval::CommandLine;
use ser_model::MemberOrigin;
use ser_train::assess::{Preparation, Reproduction};

/// The commands, in the order in which they are run; `report` is the last of them.
pub(crate) fn commands(network: &Reproduction<'_>, report: Vec<String>) -> Vec<CommandLine> {
    let mut all = vec![("Prepare the recordings", preparing(network))];
    all.extend(training(network).into_iter().map(|words| ("Train, by the recipe below", words)));
    all.push(("Report", report));
    all.into_iter().map(|(purpose, words)| CommandLine { purpose: purpose.to_owned(), words }).collect()
}

/// As it was called, if that is known; otherwise put together from what the split and the features say.
fn preparing(network: &Reproduction<'_>) -> Vec<String> {
    let mut command = words(&["ser-prep"]);
    match &network.preparation {
        Preparation::Last { arguments } => command.extend_from_slice(arguments),
        Preparation::Earlier { corpora, seed, fractions } => {
            let folders = corpora.as_ref().map_or_else(|| words(&["CORPUS"]), |corpora| corpora.as_given());
            command.extend(folders.into_iter().flat_map(|folder| ["--data".to_owned(), folder]));
            command.extend(words(&[
                "--out",
                &cache(network),
                "--seed",
                &seed.to_string(),
                "--val-fraction",
                &fractions.val.to_string(),
                "--test-fraction",
                &fractions.test.to_string(),
                "--features",
                "features.toml",
            ]));
        }
    }
    command
}

/// One command, or for networks that were trained apart one for each and one that joins them.
fn training(network: &Reproduction<'_>) -> Vec<Vec<String>> {
    let cache = cache(network);
    let fit = ["ser-fit", "--config", "recipe.toml", "--cache", &cache];
    let together = (network.members.iter().zip(0..))
        .all(|(member, number)| network.fit.member_seed(number) == Some(member.seed));
    if together {
        return vec![words(&fit)];
    }
    let runs: Vec<String> = (1..=network.members.len()).map(|number| format!("member-{number}")).collect();
    let alone = |(member, run): (&MemberOrigin, &String)| {
        words(&[&fit[..], &["--members", "1", "--seed", &member.seed.to_string(), "--run", run]].concat())
    };
    let mut commands: Vec<Vec<String>> = network.members.iter().zip(&runs).map(alone).collect();
    let checkpoints = runs.iter().map(|run| format!("{run}/best.pt"));
    commands
        .push(words(&["ser-fit", "--run", "ensemble", "--join"]).into_iter().chain(checkpoints).collect());
    commands
}

fn cache(network: &Reproduction<'_>) -> String {
    network.cache.display().to_string()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
