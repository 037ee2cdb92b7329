//! What Prometheus asks for.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What an answered request was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Request {
    /// Its path, or `other` for one that there is not.
    pub(crate) path: &'static str,
    /// The status of the response.
    pub(crate) status: u16,
}

/// The counters of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Requests by path and status.
    pub(crate) requests: Family<Request, Counter>,
    /// Streams that are open.
    pub(crate) streams: Gauge,
    /// Windows of streams that were answered for.
    pub(crate) windows: Counter,
    /// Windows that were skipped because the one before was not answered yet.
    pub(crate) skipped: Counter,
    /// From the last byte of an upload to its answer, seconds.
    pub(crate) upload_seconds: Histogram,
    /// From the last sample of a window to its answer, seconds.
    pub(crate) window_seconds: Histogram,
    /// Clips that were answered together.
    pub(crate) batch_clips: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // 1 ms to 16 s.
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let mut metrics = Self {
            registry: Registry::with_prefix("ser"),
            requests: Family::default(),
            streams: Gauge::default(),
            windows: Counter::default(),
            skipped: Counter::default(),
            upload_seconds: seconds(),
            window_seconds: seconds(),
            batch_clips: Histogram::new(exponential_buckets(1.0, 2.0, 7)),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests by path and status", metrics.requests.clone());
        registry.register("streams", "Streams that are open", metrics.streams.clone());
        registry.register("windows", "Windows of streams that were answered for", metrics.windows.clone());
        let about = "Windows skipped because the one before was not answered yet";
        registry.register("windows_skipped", about, metrics.skipped.clone());
        let about = "Seconds from the last byte of a recording to its answer";
        registry.register("upload_seconds", about, metrics.upload_seconds.clone());
        let about = "Seconds from the last sample of a window to its answer";
        registry.register("window_seconds", about, metrics.window_seconds.clone());
        let about = "Recordings and windows that the network answered for together";
        registry.register("batch_clips", about, metrics.batch_clips.clone());
        metrics
    }

    /// All of them in the text format of OpenMetrics.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.requests.get_or_create(&Request { path: "/v1/predict", status: 200 }).inc();
        metrics.streams.inc();
        metrics.window_seconds.observe(0.01);
        let text = metrics.text();
        for line in [
            r#"ser_requests_total{path="/v1/predict",status="200"} 1"#,
            "ser_streams 1",
            "ser_window_seconds_count 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
