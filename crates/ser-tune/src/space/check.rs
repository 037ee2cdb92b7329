//! Checks before any trial that ser-fit accepts what a search space can make of the base recipe.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};

use crate::{BaseRecipe, Distribution, Space};

impl BaseRecipe {
    /// Checks, before any trial, that `ser-fit` accepts every option of `space` at its bounds, and with every choice
    /// of another.
    ///
    /// # Errors
    /// On the first option that it does not accept, naming it and what is allowed.
    pub fn check(&self, space: &Space) -> Result<()> {
        self.config()?;
        for (key, distribution) in space.iter().filter(|(key, _)| space.condition(key).is_none()) {
            for value in edges(distribution) {
                self.try_with(space, BTreeMap::from([(key.as_str(), value)])).map_err(|reason| {
                    Error::new(ErrorKind::Usage, format!("{} is refused: {reason}", said(space, key, value)))
                })?;
            }
        }
        for (key, distribution) in space.iter() {
            if let Distribution::Categorical { .. } = distribution {
                for choice in edges(distribution) {
                    self.check_beside(space, key, choice)?;
                }
            }
        }
        Ok(())
    }

    /// Checks every option together with one choice of the option `key`.
    fn check_beside(&self, space: &Space, key: &str, choice: f64) -> Result<()> {
        for (other, distribution) in space.iter().filter(|(other, _)| *other != key) {
            for value in edges(distribution) {
                let Some(together) = together(space, [(key, choice), (other.as_str(), value)]) else {
                    continue;
                };
                self.try_with(space, together).map_err(|reason| {
                    let (option, beside) = (said(space, other, value), said(space, key, choice));
                    Error::new(ErrorKind::Usage, format!("{option} is refused together with {beside}: {reason}")).help(
                        "state in its when the choices it goes with, such as when = { \"network.arch\" = \"cnn-bilstm\" }",
                    )
                })?;
            }
        }
        Ok(())
    }

    /// Why `ser-fit` does not accept this recipe with `values`, if it does not.
    fn try_with(&self, space: &Space, values: BTreeMap<&str, f64>) -> Result<(), String> {
        self.with(space, values).config().map(drop).map_err(|error| error.reason())
    }
}

/// Two options and those that they depend on; none if no trial has both.
fn together<'a>(space: &'a Space, two: [(&'a str, f64); 2]) -> Option<BTreeMap<&'a str, f64>> {
    let mut values = BTreeMap::from(two);
    let conditions = || two.iter().filter_map(|(key, _)| space.condition(key));
    for condition in conditions() {
        let key = condition.key();
        let all_hold = |value: &f64| conditions().filter(|it| it.key() == key).all(|it| it.holds(*value));
        let value = match values.get(key) {
            Some(value) => Some(*value).filter(all_hold),
            None => condition.values().find(all_hold),
        };
        values.insert(key, value?);
    }
    Some(values)
}

/// The smallest value and the largest, or every choice.
fn edges(distribution: &Distribution) -> Vec<f64> {
    match distribution {
        Distribution::Float { low, high, .. } => vec![*low, *high],
        Distribution::Int { low, high, .. } => vec![*low as f64, *high as f64],
        Distribution::Categorical { choices } => (0..choices.len()).map(|index| index as f64).collect(),
    }
}

/// An option with its value, as a recipe says it.
fn said(space: &Space, key: &str, value: f64) -> String {
    space.to_toml(key, value).map_or(key.to_owned(), |value| format!("{key} = {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, space: &str) -> Result<()> {
        BaseRecipe::parse(base).unwrap().check(&Space::parse(space).unwrap())
    }

    #[test]
    fn an_option_that_ser_fit_does_not_know_is_refused_with_those_it_knows() {
        check(
            "",
            "lr = { log_float = [1e-4, 1e-2] }\nnetwork.channels = { categorical = [[8, 16], [16, 32]] }",
        )
        .unwrap();
        for (space, said) in [
            (
                "learning_rate = { float = [0.1, 0.2] }",
                "learning_rate = 0.1 is refused: unknown field `learning_rate`",
            ),
            ("network.dropuot = { float = [0.1, 0.2] }", "expected one of `channels`"),
            (
                "batch_size = { float = [8.0, 16.0] }",
                "batch_size = 8.0 is refused: invalid type: floating point",
            ),
            (
                "network.dropout = { float = [0.0, 1.0] }",
                "network.dropout = 1.0 is refused: network.dropout 1 is not",
            ),
            ("select = { categorical = ['uar', 'test_uar'] }", "unknown variant `test_uar`, expected"),
            ("lr.high = { float = [0.0, 1.0] }", "lr.high = 0.0 is refused: invalid type: map"),
        ] {
            let error = check("", space).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    const ARCHITECTURES: &str = "network.arch = { categorical = ['cnn-bilstm', 'cnn-transformer', 'cnn-statistics'] }\n\
                                 network.dropout = { float = [0.0, 0.5] }\n";

    #[test]
    fn options_of_one_architecture_are_taken_with_a_condition_and_refused_without() {
        check("", ARCHITECTURES).unwrap();
        let sizes = "network.hidden = { int = [8, 64], when = { 'network.arch' = 'cnn-bilstm' } }\n\
                     network.dense = { categorical = [32, 64], when = { 'network.arch' = ['cnn-transformer', 'cnn-statistics'] } }\n\
                     network.heads = { categorical = [2, 4], when = { 'network.arch' = 'cnn-transformer' } }\n\
                     network.frame_channels = { int = [8, 64], when = { 'network.arch' = 'cnn-statistics' } }\n";
        check("", &format!("{ARCHITECTURES}{sizes}")).unwrap();
        for (entry, said) in [
            (
                "network.hidden = { int = [8, 64] }",
                "network.hidden = 8 is refused together with network.arch = \"cnn-transformer\": ",
            ),
            (
                "network.frame_channels = { int = [8, 64], when = { 'network.arch' = ['cnn-statistics', 'cnn-transformer'] } }",
                "network.frame_channels = 8 is refused together with network.arch = \"cnn-transformer\": ",
            ),
            (
                "network.layers = { int = [1, 300], when = { 'network.arch' = 'cnn-transformer' } }",
                "network.layers = 300 is refused together with network.arch = \"cnn-transformer\": network.layers 300 is not valid",
            ),
        ] {
            let error = check("", &format!("{ARCHITECTURES}{entry}")).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("state in its when"), "{error}");
        }
    }

    #[test]
    fn a_base_recipe_for_one_architecture_is_refused_with_the_choice_that_it_does_not_fit() {
        let error = check("[network]\nhidden = 32", ARCHITECTURES).unwrap_err().to_string();
        assert!(error.contains("network.arch = \"cnn-transformer\" is refused: "), "{error}");
        assert!(error.contains("unknown field `hidden`"), "{error}");
    }

    #[test]
    fn choices_that_do_not_go_together_are_refused() {
        let heads = "network.heads = { categorical = [3, 4] }\nnetwork.width = { categorical = [96, 128] }";
        let error = check("[network]\narch = 'cnn-transformer'\nwidth = 96", heads).unwrap_err().to_string();
        assert!(
            error.contains("network.width = 128 is refused together with network.heads = 3: "),
            "{error}"
        );
    }
}
