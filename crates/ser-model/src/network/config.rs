//! What a recipe says about its network.

use std::fmt;

use ser_core::Result;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::arch::AnySizes;
use super::{Arch, Description, Sizes};

/// The network of a recipe: an architecture with its sizes. In TOML and JSON it is a table with `arch` and the fields of
/// that architecture; without `arch` it is a `cnn-bilstm`, and what is not named keeps its default.
pub struct NetworkConfig(Box<dyn AnySizes>);

impl NetworkConfig {
    /// The network of these sizes.
    pub fn new(sizes: impl Sizes) -> Self {
        Self(Box::new(sizes))
    }

    /// Its sizes, if its architecture is that of `S`.
    pub fn sizes<S: Sizes>(&self) -> Option<&S> {
        self.0.as_any().downcast_ref()
    }

    /// Its architecture.
    pub fn arch(&self) -> Arch {
        self.0.arch()
    }

    /// Drops `share` of the head's units, whatever the architecture.
    pub fn set_dropout(&mut self, share: f64) {
        *self.0.dropout() = share;
    }

    /// Checks that every value is valid.
    ///
    /// # Errors
    /// On the first that does not, naming its field and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.0.validate()
    }

    /// Its layers, to tell so many `classes` apart.
    ///
    /// # Errors
    /// When a value is not valid.
    pub fn describe(&self, classes: u32) -> Result<Description> {
        self.validate().map(|()| self.0.describe(classes))
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Arch::default().default_network()
    }
}

impl Clone for NetworkConfig {
    fn clone(&self) -> Self {
        Self(self.0.boxed_clone())
    }
}

impl PartialEq for NetworkConfig {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(&*other.0)
    }
}

impl fmt::Debug for NetworkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for NetworkConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Tagged<'a> {
            arch: &'static str,
            #[serde(flatten)]
            sizes: &'a dyn AnySizes,
        }
        Tagged { arch: self.arch().name(), sizes: &*self.0 }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NetworkConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(mut fields) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom("a network is described by a table"));
        };
        let arch = match fields.remove("arch") {
            None => Arch::default(),
            Some(Value::String(name)) => {
                Arch::named(&name).map_err(|error| D::Error::custom(error.reason()))?
            }
            Some(other) => return Err(D::Error::custom(format!("arch = {other} is not a name"))),
        };
        arch.read(Value::Object(fields))
            .map_err(|error| D::Error::custom(format!("network {}: {error}", arch.name())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::CnnBilstmConfig;

    fn from_toml(text: &str) -> Result<NetworkConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_recipe_without_an_architecture_is_a_cnn_bilstm() {
        let config = CnnBilstmConfig { hidden: 12, ..CnnBilstmConfig::default() };
        assert_eq!(from_toml("hidden = 12").unwrap(), NetworkConfig::new(config));
        assert_eq!(from_toml("").unwrap(), NetworkConfig::default());
    }

    #[test]
    fn every_architecture_reads_back_as_it_was_written() {
        for arch in Arch::all() {
            let config = arch.default_network();
            config.validate().unwrap();
            let text = toml::to_string(&config).unwrap();
            assert!(text.starts_with(&format!("arch = \"{}\"\n", arch.name())), "{text}");
            assert_eq!(from_toml(&text).unwrap(), config);
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<NetworkConfig>(&json).unwrap(), config);
            let mut dropped = config.clone();
            dropped.set_dropout(0.125);
            assert_ne!(dropped, config);
            assert!(toml::to_string(&dropped).unwrap().contains("\ndropout = 0.125\n"));
        }
    }

    #[test]
    fn fields_are_written_in_their_order() {
        let json = serde_json::to_string(&NetworkConfig::default()).unwrap();
        let expected = r#"{"arch":"cnn-bilstm","channels":[32,64],"hidden":128,"dense":128,"dropout":0.3}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn a_field_of_another_architecture_is_refused_by_its_name() {
        let refused = |text: &str| from_toml(text).unwrap_err();
        let text = refused("arch = \"cnn-statistics\"\nhidden = 3");
        assert!(text.contains("cnn-statistics: unknown field `hidden`"), "{text}");
        assert!(text.contains("frame_channels"), "{text}");
        let text = refused("arch = \"lstm\"");
        assert!(text.contains("unknown architecture \"lstm\"") && text.contains("cnn-statistics"), "{text}");
        let text = refused("arch = 3");
        assert!(text.contains("arch = 3 is not a name"), "{text}");
        let text = refused("arch = \"cnn-statistics\"\nviews = \"both\"");
        assert!(text.contains("features-and-cepstrum"), "{text}");
    }
}
