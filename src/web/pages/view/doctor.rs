//! What the doctor found, for admins.

use askama::Template;

use super::{format, frame::Frame};

/// `GET /admin/doctor`
#[derive(Template)]
#[template(path = "admin/doctor.html")]
pub struct DoctorPage {
    pub frame: Frame,
    pub failures: usize,
    pub warnings: usize,
    pub areas: Vec<AreaCard>,
}

pub struct AreaCard {
    pub key: &'static str,
    pub title: &'static str,
    /// Of its worst finding.
    pub tone: Tone,
    pub findings: Vec<FindingRow>,
}

pub struct FindingRow {
    pub tone: Tone,
    pub what: String,
    /// The line that mends it.
    pub mend: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Plain,
    Warning,
    Failure,
}

impl Tone {
    /// As `components/marks.html` knows it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Plain => "",
            Self::Warning => "warn",
            Self::Failure => "bad",
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::Good => "check",
            Self::Plain => "info",
            Self::Warning => "alert",
            Self::Failure => "stop",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "Fine",
            Self::Plain => "Note",
            Self::Warning => "Look at it",
            Self::Failure => "Failed",
        }
    }
}

impl DoctorPage {
    pub fn summary(&self) -> String {
        // Far fewer than would not fit.
        let count = |number: usize, one, many| format::count(number as i64, one, many);
        match (self.failures, self.warnings) {
            (0, 0) => "Nothing to mend.".to_owned(),
            (0, warnings) => format!("{} to look at, nothing failed.", count(warnings, "thing", "things")),
            (failures, 0) => format!("{} failed.", count(failures, "check", "checks")),
            (failures, warnings) => {
                format!(
                    "{} failed, {} to look at.",
                    count(failures, "check", "checks"),
                    count(warnings, "thing", "things")
                )
            }
        }
    }
}
