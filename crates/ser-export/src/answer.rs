//! The whole graph: from samples to probabilities.

use ser_core::Result;
#[cfg(doc)]
use ser_model::domain::DomainReference;

use crate::Model;
use crate::domain::share_as_unusual;
use crate::features::features;
use crate::network::logits;
use crate::onnx::{Axis, ElementType, Graph};
use crate::weights::Weights;

/// What the licence of an exported model depends on.
pub(crate) const LICENCE: &str = "The graph is written by ser (MIT OR Apache-2.0). The weights were learnt from recordings \
    whose licence may restrict how they are used and passed on; whoever trained the model knows which.";

impl Model {
    /// The bytes of an ONNX model. Equal checkpoints give equal bytes.
    ///
    /// | input or output | | |
    /// |---|---|---|
    /// | `samples` | f32 `[1, N]` | mono, at the rate of the features |
    /// | `probabilities` | f32 `[1, class]` | calibrated, where the checkpoint is |
    /// | `share_as_unusual` | f32 `[1, 1]` | see [`DomainReference`]; only where the checkpoint has one |
    ///
    /// Of samples that preparation refuses, both are NaN.
    ///
    /// # Errors
    /// [`Unsupported`](ser_core::ErrorKind::Unsupported) for a kind of features that the graph does not know.
    pub fn to_onnx(&self) -> Result<Vec<u8>> {
        let mut graph = Graph::default();
        let classes = self.labels().len();
        let about = format!("mono samples at {} Hz, as recorded", self.features.sample_rate);
        let samples =
            graph.input("samples", ElementType::Float, &[Axis::Of(1), Axis::Free("samples")], &about);
        let seen = features(
            &mut graph,
            &samples,
            &self.features,
            &self.normalisation,
            self.states_encoder()?.as_ref(),
        )?;
        let weights = Weights::of(&self.checkpoint.model_state);
        let encoder = self.encoder()?;
        let logits = logits(&mut graph, &seen, &self.config.model, &weights, encoder.as_ref())?;
        graph.enter("probabilities");
        let temperature = graph.float(self.temperature() as f32);
        let logits = graph.op("Div", &[&logits, &temperature]);
        let probabilities = graph.op_with("Softmax", &[&logits], &[crate::onnx::Attribute::Int("axis", 1)]);
        let none = graph.float(f32::NAN);
        let probabilities = graph.op("Where", &[&seen.usable, &probabilities, &none]);
        let about = format!("of {}", self.labels().join(", "));
        let axes = [Axis::Of(1), Axis::Of(classes)];
        graph.output("probabilities", &probabilities, ElementType::Float, &axes, &about);
        if let Some(reference) = &self.domain {
            let share = share_as_unusual(&mut graph, &seen, self.config.model.input_shape, reference);
            let about = "share of the validation side that is at least as far from the training side";
            let axes = [Axis::Of(1), Axis::Of(1)];
            graph.output("share_as_unusual", &share, ElementType::Float, &axes, about);
        }
        Ok(graph.into_model(
            &format!("Speech emotion recognition by {}: samples in, probabilities out.", self.card().arch),
            &self.metadata(),
        ))
    }

    /// What logits are divided by; 1 where the checkpoint is not calibrated.
    pub(crate) fn temperature(&self) -> f64 {
        self.calibrator.as_ref().map_or(1.0, |calibrator| calibrator.temperature.value())
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        let card = self.card();
        let labels: Vec<serde_json::Value> = card.labels.iter().map(|label| label.as_str().into()).collect();
        let mut metadata = vec![
            ("labels", serde_json::Value::Array(labels).to_string()),
            ("sample_rate", card.sample_rate.to_string()),
            ("longest_s", card.longest_s.to_string()),
            ("temperature", card.temperature.to_string()),
            ("calibrated", card.calibration.is_some().to_string()),
            ("arch", card.arch),
            ("feature_set", card.feature_set),
            ("features", self.features.to_canonical_json()),
            ("licence", LICENCE.to_owned()),
            ("checkpoint_sha256", card.checkpoint_sha256),
            ("ser", card.ser),
        ];
        metadata.extend(card.most_samples.map(|most| ("most_samples", most.to_string())));
        metadata.extend(card.out_of_domain_level.map(|level| ("out_of_domain_level", level.to_string())));
        metadata
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prost::Message as _;
    use ser_features::{FeatureConfig, Preset};
    use ser_model::checkpoint::{Checkpoint, Tensor};
    use ser_model::network::{Arch, Architecture};
    use serde_json::json;

    use super::*;
    use crate::onnx::ModelProto;

    fn model(arch: Arch, features: &FeatureConfig, members: usize) -> Model {
        let mut architecture = Architecture::new(&arch.default_network(), features.shape(), 2).unwrap();
        architecture.members = members;
        let constant = |shape: &[usize]| Tensor::from_f32(shape, &vec![0.5; shape.iter().product()]).unwrap();
        let layout = architecture.layout().unwrap();
        let config = json!({
            "model": architecture, "features": features, "feature_set": "example",
            "split": {"protocol": "random"}, "fit": {}, "metrics": null,
        });
        let checkpoint = Checkpoint {
            labels: vec!["calm".to_owned(), "angry".to_owned()],
            config: config.to_string(),
            model_state: layout.shapes().map(|(name, shape)| (name, constant(&shape))).collect(),
            extra: Vec::new(),
        };
        Model::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn every_value_is_computed_once_and_before_it_is_read() {
        let exportable: Vec<Arch> =
            Arch::all().into_iter().filter(|arch| arch.name() != "finetune").collect();
        for (arch, preset) in exportable.into_iter().cycle().zip([
            Preset::Default,
            Preset::LogMel,
            Preset::CoarseLogMel,
            Preset::MfccMeanSubtracted,
            Preset::Librosa,
            Preset::Default,
            Preset::LogMel,
        ]) {
            let bytes = model(arch, &preset.config(), 2).to_onnx().unwrap();
            let graph = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
            let mut known: HashSet<String> = HashSet::new();
            for name in
                graph.initializer.into_iter().map(|constant| constant.name).chain(["samples".to_owned()])
            {
                assert!(known.insert(name));
            }
            for node in graph.node {
                for read in &node.input {
                    assert!(known.contains(read), "{}: {} reads {read}", arch.name(), node.name);
                }
                // Runtimes that know the operator need not know this input of it.
                assert!(node.op_type != "LSTM" || node.input.len() == 4, "{}", node.name);
                for output in node.output {
                    assert!(known.insert(output), "{}: {} computes a value again", arch.name(), node.name);
                }
            }
            let outputs: Vec<String> = graph.output.into_iter().map(|output| output.name).collect();
            assert_eq!(outputs, ["probabilities"]);
            assert!(outputs.iter().all(|output| known.contains(output)));
        }
    }

    #[test]
    fn equal_checkpoints_give_equal_bytes_and_others_do_not() {
        let bytes =
            |arch: &str| model(Arch::named(arch).unwrap(), &FeatureConfig::default(), 1).to_onnx().unwrap();
        assert!(bytes("cnn-statistics") == bytes("cnn-statistics"));
        assert!(bytes("cnn-statistics") != bytes("cnn-transformer"));
    }
}
