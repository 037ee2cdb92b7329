//! A convolution over time.

use ser_torch::{PackedLinear, Pointwise, Result};
use tch::{Kind, Tensor};

use crate::parts::Activation;
use crate::weights::{Weight, Weights};

/// Positions of windows that are computed at once.
const POSITIONS: i64 = 512;
/// Numbers that may be copied for them, unless one position has more.
const NUMBERS: i64 = 1 << 22;
/// The fewest outputs of a group for which a product is worth its while.
const LEAST_OUTPUTS: i64 = 2;

/// A one-dimensional convolution.
#[derive(Debug, Clone)]
pub(crate) struct Convolution {
    filters: Filters,
    layout: Layout,
    /// What it computes in.
    kind: Kind,
    outputs: i64,
    kernel: i64,
}

/// How a convolution goes over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Zeros before the first position, and after the last.
    pub(crate) padding: i64,
    /// Positions from one output to the next.
    pub(crate) stride: i64,
    /// Groups of channels, each of which sees nothing of the others.
    pub(crate) groups: i64,
}

#[derive(Debug, Clone)]
enum Filters {
    /// For each group a linear map of windows `[kernel · input]`, channel after channel of each position. libtorch's own
    /// convolutions are compiled anew for every length, which takes as long as the convolution of a second of speech.
    OverWindows(Vec<PackedLinear>),
    Plain {
        /// `[output, input / groups, kernel]`
        weight: Weight,
        /// `[output]`
        bias: Option<Weight>,
    },
}

impl Convolution {
    /// `<at>.weight` of `shape` `[output, input / groups, kernel]`, and `<at>.bias` `[output]` if it has one.
    pub(crate) fn load(
        weights: &mut Weights,
        at: &str,
        shape: [i64; 3],
        layout: Layout,
        has_bias: bool,
    ) -> Result<Self> {
        let weight = weights.take_for_products(&format!("{at}.weight"), &shape)?;
        let bias = match has_bias {
            true => Some(weights.take_for_products(&format!("{at}.bias"), &[shape[0]])?),
            false => None,
        };
        Self::of(weights, weight, bias, shape, layout)
    }

    /// `weight` of `shape` `[output, input / groups, kernel]` and `bias` `[output]`, which are made of `weights`.
    pub(super) fn of(
        weights: &Weights,
        weight: Weight,
        bias: Option<Weight>,
        shape: [i64; 3],
        layout: Layout,
    ) -> Result<Self> {
        let (kind, [outputs, inputs, kernel]) = (weight.kind(), shape);
        let of_group = outputs / layout.groups;
        let filters = match weights.packs_products() && of_group >= LEAST_OUTPUTS {
            true => {
                let matrix = weight.f_transpose(1, 2)?.f_reshape([outputs, kernel * inputs])?;
                let map = |group: i64| -> Result<PackedLinear> {
                    let part = |tensor: &Tensor| tensor.f_narrow(0, group * of_group, of_group);
                    let bias = bias.as_deref().map(part).transpose()?;
                    PackedLinear::new(&part(&matrix)?, bias.as_ref())
                };
                Filters::OverWindows((0..layout.groups).map(map).collect::<Result<_>>()?)
            }
            false => Filters::Plain { weight, bias },
        };
        Ok(Self { filters, layout, kind, outputs, kernel })
    }

