//! A network as data: its layers, and the weights that follow from them.

use std::collections::HashSet;

use ser_core::{Error, ErrorKind, Result};

use super::flow::{Flow, MOST};
use super::layer::Layer;

/// A network as data. Whatever computes with networks reads it: training with libtorch, and equally an export or another
/// implementation of the layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// What becomes of the zeros after an utterance.
    pub padding: Padding,
    /// What the network is made of. Each branch gives logits of its own, of which the network's answer is the mean
    /// log-probability; the loss is the mean of the branches' losses. Most networks are one branch.
    pub branches: Vec<Branch>,
    /// Names of layers in the order in which their weights lie in memory, and their moments in checkpoints to resume
    /// from. A name stands for all that begin with it and a dot; weights that are not named come last. If it is
    /// empty, weights lie in the order of the layers, as they should.
    pub order: &'static [&'static str],
}

/// What becomes of padding: an utterance's frames are followed by zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// It never counts: it is zero before every convolution, left out of statistics and pooling, and logits do not
    /// depend on it.
    Masked,
    /// Convolutions and LSTM read it like any frame; only [`Layer::Mean`] leaves it out.
    Read,
}

/// A part of a network, from its features to logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// What it sees.
    pub view: View,
    /// What the names of its weights begin with; may be empty.
    pub prefix: String,
    /// Its layers, each reading what the one before it gives. The last gives a vector of as many units as there are
    /// classes.
    pub layers: Vec<Layer>,
}

/// What a branch sees of the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The features as they are.
    Features,
    /// Their cepstrum, the orthonormal DCT-II over the band axis: `y[k] = s[k] · Σ x[n] · cos(πk(2n + 1) / 2N)` with
    /// `s[0] = √(1/N)` and else `s[k] = √(2/N)`.
    Cepstrum,
}

/// All that a network learns and records, in the order in which it lies in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// What it learns.
    pub weights: Vec<Weight>,
    /// What its batch normalisations record.
    pub statistics: Vec<RunningStatistics>,
}

/// A weight: its name in the state dict, its shape, how it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Its name.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Its first values.
    pub start: Start,
}

/// How a weight starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// Uniform in ±`bound`.
    Uniform {
        /// The largest value.
        bound: f64,
    },
    /// All the same.
    Constant(f32),
    /// As in the folder of the pretrained encoder that it is a tensor of.
    Given,
}

/// What one batch normalisation records: `name.running_mean` and `name.running_var` of `[channels]`, and the scalar
/// `name.num_batches_tracked`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningStatistics {
    /// Name of the batch normalisation.
    pub name: String,
    /// Its channels.
    pub channels: usize,
}

impl Description {
    /// A network of one branch over the features, with masked padding and weights in the order of `layers`.
    pub fn new(layers: Vec<Layer>) -> Self {
        let branch = Branch { view: View::Features, prefix: String::new(), layers };
        Self { padding: Padding::Masked, branches: vec![branch], order: &[] }
    }

    /// The fewest bands and the fewest frames of an utterance of which its layers leave something.
    pub fn least_bands_and_frames(&self) -> [usize; 2] {
        let mut least = [1, 1];
        for branch in &self.branches {
            let mut needed = [1usize, 1];
            for layer in branch.layers.iter().rev() {
                for (needed, stride) in needed.iter_mut().zip(layer.stride()) {
                    *needed = needed.saturating_mul(stride);
                }
            }
            least = [least[0].max(needed[0]), least[1].max(needed[1])];
        }
        // Masked images are filled up with zeros before the first pooling.
        if self.padding == Padding::Masked { [least[0], 1] } else { least }
    }

    /// Frames that become one position at the end of the branches: the least common multiple of all their strides.
    pub fn frames_of_a_position(&self) -> usize {
        let strides = self
            .branches
            .iter()
            .map(|branch| branch.layers.iter().map(|layer| layer.stride()[1]).fold(1, usize::saturating_mul));
        strides.fold(1, |all, stride| match stride {
            0 => all,
            _ => all.saturating_mul(stride / greatest_common_divisor(all, stride)),
        })
    }

    /// What it learns and records for utterances of `[channel, band]` `input` and so many `classes`.
    ///
    /// # Errors
    /// When a layer cannot read what the one before it gives, sizes are too large or 0, two weights have one name, or
    /// logits are not what a branch ends in.
    pub fn layout(&self, [channels, bands]: [usize; 2], classes: usize) -> Result<Layout> {
        self.lay_out(Flow::Image { channels, bands }, classes)
            .map_err(|reason| Error::new(ErrorKind::Unsupported, reason))
    }

