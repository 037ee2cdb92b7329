//! A progress bar on stderr; nothing if stderr is not a terminal.

use std::io::IsTerminal;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ser_core::progress::Progress;

/// A progress bar with rate and remaining time.
#[derive(Debug)]
pub struct Bar {
    visible: bool,
    bar: Mutex<ProgressBar>,
}

impl Bar {
    /// A bar that shows itself only if stderr is a terminal and `quiet` is not set.
    pub fn new(quiet: bool) -> Self {
        Self { visible: !quiet && std::io::stderr().is_terminal(), bar: Mutex::new(ProgressBar::hidden()) }
    }

    /// Whether it shows itself.
    pub fn is_visible(&self) -> bool {
        self.visible
    }

    /// Lets `print` write to the terminal without the bar in between.
    pub fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        // A clone is another handle of the same bar; the lock must not be held while it is drawn.
        let bar = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        bar.suspend(print)
    }

    fn with(&self, act: impl FnOnce(&mut ProgressBar)) {
        // A poisoned lock only means that another thread panicked while drawing.
        act(&mut self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Progress for Bar {
    fn start(&self, total: u64, unit: &str) {
        if !self.visible || total == 0 {
            return;
        }
        let template = format!("{{bar:30}} {{pos}}/{{len}} {unit}  {{per_sec}}  {{eta}} left");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.with(|bar| {
            *bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10))
                .with_style(style);
        });
    }

    fn advance(&self, count: u64) {
        self.with(|bar| bar.inc(count));
    }

    fn finish(&self) {
        self.with(|bar| bar.finish_and_clear());
    }
}