    /// `x` `[B, input, time]` to `[B, output, time]`, of the kind of the weights.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.f_to_kind(self.kind)?;
        match &self.filters {
            Filters::OverWindows(maps) => self.over_windows(maps, &x, Pointwise::Identity),
            Filters::Plain { weight, bias } => {
                let Layout { padding, stride, groups } = self.layout;
                let (padding, stride, dilation) = ([padding], [stride], [1]);
                let (padding, stride, dilation) =
                    (padding.as_slice(), stride.as_slice(), dilation.as_slice());
                Ok(x.f_conv1d(weight, bias.as_deref(), stride, padding, dilation, groups)?)
            }
        }
    }

    /// The same, and then `activation`.
    pub(crate) fn activated(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match (&self.filters, activation.pointwise()) {
            (Filters::OverWindows(maps), Some(then)) => {
                self.over_windows(maps, &x.f_to_kind(self.kind)?, then)
            }
            _ => activation.apply(&self.apply(x)?),
        }
    }

    /// The map of each group of channels for each window of `x` `[B, input, time]`.
    fn over_windows(&self, maps: &[PackedLinear], x: &Tensor, then: Pointwise) -> Result<Tensor> {
        let Layout { padding, stride, groups } = self.layout;
        let mut x = x.f_transpose(1, 2)?; // [B, time, input]
        if padding > 0 {
            x = x.f_constant_pad_nd([0, 0, padding, padding])?;
        }
        let (batch, length, inputs) = x.size3()?;
        let channels = inputs / groups;
        let x = x.f_reshape([batch, length, groups, channels])?.f_permute([2, 0, 1, 3])?.f_contiguous()?;
        let window = self.kernel * channels;
        let at_once = (NUMBERS / (batch * window).max(1)).clamp(1, POSITIONS);
        let positions = self.outputs_of(length as usize) as i64;
        let block = |x: &Tensor, map: &PackedLinear, first: i64| -> Result<Tensor> {
            let size = [batch, at_once.min(positions - first), window];
            let strides = [length * channels, stride * channels, 1];
            let from_first = x.f_narrow(1, first * stride, length - first * stride)?;
            map.apply(&from_first.f_as_strided(size, strides, None)?, then)
        };
        let of_group = |(group, map): (i64, &PackedLinear)| -> Result<Tensor> {
            let x = x.f_select(0, group)?; // [B, time, channel]
            let starts = (0..positions).step_by(at_once as usize);
            joined(starts.map(|first| block(&x, map, first)).collect::<Result<_>>()?, 1)
        };
        let y = joined((0..).zip(maps).map(of_group).collect::<Result<_>>()?, 2)?;
        Ok(y.f_transpose(1, 2)?)
    }

    /// Channels that come out.
    pub(super) fn outputs(&self) -> i64 {
        self.outputs
    }

    /// Positions from one output to the next.
    pub(super) fn stride(&self) -> i64 {
        self.layout.stride
    }

    /// Outputs of an input of `length` with its padding: `⌊(n − kernel) / stride⌋ + 1`.
    pub(super) fn outputs_of(&self, length: usize) -> usize {
        let rest = length.checked_sub(self.kernel as usize);
        rest.map_or(0, |rest| rest / self.layout.stride as usize + 1)
    }
}

/// `parts` one after the other along `axis`.
fn joined(mut parts: Vec<Tensor>, axis: i64) -> Result<Tensor> {
    match parts.len() {
        1 => Ok(parts.remove(0)),
        _ => Ok(Tensor::f_cat(&parts, axis)?),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::*;
    use crate::weights::Tensors;

    fn some(size: &[i64], step: f64) -> Tensor {
        let count: i64 = size.iter().product();
        (Tensor::arange(count, (Kind::Float, Device::Cpu)).square() * step).sin().view(size)
    }

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a - b).abs().max().double_value(&[])
    }

    /// Over windows and plain, and what libtorch computes.
    #[test]
    fn a_convolution_over_windows_is_the_plain_one() {
        let layouts = [(0, 1, 1), (0, 5, 1), (1, 2, 1), (3, 1, 2), (2, 3, 4)];
        for (padding, stride, groups) in layouts {
            let layout = Layout { padding, stride, groups };
            let shape = [64, 24 / groups, 6];
            let tensors: Tensors = [("at.weight", some(&shape, 0.3)), ("at.bias", some(&[64], 0.7))]
                .map(|(n, t)| (n.to_owned(), t))
                .into();
            let load = |frozen: bool| {
                let mut weights = Weights::held(Path::new("here"), &tensors, Device::Cpu).frozen(frozen);
                Convolution::load(&mut weights, "at", shape, layout, true).unwrap()
            };
            let (packed, plain) = (load(true), load(false));
            assert_eq!(
                matches!(packed.filters, Filters::OverWindows(_)),
                ser_torch::has_onednn(Kind::Float, Device::Cpu)
            );
            assert!(matches!(plain.filters, Filters::Plain { .. }));
            // The last two have more positions than are computed at once, in most of these layouts.
            for (batch, length) in [(1, 6), (2, 41), (1, 6 * POSITIONS), (200, 3 * POSITIONS)] {
                let x = some(&[batch, 24, length], 0.01).narrow(0, batch / 2, 1 + batch / 3);
                let expected =
                    x.conv1d(&tensors["at.weight"], Some(&tensors["at.bias"]), stride, padding, 1, groups);
                assert!(difference(&packed.apply(&x).unwrap(), &expected) < 1e-4, "{layout:?} {length}");
                assert!(difference(&plain.apply(&x).unwrap(), &expected) < 1e-4, "{layout:?} {length}");
                let expected = expected.gelu("none");
                let found = packed.activated(&x, Activation::Gelu).unwrap();
                assert!(difference(&found, &expected) < 1e-4, "{layout:?} {length}");
            }
        }
    }
}
