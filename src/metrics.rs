//! What is counted, for Prometheus. Names begin with `stillage_`; sizes are bytes, times seconds.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::error::{Error, Result};

/// Bounds of the latency histogram, in seconds: pages on the left, uploads and downloads on the right.
const LATENCY: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Methods with a series of their own: clients may make up any others.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"];

/// The counters of one app. Gauges are read when they are asked for.
pub struct Metrics {
    registry: Registry,
    /// By route pattern, never by path: the number of series stays small whatever clients ask for.
    requests: HistogramVec,
    uploads: IntCounter,
    uploaded_bytes: IntCounter,
    refusals: IntCounterVec,
    jobs_done: IntCounterVec,
    healed: IntCounterVec,
    state: IntGaugeVec,
}

impl Metrics {
    /// # Errors
    /// Never, unless two metrics were given one name.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let metrics = Self {
            requests: HistogramVec::new(
                HistogramOpts::new("stillage_http_request_seconds", "Time to the head of the answer")
                    .buckets(LATENCY.to_vec()),
                &["method", "route", "status"],
            )
            .map_err(Error::internal)?,
            uploads: IntCounter::new("stillage_uploads_total", "Files stored").map_err(Error::internal)?,
            uploaded_bytes: IntCounter::new("stillage_uploaded_bytes_total", "Bytes of files stored")
                .map_err(Error::internal)?,
            refusals: IntCounterVec::new(
                Opts::new("stillage_upload_refusals_total", "Files not stored, by the reason's code"),
                &["code"],
            )
            .map_err(Error::internal)?,
            jobs_done: IntCounterVec::new(
                Opts::new("stillage_jobs_total", "Jobs that ended, by kind and result"),
                &["kind", "result"],
            )
            .map_err(Error::internal)?,
            healed: IntCounterVec::new(
                Opts::new("stillage_copies_healed_total", "Bad copies replaced from a good one, by place"),
                &["place"],
            )
            .map_err(Error::internal)?,
            state: IntGaugeVec::new(
                Opts::new("stillage_state", "What there is at this moment"),
                &["of", "state"],
            )
            .map_err(Error::internal)?,
            registry,
        };
        let all: [Box<dyn prometheus::core::Collector>; 7] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.uploads.clone()),
            Box::new(metrics.uploaded_bytes.clone()),
            Box::new(metrics.refusals.clone()),
            Box::new(metrics.jobs_done.clone()),
            Box::new(metrics.healed.clone()),
            Box::new(metrics.state.clone()),
        ];
        for collector in all {
            metrics.registry.register(collector).map_err(Error::internal)?;
        }
        Ok(metrics)
    }

    pub fn request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let method = if METHODS.contains(&method) { method } else { "other" };
        self.requests.with_label_values(&[method, route, &status.to_string()]).observe(seconds);
    }

    pub fn stored(&self, bytes: u64) {
        self.uploads.inc();
        self.uploaded_bytes.inc_by(bytes);
    }

    pub fn refused(&self, code: &str) {
        self.refusals.with_label_values(&[code]).inc();
    }

    pub fn job_ended(&self, kind: &str, result: &str) {
        self.jobs_done.with_label_values(&[kind, result]).inc();
    }

    pub fn healed(&self, place: &str) {
        self.healed.with_label_values(&[place]).inc();
    }

    /// Sets a gauge such as `stillage_state{of="jobs",state="waiting"}`.
    pub fn set(&self, of: &str, state: &str, value: i64) {
        self.state.with_label_values(&[of, state]).set(value);
    }

    /// Everything in the text format of Prometheus.
    pub fn text(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(Error::internal)
    }
}
