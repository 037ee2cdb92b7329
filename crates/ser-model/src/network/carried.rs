//! The network that a checkpoint carries.

use ser_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use super::{Arch, Architecture};
use crate::checkpoint::Checkpoint;

/// The part of a checkpoint's configuration that describes its network, as `M` reads it.
#[derive(Deserialize)]
struct Described<M> {
    model: M,
}

/// The name of an architecture, known or not.
#[derive(Deserialize)]
struct Named {
    arch: String,
}

impl Architecture {
    /// That of the network in `checkpoint`. Its labels and its weights are those of such a network, so that building it takes
    /// memory in proportion to the file.
    ///
    /// # Errors
    /// When the configuration is not what this program writes, or describes an invalid or a different network.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self> {
        if let Ok(Described { model: Named { arch } }) = checkpoint.parse_config() {
            // That of a newer version is not damaged.
            Arch::named(&arch)?;
        }
        let Described { model } = checkpoint.parse_config::<Described<Self>>()?;
        model.validate()?;
        let (labels, classes) = (checkpoint.labels.len(), model.classes);
        if labels != classes {
            let what = format!("names {labels} labels for {classes} classes");
            return Err(Error::new(ErrorKind::Damaged, what));
        }
        model.check_shapes(&checkpoint.model_state)?;
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_network_that_does_not_fit_its_checkpoint_is_refused() {
        let said = |model: serde_json::Value, labels: &[&str]| {
            let checkpoint = Checkpoint {
                labels: labels.iter().map(|label| (*label).to_owned()).collect(),
                config: json!({ "model": model }).to_string(),
                model_state: Vec::new(),
                extra: Vec::new(),
            };
            Architecture::of(&checkpoint).unwrap_err().to_string()
        };
        let network = Arch::named("cnn-bilstm").unwrap().default_network();
        let model_of = |classes| {
            let network = Architecture::new(&network, [3, 40, 200], classes).unwrap();
            serde_json::to_value(network).unwrap()
        };
        assert!(said(json!({"arch": "vgg"}), &["a", "b"]).contains("unknown architecture \"vgg\""));
        assert!(said(json!({}), &["a", "b"]).starts_with("its configuration cannot be understood: "));
        assert_eq!(said(model_of(3), &["a", "b"]), "names 2 labels for 3 classes");
        assert!(said(model_of(2), &["a", "b"]).starts_with("the checkpoint holds no tensor"));
    }
}
