//! How far utterances lie from what a model has learnt from.

use ser_core::Result;
use ser_core::text::thousands;
use ser_model::domain::{DomainReference, OUT_OF_DOMAIN_LEVEL, can_tell};
use serde::Serialize;

use crate::metrics::auroc;

/// How far the test side lies from the training side. Serialised, it is `out_of_domain` of what `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutOfDomain {
    /// Validation utterances that tell what is usual.
    pub n_validation: u64,
    /// Of the test side.
    #[serde(flatten)]
    pub test: DomainRates,
    /// Of the test side of another corpus, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_corpus: Option<OtherCorpus>,
}

/// How many utterances are called out of domain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DomainRates {
    /// [`OUT_OF_DOMAIN_LEVEL`]: of recordings like the validation side, no larger share is called out of domain.
    pub level: f64,
    /// Share of utterances called out of domain.
    pub flagged: f64,
    /// [`auroc`] of the distance: how well it tells these utterances from the validation side. 0.5 where they are alike.
    pub auroc: f64,
}

/// Utterances of another corpus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherCorpus {
    /// Its cache.
    pub cache: String,
    /// Utterances of its test side that the model has not heard.
    pub n_utterances: u64,
    /// Utterances of it that were left out, as the model was trained or validated on the same sound.
    pub n_heard: u64,
    /// Of these utterances.
    #[serde(flatten)]
    pub rates: DomainRates,
}

impl OutOfDomain {
    /// Measures `reference` on a test side whose utterances have these `distances`.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`](ser_core::ErrorKind::Unusable) without utterances.
    pub fn of(reference: &DomainReference, distances: &[f64]) -> Result<Self> {
        Ok(Self {
            n_validation: reference.distances().n(),
            test: DomainRates::of(reference, distances)?,
            other_corpus: None,
        })
    }

    /// How many of the test side are called out of domain, and of the other corpus if there is one, a sentence each.
    pub fn in_words(&self) -> Vec<String> {
        let sentence = |what: &str, rates: &DomainRates| {
            if !can_tell(self.n_validation) {
                return format!(
                    "{what}: none can be called out of domain, however far from the training side: {} validation utterances \
                     are too few to tell (AUROC {:.4}).",
                    thousands(self.n_validation),
                    rates.auroc
                );
            }
            format!(
                "{what}: {:.4} are called out of domain, being farther from the training side than {:.0} % of {} \
                 validation utterances (AUROC {:.4}).",
                rates.flagged,
                (1.0 - rates.level) * 100.0,
                thousands(self.n_validation),
                rates.auroc
            )
        };
        let other = self.other_corpus.as_ref().map(|other| {
            let heard = match other.n_heard {
                0 => String::new(),
                n => format!(", {} that it has heard left out", thousands(n)),
            };
            let what = format!("Of {} utterances of {}{heard}", thousands(other.n_utterances), other.cache);
            sentence(&what, &other.rates)
        });
        std::iter::once(sentence("Of the test side", &self.test)).chain(other).collect()
    }
}

impl DomainRates {
    /// Those of utterances with these `distances`.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`](ser_core::ErrorKind::Unusable) without utterances.
    pub fn of(reference: &DomainReference, distances: &[f64]) -> Result<Self> {
        let auroc = auroc(reference.distances(), distances)?;
        let is_far = |distance: &&f64| reference.share_as_unusual(**distance) <= OUT_OF_DOMAIN_LEVEL;
        let flagged = distances.iter().filter(is_far).count() as f64 / distances.len() as f64;
        Ok(Self { level: OUT_OF_DOMAIN_LEVEL, flagged, auroc })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_validation_side_is_usual_beside_itself_and_what_is_far_is_flagged() {
        let side = |from: u8| -> Vec<Vec<f64>> {
            (from..from + 40).map(|i| vec![f64::from(i).sin(), f64::from(i).cos()]).collect()
        };
        let (training, validation) = (side(0), side(40));
        let reference = DomainReference::fit(&training, &validation).unwrap();
        let distances = |side: &[Vec<f64>]| -> Vec<f64> {
            side.iter().map(|descriptor| reference.distance(descriptor).unwrap()).collect()
        };
        let found = OutOfDomain::of(&reference, &distances(&validation)).unwrap();
        assert!(found.test.flagged <= 0.05 && (found.test.auroc - 0.5).abs() < 1e-12, "{found:?}");
        let far: Vec<Vec<f64>> = (validation.iter()).map(|values| vec![values[0] + 9.0, values[1]]).collect();
        let rates = DomainRates::of(&reference, &distances(&far)).unwrap();
        assert_eq!((rates.flagged, rates.auroc), (1.0, 1.0));
        let other = OtherCorpus { cache: "other".to_owned(), n_utterances: 40, n_heard: 2, rates };
        let few = OutOfDomain { n_validation: 18, ..found.clone() };
        assert_eq!(
            few.in_words()[0],
            "Of the test side: none can be called out of domain, however far from the training side: 18 validation utterances \
             are too few to tell (AUROC 0.5000)."
        );
        let words = OutOfDomain { other_corpus: Some(other), ..found }.in_words();
        assert_eq!(
            words[1],
            "Of 40 utterances of other, 2 that it has heard left out: 1.0000 are called out of domain, being farther from \
             the training side than 95 % of 40 validation utterances (AUROC 1.0000)."
        );
        assert!(DomainRates::of(&reference, &[]).is_err());
    }
}
