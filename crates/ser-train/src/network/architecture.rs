//! What a checkpoint says about its network: all that is needed to build it again.

use ser_core::{Error, ErrorKind, Result};
use ser_model::network::{Arch, NetworkConfig};
use ser_model::{MOST_MEMBERS, checkpoint};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::network::ensemble::Ensemble;
use crate::network::layers::Plan;
use crate::network::parameters::find;
use crate::network::{
    Model, cnn_bilstm, cnn_bilstm_attention, cnn_statistics, cnn_transformer, conformer, ensemble,
};

/// Most inputs of a layer, and most utterances, bands or frames of anything.
const MOST: usize = 1 << 20;

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
        let invalid_size = |what: &str| {
            let text = format!("a network of these sizes is not valid: {what} in {self:?}");
            Err(Error::new(ErrorKind::Unsupported, text))
        };
        let [channels, bands, frames] = self.input_shape;
        let sizes = self.network.sizes();
        let needed = sizes.least_bands_and_frames();
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
        if let Err(error) = sizes.validate() {
            return invalid_size(&error.reason());
        }
        if !(1..=MOST_MEMBERS as usize).contains(&self.members) {
            return invalid_size("the number of members");
        }
        if [channels, bands, frames].into_iter().any(|size| size > MOST) {
            return invalid_size("the input");
        }
        if !(2..=MOST).contains(&self.classes) {
            return invalid_size("the number of classes");
        }
        match sizes.widest_layer(bands) <= MOST {
            true => Ok(()),
            false => invalid_size("the inputs of a layer"),
        }
    }

    /// Its layers, and all that they learn and record.
    pub(super) fn plan(&self) -> (Box<dyn Model>, Plan) {
        let mut plan = Plan::default();
        if self.members == 1 {
            return (self.model(&mut plan), plan);
        }
        let member = |number: usize| {
            plan.prefix = ensemble::prefix(number);
            self.model(&mut plan)
        };
        let members = (0..self.members).map(member).collect();
        (Box::new(Ensemble::new(members)), plan)
    }

    /// The layers of one network, and what they add to `plan`.
    fn model(&self, plan: &mut Plan) -> Box<dyn Model> {
        let (input, classes) = (self.input_shape, self.classes);
        match &self.network {
            NetworkConfig::CnnBilstm(config) => {
                Box::new(cnn_bilstm::CnnBilstm::new(config, input, classes, plan))
            }
            NetworkConfig::CnnStatistics(config) => {
                Box::new(cnn_statistics::CnnStatistics::new(config, input, classes, plan))
            }
            NetworkConfig::CnnBilstmAttention(config) => {
                Box::new(cnn_bilstm_attention::CnnBilstmAttention::new(config, input, classes, plan))
            }
            NetworkConfig::CnnTransformer(config) => {
                Box::new(cnn_transformer::CnnTransformer::new(config, input, classes, plan))
            }
            NetworkConfig::Conformer(config) => {
                Box::new(conformer::Conformer::new(config, input, classes, plan))
            }
        }
    }

    /// How many numbers are learnt.
    pub fn n_parameters(&self) -> u64 {
        self.plan().1.n_parameters()
    }

    /// Checks that a state dict holds every tensor of this network in its shape. So building the network takes
    /// memory in proportion to the file.
    ///
    /// # Errors
    /// When one is missing, or of another shape.
    pub(crate) fn check_shapes(&self, state: &[(String, checkpoint::Tensor)]) -> Result<()> {
        for (name, shape) in self.plan().1.shapes() {
            let stored: Vec<i64> = find(state, &name)?.shape().iter().map(|&size| size as i64).collect();
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
