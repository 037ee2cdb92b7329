//! What each metric means, in a line.

use ser_cache::audit::SHORTCUT_DEFINITION;
use serde::Serialize;

/// One line on each metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Definitions {
    /// Accuracy, or weighted accuracy.
    pub accuracy: &'static str,
    /// Its interval.
    pub accuracy_interval: &'static str,
    /// Unweighted average recall.
    pub uar: &'static str,
    /// Precision of a class.
    pub precision: &'static str,
    /// Recall of a class.
    pub recall: &'static str,
    /// F1 of a class.
    pub f1: &'static str,
    /// Mean F1.
    pub macro_f1: &'static str,
    /// Mean cross-entropy.
    pub cross_entropy: &'static str,
    /// What can be reached without listening.
    pub shortcuts: &'static str,
    /// Expected calibration error.
    pub ece: &'static str,
    /// Maximum calibration error.
    pub mce: &'static str,
    /// Brier score.
    pub brier: &'static str,
    /// Temperature.
    pub temperature: &'static str,
    /// Coverage of prediction sets.
    pub coverage: &'static str,
    /// What is called out of domain.
    pub out_of_domain: &'static str,
}

/// The one definition of each metric, printed with it.
pub const DEFINITIONS: Definitions = Definitions {
    accuracy: "correct / all utterances, also called weighted accuracy (WA)",
    accuracy_interval: "95 % Wilson score interval; takes utterances as independent and says nothing about \
                        other speakers",
    uar: "unweighted average recall: mean recall over the classes that have test utterances",
    precision: "correct / utterances predicted as the class",
    recall: "correct / utterances of the class",
    f1: "harmonic mean of precision and recall",
    macro_f1: "mean F1 over all classes",
    cross_entropy: "mean of -ln(probability of the true class), in nats",
    shortcuts: SHORTCUT_DEFINITION,
    ece: "expected calibration error: mean over utterances of |accuracy - mean confidence| of their bin; confidence is \
          the probability of the predicted class, in 15 bins of equal width (Guo et al. 2017)",
    mce: "maximum calibration error: the largest |accuracy - mean confidence| of a bin",
    brier: "mean over utterances of the summed squared error of all class probabilities, 0 to 2 (Brier 1950)",
    temperature: "what logits are divided by, fitted to the validation side; it changes probabilities, but no answer \
                  (Guo et al. 2017)",
    coverage: "share of prediction sets that hold the right class; a set has the most probable classes, as many as the \
               validation side says it takes (adaptive prediction sets, Romano et al. 2020, without randomisation)",
    out_of_domain: "farther from the training side than 95 % of the validation side, by the Mahalanobis distance of the \
                    means and deviations of an utterance's features (Lee et al. 2018); AUROC 0.5: as far as the \
                    validation side, 1: always farther",
};

impl Definitions {
    /// Each metric with its definition, in the order in which reports list them; the shortcuts are not among them.
    pub(crate) fn in_order(&self) -> [(&'static str, &'static str); 14] {
        [
            ("accuracy", self.accuracy),
            ("interval", self.accuracy_interval),
            ("UAR", self.uar),
            ("precision", self.precision),
            ("recall", self.recall),
            ("F1", self.f1),
            ("macro-F1", self.macro_f1),
            ("cross-entropy", self.cross_entropy),
            ("ECE", self.ece),
            ("MCE", self.mce),
            ("Brier score", self.brier),
            ("temperature", self.temperature),
            ("coverage", self.coverage),
            ("out of domain", self.out_of_domain),
        ]
    }
}
