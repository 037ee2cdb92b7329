//! A network built from its description.

use ser_model::network::{Architecture, Description, Layout, Padding, View};
use tch::Tensor;

use super::answer;
use super::layers::{
    Compute, Constant, Flow, Forward, Lengths, Places, build, channels_last, cosine_basis, masked_image,
};
use ser_torch::Result;

/// The layers of a network, or of the networks of an ensemble.
///
/// An ensemble's answer is the mean of its members' log-probabilities (L. K. Hansen and P. Salamon, "Neural network
/// ensembles", IEEE Transactions on Pattern Analysis and Machine Intelligence 12, 1990). Weights of member i are called
/// `members.<i>.<name>`, as in an `nn.ModuleList`.
#[derive(Debug)]
pub(super) struct Model(Vec<Member>);

#[derive(Debug)]
struct Member {
    padding: Padding,
    /// Frames that become one position at the end.
    frames_of_a_position: i64,
    branches: Vec<Branch>,
    /// That of the cepstrum.
    basis: Constant,
}

#[derive(Debug)]
struct Branch {
    view: View,
    layers: Vec<Box<dyn Compute>>,
}

impl Model {
    /// # Errors
    /// When the sizes of `architecture` are not valid.
    pub(super) fn new(architecture: &Architecture, layout: &Layout) -> Result<Self> {
        let described = architecture.describe()?;
        let mut places = Places::of(layout, described.padding);
        let members = (0..architecture.members)
            .map(|number| Member::new(&described, &mut places, &architecture.member_prefix(number)));
        members.collect::<Result<_>>().map(Self)
    }

    /// Logits `[B, class]` of each branch, or the answers of the members of an ensemble, for `features`
    /// `[B, channel, band, T]` of which the first `frames` `[B]` are real.
    pub(super) fn branches(
        &self,
        forward: &mut Forward<'_>,
        features: &Tensor,
        frames: &Tensor,
    ) -> Result<Vec<Tensor>> {
        match self.0.as_slice() {
            [alone] => alone.branches(forward, features, frames),
            members => {
                let answers =
                    members.iter().map(|member| answer(&member.branches(forward, features, frames)?));
                answers.collect()
            }
        }
    }
}

impl Member {
    fn new(described: &Description, places: &mut Places, prefix: &str) -> Result<Self> {
        let branches = described.branches.iter().map(|branch| {
            places.prefix = format!("{prefix}{}", branch.prefix);
            let layers = branch.layers.iter().map(|layer| build(layer, places));
            Ok(Branch { view: branch.view, layers: layers.collect::<Result<_>>()? })
        });
        Ok(Self {
            padding: described.padding,
            frames_of_a_position: described.frames_of_a_position() as i64,
            branches: branches.collect::<Result<_>>()?,
            basis: Constant::default(),
        })
    }

    fn branches(&self, forward: &mut Forward<'_>, features: &Tensor, frames: &Tensor) -> Result<Vec<Tensor>> {
        if self.padding == Padding::Read {
            let image = channels_last(&features.f_to_kind(forward.kind)?)?; // [B, channel, band, T]
            let branches = self.branches.iter();
            return branches
                .map(|branch| branch.logits(forward, Flow::whole(image.shallow_clone(), frames)))
                .collect();
        }
        let (most, unit) = (features.size()[3], self.frames_of_a_position);
        let lengths = match forward.sharing {
            None => Lengths::of(frames, most, unit)?,
            Some(sharing) => Lengths::of_part(frames, &sharing.frames, most, unit)?,
        };
        let image = masked_image(features, &lengths)?; // [B, channel, position, band]
        let branches = self.branches.iter().map(|branch| {
            let view = match branch.view {
                View::Features => image.shallow_clone(),
                View::Cepstrum => {
                    let basis = self.basis.get(forward, || cosine_basis(features.size()[2]))?;
                    channels_last(&image.f_matmul(&basis.f_tr()?)?)?
                }
            };
            branch.logits(forward, Flow::masked(view.f_to_kind(forward.kind)?, lengths.clone()))
        });
        branches.collect()
    }
}

impl Branch {
    fn logits(&self, forward: &mut Forward<'_>, image: Flow) -> Result<Tensor> {
        let logits = self.layers.iter().try_fold(image, |flow, layer| layer.forward(forward, flow))?;
        Ok(logits.into_tensor())
    }
}
