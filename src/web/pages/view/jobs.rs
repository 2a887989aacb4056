//! The admin's page about background work.

use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{file::FileRef, format, frame::Frame};
use crate::domain::queue::State;

/// `GET /admin/jobs`
#[derive(Template)]
#[template(path = "admin/jobs.html")]
pub struct JobsPage {
    pub frame: Frame,
    /// The one state that is shown; `None` shows a few of each.
    pub only: Option<State>,
    pub sections: Vec<Section>,
    pub schedule: Vec<ScheduleRow>,
    pub is_first_page: bool,
}

pub struct Section {
    pub state: State,
    pub count: i64,
    pub rows: Vec<JobLine>,
    /// The rest of the state.
    pub more_url: Option<String>,
}

pub struct JobLine {
    pub id: Uuid,
    pub words: String,
    pub file: Option<FileRef>,
    pub attempts: i64,
    pub max_attempts: i64,
    pub error: String,
    pub added_at: DateTime<Utc>,
    /// When it is tried next, or was last touched.
    pub at: DateTime<Utc>,
}

pub struct ScheduleRow {
    pub words: &'static str,
    pub every: TimeDelta,
    pub last: Option<LastRun>,
    pub next: Option<DateTime<Utc>>,
    pub is_on_its_way: bool,
}

pub struct LastRun {
    pub began_at: DateTime<Utc>,
    pub took: TimeDelta,
    /// Empty when it went well.
    pub problem: String,
}

impl JobsPage {
    pub fn dead(&self) -> i64 {
        self.sections.iter().find(|section| section.state == State::Dead).map_or(0, |section| section.count)
    }

    /// Sections to show: those with jobs in them, or the one that was asked for.
    pub fn shown(&self) -> Vec<&Section> {
        let is_shown = |section: &&Section| match self.only {
            Some(only) => section.state == only,
            None => section.count > 0,
        };
        self.sections.iter().filter(is_shown).collect()
    }

    pub fn is_idle(&self) -> bool {
        self.sections.iter().all(|section| section.count == 0)
    }

    pub fn ask_all(&self) -> String {
        format!("Send {} to work again?", format::count(self.dead(), "dead job", "dead jobs"))
    }
}

impl Section {
    pub fn url(&self) -> String {
        format!("/admin/jobs?state={}", key(self.state))
    }

    pub fn key(&self) -> &'static str {
        key(self.state)
    }

    pub fn count_text(&self) -> String {
        format::grouped(self.count)
    }

    pub fn word(&self) -> &'static str {
        match self.state {
            State::Running => "Running",
            State::Ready => "Ready",
            State::Delayed => "Later",
            State::Failed => "Failed, will retry",
            State::Dead => "Dead",
        }
    }

    pub fn meaning(&self) -> &'static str {
        match self.state {
            State::Running => "A worker is at it.",
            State::Ready => "Waits for a free worker.",
            State::Delayed => "Waits for its time.",
            State::Failed => "Went wrong and is tried again by itself, with growing pauses.",
            State::Dead => "Given up after all attempts. Mend the cause, then send it to work again.",
        }
    }

    pub fn icon(&self) -> &'static str {
        match self.state {
            State::Running => "play",
            State::Ready => "clock",
            State::Delayed => "pause",
            State::Failed => "retry",
            State::Dead => "stop",
        }
    }

    pub fn tone(&self) -> &'static str {
        match self.state {
            State::Running => "now",
            State::Ready | State::Delayed => "",
            State::Failed => "warn",
            State::Dead => "bad",
        }
    }

    /// What the last column's moment means.
    pub fn at_word(&self) -> &'static str {
        match self.state {
            State::Running => "Due",
            State::Ready => "Due since",
            State::Delayed | State::Failed => "Next try",
            State::Dead => "Given up",
        }
    }

    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub fn is_only(&self, only: &Option<State>) -> bool {
        *only == Some(self.state)
    }
}

/// The value in the address: `state=dead`.
pub fn key(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Ready => "ready",
        State::Delayed => "delayed",
        State::Failed => "failed",
        State::Dead => "dead",
    }
}

impl JobLine {
    pub fn path(&self, act: &str) -> String {
        format!("/admin/jobs/{}/{act}", self.id)
    }

    pub fn attempts_text(&self) -> String {
        format!("{} of {}", self.attempts, self.max_attempts)
    }

    /// The beginning of the error; all of it is under it.
    pub fn error_short(&self) -> String {
        let line = self.error.lines().next().unwrap_or_default();
        let short: String = line.chars().take(120).collect();
        if short.len() < self.error.trim_end().len() { format!("{short}…") } else { short }
    }

    pub fn has_long_error(&self) -> bool {
        self.error_short().ends_with('…')
    }

    pub fn ask_discard(&self) -> String {
        format!("Discard “{}”?", self.words)
    }
}

impl ScheduleRow {
    /// "6 hours"
    pub fn every_text(&self) -> String {
        span(self.every)
    }
}

impl LastRun {
    /// "0.4 s"
    pub fn took_text(&self) -> String {
        let millis = self.took.num_milliseconds();
        if millis < 60_000 { format!("{:.1} s", millis as f64 / 1000.0) } else { span(self.took) }
    }
}

fn span(time: TimeDelta) -> String {
    let minutes = time.num_minutes();
    match minutes {
        m if m >= 1440 && m % 1440 == 0 => format::count(m / 1440, "day", "days"),
        m if m >= 60 && m % 60 == 0 => format::count(m / 60, "hour", "hours"),
        m => format::count(m, "minute", "minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        let table = [(600, "10 minutes"), (6 * 3600, "6 hours"), (86_400, "1 day"), (5400, "90 minutes")];
        for (seconds, text) in table {
            assert_eq!(span(TimeDelta::seconds(seconds)), text);
        }
    }
}
