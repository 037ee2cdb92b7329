//! The registry of architectures.

use std::any::Any;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    CnnBilstmConfig, CnnStatisticsConfig, CnnTransformerConfig, Description, EncoderHeadConfig,
    FinetuneConfig, NetworkConfig,
};

/// The architectures of this crate, the default one first. A new one is a file of this folder and a line here.
static BUILT_IN: [Arch; 5] = [
    Arch::of::<CnnBilstmConfig>(),
    Arch::of::<CnnStatisticsConfig>(),
    Arch::of::<CnnTransformerConfig>(),
    Arch::of::<EncoderHeadConfig>(),
    Arch::of::<FinetuneConfig>(),
];

/// Those of other crates.
static REGISTERED: RwLock<Vec<Arch>> = RwLock::new(Vec::new());

/// An architecture: sizes that a recipe gives, and the network that follows from them.
pub trait Sizes:
    fmt::Debug + Clone + PartialEq + Default + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Its name in recipes and checkpoints.
    const NAME: &'static str;
    /// What it is in one line.
    const SUMMARY: &'static str;

    /// Checks that every value is valid. The functions of [`checks`](super::checks) help.
    ///
    /// # Errors
    /// On the first that does not, naming its field and what is allowed.
    fn validate(&self) -> Result<()>;

    /// The network of these sizes, which are valid, that tells so many `classes` apart.
    fn describe(&self, classes: u32) -> Description;

    /// Share of the head's units that are dropped in training.
    fn dropout(&mut self) -> &mut f64;
}

/// An entry of the registry.
#[derive(Clone, Copy)]
pub struct Arch {
    name: &'static str,
    summary: &'static str,
    initial: fn() -> NetworkConfig,
    read: fn(Value) -> serde_json::Result<NetworkConfig>,
}

impl Arch {
    /// The entry of the architecture with the sizes `S`.
    pub const fn of<S: Sizes>() -> Self {
        Self {
            name: S::NAME,
            summary: S::SUMMARY,
            initial: || NetworkConfig::new(S::default()),
            read: |fields| serde_json::from_value::<S>(fields).map(NetworkConfig::new),
        }
    }

    /// All architectures, the default one first.
    pub fn all() -> Vec<Self> {
        let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
        BUILT_IN.iter().chain(registered.iter()).copied().collect()
    }

    /// Adds an architecture of another crate, so that recipes and checkpoints can name it: to be called before any is
    /// read. Adding it again changes nothing.
    ///
    /// # Errors
    /// When another one has its name.
    pub fn register<S: Sizes>() -> Result<()> {
        let new = Self::of::<S>();
        let taken = || {
            Error::new(ErrorKind::Usage, format!("another architecture is called {:?}", new.name))
                .help("give it another name")
        };
        let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
        match BUILT_IN.iter().chain(registered.iter()).find(|known| known.name == new.name) {
            None => registered.push(new),
            Some(known) if (known.initial)().sizes::<S>().is_some() => {}
            Some(_) => return Err(taken()),
        }
        Ok(())
    }

    /// The architecture called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self> {
        let all = Self::all();
        all.iter().find(|arch| arch.name == name).copied().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|arch| arch.name).collect();
            Error::new(
                ErrorKind::Unsupported,
                format!("unknown architecture {name:?}; this program knows {}", names.join(", ")),
            )
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// What it is in one line.
    pub fn summary(self) -> &'static str {
        self.summary
    }

    /// Its network with default sizes.
    pub fn default_network(self) -> NetworkConfig {
        (self.initial)()
    }

    /// Its network with the sizes that `fields`, a JSON object, names, and the defaults of the others.
    pub(super) fn read(self, fields: Value) -> serde_json::Result<NetworkConfig> {
        (self.read)(fields)
    }
}

impl Default for Arch {
    fn default() -> Self {
        BUILT_IN[0]
    }
}

impl PartialEq for Arch {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Arch {}

impl fmt::Debug for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arch({})", self.name)
    }
}

/// [`Sizes`] of whatever architecture: what [`NetworkConfig`] holds.
pub(super) trait AnySizes: fmt::Debug + erased_serde::Serialize + Send + Sync {
    fn arch(&self) -> Arch;
    fn validate(&self) -> Result<()>;
    fn describe(&self, classes: u32) -> Description;
    fn dropout(&mut self) -> &mut f64;
    fn boxed_clone(&self) -> Box<dyn AnySizes>;
    fn equals(&self, other: &dyn AnySizes) -> bool;
    fn as_any(&self) -> &dyn Any;
}

impl<S: Sizes> AnySizes for S {
    fn arch(&self) -> Arch {
        Arch::of::<S>()
    }

    fn validate(&self) -> Result<()> {
        Sizes::validate(self)
    }

    fn describe(&self, classes: u32) -> Description {
        Sizes::describe(self, classes)
    }

    fn dropout(&mut self) -> &mut f64 {
        Sizes::dropout(self)
    }

    fn boxed_clone(&self) -> Box<dyn AnySizes> {
        Box::new(self.clone())
    }

    fn equals(&self, other: &dyn AnySizes) -> bool {
        other.as_any().downcast_ref::<S>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

erased_serde::serialize_trait_object!(AnySizes);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Layer};
    use serde::Deserialize;

    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Pooled {
        dropout: f64,
    }

    /// Another one of the same name.
    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
    struct Namesake {
        dropout: f64,
    }

    macro_rules! pooled {
        ($sizes:ty) => {
            impl Sizes for $sizes {
                const NAME: &'static str = "pooled";
                const SUMMARY: &'static str = "The mean over frames";

                fn validate(&self) -> Result<()> {
                    Ok(())
                }

                fn describe(&self, classes: u32) -> Description {
                    Description::new(vec![
                        Layer::Mean,
                        Layer::Dropout(self.dropout),
                        Layer::linear("out", classes),
                    ])
                }

                fn dropout(&mut self) -> &mut f64 {
                    &mut self.dropout
                }
            }
        };
    }

    pooled!(Pooled);
    pooled!(Namesake);

    #[test]
    fn an_architecture_of_another_crate_is_known_once_it_is_registered() {
        let config = NetworkConfig::new(Pooled { dropout: 0.5 });
        let architecture = Architecture::new(&config, [2, 3, 10], 4).unwrap();
        assert_eq!(architecture.n_parameters().unwrap(), 6 * 4 + 4);
        let json = serde_json::to_string(&architecture).unwrap();
        assert_eq!(json, r#"{"arch":"pooled","dropout":0.5,"input_shape":[2,3,10],"classes":4}"#);
        Arch::register::<Pooled>().unwrap();
        Arch::register::<Pooled>().unwrap();
        assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), architecture);
        assert_eq!(Arch::all().iter().filter(|arch| arch.name() == "pooled").count(), 1);
        let error = Arch::register::<Namesake>().unwrap_err().to_string();
        assert!(error.contains("another architecture is called \"pooled\""), "{error}");
    }
}
