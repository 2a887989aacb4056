//! Printable labels.

use askama::Template;
use chrono::{DateTime, Utc};

use super::batches::BatchRef;
use super::frame::Frame;

#[derive(Template)]
#[template(path = "batches/label.html")]
pub struct LabelPage {
    pub frame: Frame,
    /// The one batch whose label this is; `None` for a sheet of several.
    pub single: Option<BatchRef>,
    pub labels: Vec<LabelView>,
    /// The address that the codes lead to, when phones cannot reach it.
    pub unreachable: Option<String>,
}

pub struct LabelView {
    pub number: String,
    pub product: String,
    pub site: String,
    pub made_at: DateTime<Utc>,
    pub code: QrCode,
}

/// A QR code as the path of an inline SVG, one unit for each module, without its quiet zone.
pub struct QrCode {
    pub size: usize,
    pub path: String,
}

impl LabelView {
    /// Long numbers are set smaller, so that they stay on the label.
    pub fn number_class(&self) -> &'static str {
        match self.number.chars().count() {
            0..=13 => "",
            14..=22 => "label-no-long",
            _ => "label-no-longest",
        }
    }
}
