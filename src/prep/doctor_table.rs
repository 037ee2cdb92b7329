//! The doctor's report for people: the verdict, what to do, then the numbers.

use std::collections::BTreeMap;
use std::fmt::Display;

use ser_core::text::{columns, cut, left, printable, thousands};
use ser_corpus::Bundle;
use ser_corpus::doctor::{
    CorpusFinding, CorpusStatistics, DoctorReport, FindingItem, MinMedianMax, Severity,
};

/// How many items of a finding are shown; the JSON has them all.
const SHOWN: usize = 5;

/// How many entries of a list are shown on a line of numbers.
const LISTED: usize = 6;

/// Wider names of classes are cut.
const LABEL_WIDTH: usize = 24;

/// A sample rate, with its thousands set apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rate(u32);

impl Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&thousands(u64::from(self.0)))
    }
}

/// `report` in lines of at most `width` columns where names allow it.
pub(crate) fn to_table(report: &DoctorReport, width: usize) -> String {
    Table { width, text: String::new() }.report(report)
}

/// What is said of a bundle before its corpora.
pub(crate) fn bundle_to_table(bundle: &Bundle, width: usize) -> String {
    let mut table = Table { width, text: String::new() };
    table.paragraph(0, 0, &format!("{} {}.", bundle.folder.display(), bundle.in_words()));
    if !bundle.outside.is_empty() {
        table.line(&format!(
            "\nTo fix\n\n  in none of its corpora: {}",
            thousands(bundle.outside.len() as u64)
        ));
        table.paragraph(4, 4, "Move them into one, or remove them.");
        for path in bundle.outside.iter().take(SHOWN) {
            table.paragraph(4, 8, &format!("- {path}"));
        }
        if let Some(rest) = bundle.outside.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
            table.line(&format!("    - and {} more; --json names them all", thousands(rest as u64)));
        }
    }
    table.text
}

/// Text in lines of a certain width.
struct Table {
    width: usize,
    text: String,
}

impl Table {
    fn report(mut self, report: &DoctorReport) -> String {
        self.paragraph(0, 0, &report.verdict);
        for (severity, title) in [(Severity::Problem, "To fix"), (Severity::Remark, "Worth knowing")] {
            let mut findings =
                report.findings.iter().filter(|finding| finding.severity == severity).peekable();
            if findings.peek().is_some() {
                self.line(&format!("\n{title}"));
            }
            findings.for_each(|finding| self.finding(finding));
        }
        self.line("\nIn numbers");
        self.line("");
        self.row("labels by", "", &report.labels_by);
        self.numbers(&report.numbers);
        self.classes(&report.numbers);
        let minutes = report.numbers.audio_seconds / 60.0;
        self.line(&format!("\n{minutes:.1} minutes of audio listened to in {:.2} s", report.seconds));
        self.text
    }

