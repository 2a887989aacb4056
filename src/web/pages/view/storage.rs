//! The admin's page about the homes of files.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{format, frame::Frame};
use crate::{
    config::StorageMode,
    domain::{
        copies::{
            Place,
            moving::{MoveState, Moving},
        },
        storage::Overview,
    },
};

/// `GET /admin/storage`
#[derive(Template)]
#[template(path = "admin/storage.html")]
pub struct StoragePage {
    pub frame: Frame,
    pub overview: Overview,
    pub moving: Option<MoveBox>,
}

/// Files of one home, by the state of their copy there.
#[derive(Default)]
pub struct Home {
    pub present: i64,
    pub present_bytes: i64,
    pub pending: i64,
    pub pending_bytes: i64,
    pub missing: i64,
    pub corrupt: i64,
    pub failed: i64,
    /// Present copies that were read whole within the time of a scrub.
    pub read: i64,
}

impl Home {
    pub fn all(&self) -> i64 {
        self.present + self.pending + self.missing + self.corrupt + self.failed
    }

    pub fn bad(&self) -> i64 {
        self.missing + self.corrupt + self.failed
    }

    /// "99.8 %" of the copies that are there; rounded down, so that not all never looks like all.
    pub fn read_share(&self) -> String {
        match self.present {
            0 => "–".to_owned(),
            present => {
                let per_mille = self.read * 1000 / present;
                format!("{}.{} %", per_mille / 10, per_mille % 10)
            }
        }
    }
}

impl StoragePage {
    fn home(&self, place: &str) -> Home {
        let mut home = Home::default();
        for figure in self.overview.figures.iter().filter(|figure| figure.place == place) {
            match figure.state.as_str() {
                "present" => {
                    home.present += figure.files;
                    home.present_bytes += figure.bytes;
                    home.read += figure.read;
                }
                "pending" => {
                    home.pending += figure.files;
                    home.pending_bytes += figure.bytes;
                }
                "missing" => home.missing += figure.files,
                "corrupt" => home.corrupt += figure.files,
                _ => home.failed += figure.files,
            }
        }
        home
    }

    pub fn local(&self) -> Home {
        self.home("local")
    }

    pub fn cloud(&self) -> Home {
        self.home("cloud")
    }

    pub fn lead(&self) -> &'static str {
        match self.overview.mode {
            StorageMode::Local => "Files are on local storage.",
            StorageMode::Hybrid => "Local storage first, a copy to the bucket in the background.",
            StorageMode::Cloud => "The bucket first, local storage as a spool and cache.",
        }
    }

    pub fn free(&self) -> Option<String> {
        let (free, total) = self.overview.space?;
        let size = |bytes: u64| format::size(i64::try_from(bytes).unwrap_or(i64::MAX));
        Some(format!("{} of {}", size(free), size(total)))
    }

    pub fn scrub_days(&self) -> u64 {
        self.overview.scrub_every.as_secs() / 86_400
    }

    pub fn waits(&self) -> i64 {
        self.overview.backlog.pending + self.overview.backlog.failed
    }

    pub fn throughput(&self) -> String {
        let (files, bytes) = self.overview.throughput;
        format!("{}, {} within the last hour", format::count(files, "copy", "copies"), format::size(bytes))
    }

    pub fn is_moving(&self) -> bool {
        self.moving.as_ref().is_some_and(|moving| moving.is_under_way)
    }

    pub fn can_evict(&self) -> bool {
        self.overview.mode == StorageMode::Cloud
    }

    pub fn place_word(place: &str) -> &'static str {
        if place == "cloud" { "Cloud" } else { "Local" }
    }

    pub fn state_word(state: &str) -> &str {
        match state {
            "pending" => "will be tried again",
            "failed" => "given up",
            other => other,
        }
    }
}

/// A move in words.
pub struct MoveBox {
    pub title: String,
    pub by: String,
    pub begun_at: DateTime<Utc>,
    pub at: DateTime<Utc>,
    pub done: i64,
    pub total: i64,
    pub failed: u64,
    pub failures: Vec<(String, String)>,
    pub is_under_way: bool,
    pub is_stopping: bool,
}

impl From<Moving> for MoveBox {
    fn from(moving: Moving) -> Self {
        let where_to = match moving.to {
            Place::Cloud if moving.evict => "to the cloud, local copies removed",
            Place::Cloud => "to the cloud",
            Place::Local => "to local storage",
        };
        let verb = match moving.state {
            MoveState::Running => "Moving",
            MoveState::Stopping => "Ending the move",
            MoveState::Stopped => "Move was stopped:",
            MoveState::Done => "Moved",
        };
        let done = i64::try_from(moving.done).unwrap_or(i64::MAX);
        Self {
            title: format!("{verb} {where_to}"),
            is_under_way: moving.is_under_way(),
            is_stopping: moving.state == MoveState::Stopping,
            done,
            // Files that came in meanwhile are moved too.
            total: moving.total.max(done),
            by: moving.by,
            begun_at: moving.begun_at,
            at: moving.at,
            failed: moving.failed,
            failures: moving.failures,
        }
    }
}
