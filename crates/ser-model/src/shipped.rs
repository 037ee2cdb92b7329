//! Recipes that come with ser.

use ser_core::Result;

use crate::FitConfig;

/// A recipe that needs no file.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum ShippedRecipe {
    /// For speakers never heard: convolutions and statistics over frames on coarse log mel bands, augmented voices
    Unheard,
}

impl ShippedRecipe {
    /// Its text, as in the folder `recipes`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unheard => include_str!("../../../recipes/unheard.toml"),
        }
    }

    /// The recipe.
    ///
    /// # Errors
    /// Never, as long as the tests pass: each is read there.
    pub fn recipe(self) -> Result<FitConfig> {
        FitConfig::from_toml(self.text())
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn every_shipped_recipe_is_one() {
        for shipped in ShippedRecipe::VARIANTS {
            let recipe = shipped.recipe().unwrap();
            assert_ne!(recipe, FitConfig::default(), "{shipped}");
        }
    }
}