    fn lay_out(&self, input: Flow, classes: usize) -> std::result::Result<Layout, String> {
        let mut layout = Layout::default();
        if self.branches.is_empty() {
            return Err("it has no branch".to_owned());
        }
        if self.frames_of_a_position() > MOST {
            return Err(format!("a position of more than {MOST} frames"));
        }
        for Branch { view, prefix, layers } in &self.branches {
            if *view == View::Cepstrum && self.padding == Padding::Read {
                return Err("a cepstrum needs masked padding".to_owned());
            }
            let output = layers.iter().try_fold(input, |input, layer| {
                layer
                    .lay_out(input, self.padding, prefix, &mut layout)
                    .map_err(|reason| format!("{}: {reason}", layer.title()))
            })?;
            if output != (Flow::Vector { units: classes }) {
                return Err(format!("it ends in {output:?}, not in a vector of {classes} logits"));
            }
        }
        let names = layout.weights.iter().map(|weight| &weight.name);
        let mut seen = HashSet::new();
        if let Some(twice) = names.into_iter().find(|name| !seen.insert(*name)) {
            return Err(format!("two weights are called {twice}"));
        }
        let place = |weight: &Weight| {
            let named =
                |name: &&str| weight.name.strip_prefix(*name).is_some_and(|rest| rest.starts_with('.'));
            self.order.iter().position(named).unwrap_or(self.order.len())
        };
        layout.weights.sort_by_key(place); // stable
        Ok(layout)
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl Layout {
    pub(super) fn weight(&mut self, name: String, shape: &[usize], start: Start) {
        self.weights.push(Weight { name, shape: shape.to_vec(), start });
    }

    /// `name.weight` of `shape` and, behind it, `name.bias` if wanted.
    pub(super) fn weight_and_bias(&mut self, name: &str, shape: &[usize], start: Start, bias: Option<Start>) {
        self.weight(format!("{name}.weight"), shape, start);
        if let Some(start) = bias {
            self.weight(format!("{name}.bias"), &shape[..1], start);
        }
    }

    pub(super) fn linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        let start = Start::Uniform { bound: 1.0 / (inputs as f64).sqrt() };
        self.weight_and_bias(name, &[outputs, inputs], start, Some(start));
    }

    /// The weights of a normalisation, which start as those of one that changes nothing.
    pub(super) fn scale_and_shift(&mut self, name: &str, units: usize) {
        self.weight_and_bias(name, &[units], Start::Constant(1.0), Some(Start::Constant(0.0)));
    }

    pub(super) fn batch_norm(&mut self, name: &str, channels: usize) {
        self.scale_and_shift(name, channels);
        self.statistics.push(RunningStatistics { name: name.to_owned(), channels });
    }

    /// How many numbers are learnt.
    pub fn n_parameters(&self) -> u64 {
        let counts = self.weights.iter().map(|weight| weight.shape.iter().product::<usize>() as u64);
        counts.fold(0, u64::saturating_add)
    }

    /// Name and shape of every tensor of the state dict.
    pub fn shapes(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        let weights = self.weights.iter().map(|weight| (weight.name.clone(), weight.shape.clone()));
        let recorded = self.statistics.iter().flat_map(|RunningStatistics { name, channels }| {
            [
                (format!("{name}.running_mean"), vec![*channels]),
                (format!("{name}.running_var"), vec![*channels]),
                (format!("{name}.num_batches_tracked"), vec![]),
            ]
        });
        weights.chain(recorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(layers: Vec<Layer>) -> String {
        Description::new(layers).layout([1, 8], 2).unwrap_err().to_string()
    }

    #[test]
    fn layers_that_do_not_fit_together_are_refused() {
        let classify = Layer::linear("out", 2);
        assert!(refused(vec![]).contains("not in a vector of 2 logits"));
        assert!(refused(vec![classify.clone()]).contains("it ends in Sequence"));
        let after = vec![Layer::Mean, Layer::lstm("lstm", 3)];
        assert!(refused(after).contains("Lstm lstm: reads a sequence, but is given a vector"));
        let twice = vec![Layer::Mean, Layer::linear("out", 2), classify.clone()];
        assert!(refused(twice).contains("two weights are called out.weight"));
        let heads = Layer::SelfAttention { name: "attention".into(), heads: 3 };
        assert!(refused(vec![heads.clone()]).contains("3 heads for 8 units"));
        let narrower = Layer::Residual(vec![Layer::linear("half", 4)]);
        assert!(refused(vec![narrower]).contains("adds Sequence { units: 4 }"));
        let even = Layer::Conv1d { name: "frames".into(), channels: 2, kernel: 4 };
        assert!(refused(vec![even]).contains("no middle"));
        assert!(refused(vec![Layer::linear("out", 0)]).contains("0 is not from 1"));
        let nothing_left = vec![Layer::conv_block("conv", "norm", 1, [16, 1]), Layer::Mean];
        assert!(refused(nothing_left).contains("the inputs of a layer: 0"));
        let reading = Description { padding: Padding::Read, ..Description::new(vec![heads]) };
        assert!(reading.layout([1, 9], 2).unwrap_err().to_string().contains("masked padding only"));
    }

    #[test]
    fn what_layers_need_follows_from_their_strides() {
        let pool = |size| Layer::conv_block("conv", "norm", 1, size);
        let network = Description::new(vec![pool([2, 2]), pool([2, 1]), pool([3, 3])]);
        // 12 bands → 6 → 3 → 1
        assert_eq!(network.least_bands_and_frames(), [12, 1]);
        assert_eq!(network.frames_of_a_position(), 6);
        let reading = Description { padding: Padding::Read, ..network };
        assert_eq!(reading.least_bands_and_frames(), [12, 6]);
    }
}
