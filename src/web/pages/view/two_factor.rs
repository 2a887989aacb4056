//! Two-factor: own, and the second step of signing in.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{auth::GateMessage, form::Field, format, frame::Frame};

#[derive(Template)]
#[template(path = "account/two_factor.html")]
pub struct TwoFactorPage {
    pub frame: Frame,
    pub stand: Stand,
    /// Nothing else is open until it is on.
    pub must_enrol: bool,
    pub code: Field,
    pub password_error: Option<String>,
    pub codes_password_error: Option<String>,
}

/// Where somebody stands.
pub enum Stand {
    Off,
    Enrolling(Enrol),
    /// The recovery codes, shown this once.
    Codes {
        codes: Vec<String>,
        /// There were others before; else it was just turned on.
        are_renewed: bool,
    },
    On {
        since: DateTime<Utc>,
        codes_left: i64,
        is_required: bool,
    },
}

pub struct Enrol {
    /// To type in, in base 32.
    pub secret: String,
    /// An SVG of our own making.
    pub qr: String,
}

impl TwoFactorPage {
    pub fn is_off(&self) -> bool {
        matches!(self.stand, Stand::Off)
    }

    pub fn enrol(&self) -> Option<&Enrol> {
        match &self.stand {
            Stand::Enrolling(enrol) => Some(enrol),
            _ => None,
        }
    }

    pub fn codes(&self) -> &[String] {
        match &self.stand {
            Stand::Codes { codes, .. } => codes,
            _ => &[],
        }
    }

    pub fn codes_title(&self) -> &'static str {
        match self.stand {
            Stand::Codes { are_renewed: true, .. } => {
                "Here are your new recovery codes; the old ones are void"
            }
            _ => "Two-factor is on",
        }
    }

    pub fn can_turn_off(&self) -> bool {
        matches!(self.stand, Stand::On { is_required: false, .. })
    }

    /// "On since 2026-11-24, 9 recovery codes left"
    pub fn on_text(&self) -> Option<String> {
        match self.stand {
            Stand::On { since, codes_left, .. } => Some(format!(
                "On since {}, {} left",
                format::date(since),
                format::count(codes_left, "recovery code", "recovery codes")
            )),
            _ => None,
        }
    }
}

#[derive(Template)]
#[template(path = "auth/second.html")]
pub struct SecondPage {
    pub frame: Frame,
    /// Proof of the password, sent back with the code.
    pub half: String,
    pub next: String,
    pub message: Option<GateMessage>,
}