    fn finding(&mut self, finding: &CorpusFinding) {
        self.line("");
        self.paragraph(2, 2, &format!("{}: {}", finding.title, thousands(finding.count as u64)));
        finding.summary.iter().for_each(|summary| self.paragraph(4, 4, summary));
        self.paragraph(4, 4, &finding.advice);
        for item in finding.items.iter().take(SHOWN) {
            self.paragraph(4, 8, &format!("- {}", in_words(item)));
        }
        if let Some(rest) = finding.items.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
            self.line(&format!("    - and {} more; --json names them all", thousands(rest as u64)));
        }
    }

    fn numbers(&mut self, numbers: &CorpusStatistics) {
        let minutes = numbers.audio_seconds / 60.0;
        let size = numbers.bytes as f64 / f64::from(1 << 20);
        let usable = match numbers.usable == numbers.recordings {
            true => String::new(),
            false => format!("{} usable, ", thousands(numbers.usable as u64)),
        };
        self.row(
            "recordings",
            thousands(numbers.recordings as u64),
            &format!("{usable}{minutes:.1} minutes, {size:.1} MiB"),
        );
        let sizes = || numbers.classes.iter().map(|class| class.recordings);
        let range = match (sizes().min(), sizes().max()) {
            (Some(least), Some(most)) if least < most => {
                format!("of {} to {}", thousands(least as u64), thousands(most as u64))
            }
            (Some(same), _) => format!("of {} each", thousands(same as u64)),
            _ => String::new(),
        };
        self.row("classes", numbers.classes.len(), &range);
        match numbers.speakers.is_empty() {
            true => self.row("speakers", "?", "the names do not say who speaks"),
            false => self.row("speakers", numbers.speakers.len(), &list(&numbers.speakers, "")),
        }
        if numbers.words > 0 {
            self.row("words", thousands(numbers.words as u64), "");
        }
        self.row("formats", numbers.formats.len(), &list(&numbers.formats, ""));
        if !numbers.bit_depths.is_empty() {
            self.row("bit depths", numbers.bit_depths.len(), &list(&numbers.bit_depths, " bit"));
        }
        let rates = numbers.sample_rates.iter().map(|(rate, count)| (Rate(*rate), *count)).collect();
        self.row("sample rates", numbers.sample_rates.len(), &list(&rates, " Hz"));
        self.row("channels", numbers.channels.len(), &list(&numbers.channels, ""));
        self.chunks(numbers);
        if numbers.usable > 0 {
            self.spreads(numbers);
        }
    }

    fn chunks(&mut self, numbers: &CorpusStatistics) {
        if !numbers.chunks.is_empty() {
            let count = |(name, count): (&String, &usize)| format!("{name} ({})", thousands(*count as u64));
            let chunks: Vec<String> = numbers.chunks.iter().take(LISTED).map(count).collect();
            let text = format!("{}: not part of the sound, and harmless", chunks.join(", "));
            self.row("other chunks", numbers.chunks.len(), &text);
        }
    }

    fn spreads(&mut self, numbers: &CorpusStatistics) {
        self.line("\n                 smallest    median   largest");
        let percent = |value: f64| value * 100.0;
        self.spread("length, s", numbers.duration_s, 2, |value| value);
        self.spread("peak, dBFS", numbers.peak_dbfs, 1, |value| value);
        self.spread("RMS, dBFS", numbers.rms_dbfs, 1, |value| value);
        self.spread("silence, %", numbers.silence_share, 1, percent);
    }

    fn classes(&mut self, numbers: &CorpusStatistics) {
        let longest = numbers.classes.iter().map(|class| columns(&class.label)).max();
        let width = longest.unwrap_or(0).clamp(5, LABEL_WIDTH);
        if numbers.classes.is_empty() {
            return;
        }
        self.line(&format!("\n{:width$}  recordings  length, s  peak, dBFS  RMS, dBFS  silence, %", "class"));
        for class in &numbers.classes {
            let label = left(&cut(&printable(&class.label), width), width);
            self.line(&format!(
                "{label}  {:>10}  {:>9.2}  {:>10.1}  {:>9.1}  {:>10.1}",
                thousands(class.recordings as u64),
                class.duration_s,
                class.peak_dbfs,
                class.rms_dbfs,
                class.silence_share * 100.0,
            ));
        }
        self.line("Medians. Silence is what lies before and after the sound, 40 dB below its peak.");
    }

    fn row(&mut self, name: &str, number: impl Display, text: &str) {
        let number = number.to_string();
        self.paragraph(0, 26, &format!("{name:<14}{number:>8}    {text}"));
    }

    fn spread(&mut self, name: &str, spread: MinMedianMax, digits: usize, scale: impl Fn(f64) -> f64) {
        let [min, median, max] = [spread.min, spread.median, spread.max].map(scale);
        self.line(&format!("{name:<14}{min:>11.digits$}{median:>10.digits$}{max:>10.digits$}"));
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Breaks `text` between words; the first line is indented by `first` columns, all others by `rest`. Unlike
    /// [`ser_core::text::wrap`] it keeps spaces that follow one another: names of files may have them, and columns do.
    fn paragraph(&mut self, first: usize, rest: usize, text: &str) {
        let mut line = " ".repeat(first);
        let mut empty = true;
        for word in printable(text).split(' ') {
            if !empty && columns(&line) + 1 + columns(word) > self.width {
                self.line(&line);
                line = " ".repeat(rest);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.line(&line);
    }
}

fn in_words(item: &FindingItem) -> String {
    let known = if item.known { " (known of this corpus)" } else { "" };
    match (item.path.as_str(), item.text.as_str()) {
        ("", text) => format!("{text}{known}"),
        (path, "") => format!("{path}{known}"),
        (path, text) => format!("{path}: {text}{known}"),
    }
}

/// The largest entries, each with its count.
fn list<K: Display>(counts: &BTreeMap<K, usize>, unit: &str) -> String {
    let mut entries: Vec<(&K, usize)> = counts.iter().map(|(key, count)| (key, *count)).collect();
    if entries.len() > LISTED {
        entries.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    }
    let rest = entries.len().saturating_sub(LISTED);
    let alone = entries.len() == 1;
    let mut texts: Vec<String> = entries
        .into_iter()
        .take(LISTED)
        .map(|(key, count)| {
            if alone { format!("{key}{unit}") } else { format!("{key}{unit} ({})", thousands(count as u64)) }
        })
        .collect();
    if rest > 0 {
        texts.push(format!("and {rest} more"));
    }
    texts.join(", ")
}
