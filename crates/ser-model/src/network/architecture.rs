//! What a checkpoint says about its network: all that is needed to build it again.

use ser_core::{Error, ErrorKind, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::description::{Description, Layout, RunningStatistics, Weight};
use super::flow::MOST;
use super::{Arch, NetworkConfig};
use crate::{MOST_MEMBERS, checkpoint};

/// A network's shape. In JSON one object: `arch` and the sizes of that architecture, `input_shape`, `classes`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Architecture {
    /// Architecture and sizes.
    #[serde(flatten)]
    pub network: NetworkConfig,
    /// Shape of an utterance: `[channel, band, frame]`. A band is a row of the features: an MFCC, or a mel band.
    pub input_shape: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// How many networks of this shape answer together, each with weights of its own.
    #[serde(skip_serializing_if = "is_one")]
    pub members: usize,
}

/// Left out of the description, as before there were ensembles.
fn is_one(members: &usize) -> bool {
    *members == 1
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(mut fields) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom("a network is described by an object"));
        };
        let mut take = |name: &'static str| fields.remove(name).ok_or_else(|| D::Error::missing_field(name));
        let input_shape = serde_json::from_value(take("input_shape")?).map_err(D::Error::custom)?;
        let classes = serde_json::from_value(take("classes")?).map_err(D::Error::custom)?;
        let members =
            fields.remove("members").map_or(Ok(1), serde_json::from_value).map_err(D::Error::custom)?;
        if !fields.contains_key("arch") {
            return Err(D::Error::missing_field("arch"));
        }
        let network = serde_json::from_value(Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { network, input_shape, classes, members })
    }
}

impl Architecture {
    /// The network of `config` for utterances of `input_shape`.
    ///
    /// # Errors
    /// When they are too small for its poolings.
    pub fn new(config: &NetworkConfig, input_shape: [usize; 3], classes: usize) -> Result<Self> {
        let built = Self { network: config.clone(), input_shape, classes, members: 1 };
        built.validate().map(|()| built)
    }

    /// Its name.
    pub fn arch(&self) -> Arch {
        self.network.arch()
    }

    /// Checks what a checkpoint says, before anything is allocated for it.
    ///
    /// # Errors
    /// When its sizes are not valid.
    pub fn validate(&self) -> Result<()> {
        self.layout().map(drop)
    }

    /// The layers of one of its members.
    ///
    /// # Errors
    /// When its sizes are not valid.
    pub fn describe(&self) -> Result<Description> {
        let [channels, bands, frames] = self.input_shape;
        let classes =
            u32::try_from(self.classes).ok().filter(|&classes| (2..=MOST).contains(&(classes as usize)));
        let Some(classes) = classes else {
            return Err(self.invalid("the number of classes"));
        };
        let described = self.network.describe(classes).map_err(|error| self.invalid(&error.reason()))?;
        let needed = described.least_bands_and_frames();
        if channels == 0 || bands < needed[0] || frames < needed[1] {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "utterances of shape {:?} are too small for {}",
                    self.input_shape,
                    self.arch().name()
                ),
            )
            .help(format!(
                "compute features with at least {} coefficients and {} frames",
                needed[0], needed[1]
            )));
        }
        if !(1..=MOST_MEMBERS as usize).contains(&self.members) {
            return Err(self.invalid("the number of members"));
        }
        match self.input_shape.into_iter().any(|size| size > MOST) {
            true => Err(self.invalid("the input")),
            false => Ok(described),
        }
    }

    fn invalid(&self, what: &str) -> Error {
        let text = format!("a network of these sizes is not valid: {what} in {self:?}");
        Error::new(ErrorKind::Unsupported, text)
    }

    /// All that its members learn and record.
    ///
    /// # Errors
    /// When its sizes are not valid.
    pub fn layout(&self) -> Result<Layout> {
        let [channels, bands, _] = self.input_shape;
        let one = self.describe()?.layout([channels, bands], self.classes);
        let one = one.map_err(|error| self.invalid(&error.reason()))?;
        let mut all = Layout::default();
        for number in 0..self.members {
            let prefix = self.member_prefix(number);
            let named = |name: &str| format!("{prefix}{name}");
            let weights = one.weights.iter().map(|w| Weight { name: named(&w.name), ..w.clone() });
            all.weights.extend(weights);
            let statistics = one.statistics.iter();
            all.statistics.extend(statistics.map(|s| RunningStatistics { name: named(&s.name), ..*s }));
        }
        Ok(all)
    }

    /// What the names of the weights of member `number`, from 0, begin with: nothing, if it is the only one.
    pub fn member_prefix(&self, number: usize) -> String {
        if self.members == 1 { String::new() } else { format!("members.{number}.") }
    }

    /// How many numbers are learnt.
    ///
    /// # Errors
    /// When its sizes are not valid.
    pub fn n_parameters(&self) -> Result<u64> {
        Ok(self.layout()?.n_parameters())
    }

    /// Checks that a state dict holds every tensor of this network in its shape. So building the network takes
    /// memory in proportion to the file.
    ///
    /// # Errors
    /// When one is missing, or of another shape.
    pub fn check_shapes(&self, state: &[(String, checkpoint::Tensor)]) -> Result<()> {
        for (name, shape) in self.layout()?.shapes() {
            let stored = checkpoint::find(state, &name)?.shape();
            if stored != shape {
                return Err(Error::new(
                    ErrorKind::Mismatch,
                    format!(
                        "holds {name} of shape {stored:?}, but its configuration describes a network where that has \
                         shape {shape:?}"
                    ),
                ));
            }
        }
        Ok(())
    }
}
