//! How the classes fare: the confusion matrix, and the metrics of each.

use maud::{Markup, html};
use ser_core::text::thousands;

use crate::evaluation::Evaluation;
use crate::render::html::sections::parts::{decimals, drawn, figure, name, row, scrolling, table};

pub(in crate::render::html) fn confusion(evaluation: &Evaluation) -> Markup {
    let heads = std::iter::once(html! { "true class" }).chain(evaluation.labels.iter().map(|l| name(l)));
    let rows = evaluation.labels.iter().zip(evaluation.confusion_matrix.rows());
    let rows = rows.map(|(label, counts)| row(name(label), counts.iter().map(|count| thousands(*count))));
    html! {
        h2 #confusion { "Confusion matrix" }
        @match drawn(evaluation, None, "confusion-matrix") {
            Some(picture) => (figure(
                &picture,
                "Each row is a true class, each column what the model answered: the count, and its share of the row. The \
                 darker or, on a dark ground, the lighter a cell, the larger its share; the diagonal is right.",
            )),
            None => p { "There are too many classes for a picture; the table below has every count." },
        }
        details {
            summary { "The same as a table" }
            (scrolling("Confusion matrix as a table", table(
                "Counts; rows are true, columns predicted",
                heads,
                html! { tbody { @for row in rows { (row) } } },
            )))
        }
    }
}

pub(in crate::render::html) fn classes(evaluation: &Evaluation) -> Markup {
    let classes = evaluation.classes.iter().map(|class| {
        let m = &class.metrics;
        let counts = [thousands(m.support), thousands(m.predicted)];
        row(name(&class.label), decimals([m.precision, m.recall, m.f1]).into_iter().chain(counts))
    });
    let means =
        [("macro average", &evaluation.macro_average), ("weighted average", &evaluation.weighted_average)];
    let means = means.into_iter().map(|(title, mean)| {
        let all = [thousands(evaluation.n_utterances), thousands(evaluation.n_utterances)];
        row(title, decimals([mean.precision, mean.recall, mean.f1]).into_iter().chain(all))
    });
    html! {
        h2 #classes { "Classes" }
        (scrolling("Metrics of each class", table(
            "Precision, recall and F1 of each class, as in scikit-learn",
            ["class", "precision", "recall", "F1", "utterances", "predicted"],
            html! {
                tbody { @for class in classes { (class) } }
                tfoot { @for mean in means { (mean) } }
            },
        )))
    }
}
