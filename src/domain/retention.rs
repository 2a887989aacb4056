//! What keeps something in the trash from going for good: a legal hold of its batch, the years that its site keeps
//! files at least, and the days in which it can be restored.
//!
//! The years count from the upload of a file, and for a batch from its making or its latest file, whichever came
//! later. Pages, jobs and admins' own decisions ask here, so that all of them give the same answer.

use chrono::{DateTime, Months, TimeDelta, Utc};
use diesel::PgConnection;

use crate::{
    app::App,
    db::{self, attachments::AttachmentRow, batches::BatchRow},
    error::{Error, Result},
};

/// How long deleted things can be restored, as far as this instance knows: jobs ask for the settings first.
pub fn trash_time(app: &App) -> TimeDelta {
    TimeDelta::from_std(app.settings.now().trash_retention()).unwrap_or(TimeDelta::MAX)
}

/// What is known of something in the trash.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub trashed_at: DateTime<Utc>,
    /// What the years of its site count from.
    pub kept_since: DateTime<Utc>,
    pub keep_years: i32,
    pub is_held: bool,
}

/// Why something stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    Held,
    /// Its site keeps files for years, and they are not over.
    Kept {
        until: DateTime<Utc>,
        years: i32,
    },
    /// It can still be restored.
    Waits {
        until: DateTime<Utc>,
    },
}

impl Standing {
    /// What no admin can hurry.
    pub fn barred(&self, now: DateTime<Utc>) -> Option<Stays> {
        if self.is_held {
            return Some(Stays::Held);
        }
        let until = self.kept_until();
        (until > now).then_some(Stays::Kept { until, years: self.keep_years })
    }

    /// Why it does not go by itself now, and the latest of the reasons.
    pub fn stays(&self, now: DateTime<Utc>, trash_time: TimeDelta) -> Option<Stays> {
        let until = self.trashed_at.checked_add_signed(trash_time).unwrap_or(DateTime::<Utc>::MAX_UTC);
        match self.barred(now) {
            Some(Stays::Kept { until: kept, .. }) if kept < until => Some(Stays::Waits { until }),
            Some(barred) => Some(barred),
            None => (until > now).then_some(Stays::Waits { until }),
        }
    }

    fn kept_until(&self) -> DateTime<Utc> {
        let months = Months::new(self.keep_years.unsigned_abs().saturating_mul(12));
        self.kept_since.checked_add_months(months).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl From<Stays> for Error {
    fn from(stays: Stays) -> Self {
        match stays {
            Stays::Held => held(),
            Stays::Kept { until, years } => Error::conflict(
                "in_retention",
                format!(
                    "The site keeps its files for at least {years} years, so that this stays until {}.",
                    until.format("%d %b %Y")
                ),
            ),
            Stays::Waits { until } => Error::conflict(
                "not_due",
                format!("This can be restored until {}.", until.format("%d %b %Y")),
            ),
        }
    }
}

/// Refuses to take something from a batch on hold.
///
/// # Errors
/// [`Error::Conflict`] for a batch on hold.
pub fn not_held(batch: &BatchRow) -> Result<()> {
    if batch.held_at.is_some() { Err(held()) } else { Ok(()) }
}

fn held() -> Error {
    Error::conflict(
        "batch_held",
        "The batch is on legal hold: nothing of it can be deleted until an admin releases it.",
    )
}

/// A file in the trash; `trashed_at` is that of its batch when it is there with it.
pub fn of_file(file: &AttachmentRow, batch: &BatchRow, keep_years: i32) -> Option<Standing> {
    let trashed_at = file.trashed_at.or(batch.trashed_at)?;
    Some(Standing { trashed_at, kept_since: file.uploaded_at, keep_years, is_held: batch.held_at.is_some() })
}

/// Batches in the trash, in the order they were given.
pub(super) fn of_batches(conn: &mut PgConnection, rows: &[&BatchRow]) -> Result<Vec<Standing>> {
    let years = db::retention::keep_years(conn)?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let latest = db::retention::latest_uploads(conn, &ids)?;
    let standings = rows.iter().map(|row| Standing {
        trashed_at: row.trashed_at.unwrap_or(row.last_activity_at),
        kept_since: latest.get(&row.id).map_or(row.created_at, |&latest| latest.max(row.created_at)),
        keep_years: years.get(&row.site_id).copied().unwrap_or(0),
        is_held: row.held_at.is_some(),
    });
    Ok(standings.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> DateTime<Utc> {
        format!("{text}T12:00:00Z").parse().unwrap()
    }

    #[test]
    fn what_stays_and_why() {
        let trashed_at = day("2026-11-01");
        let days = TimeDelta::days(30);
        let waits = Some(Stays::Waits { until: day("2026-12-01") });
        let kept = |until, years| Some(Stays::Kept { until: day(until), years });
        let table = [
            // held, uploaded, years, now, barred, stays
            (false, "2026-10-01", 0, "2026-11-30", None, waits),
            (false, "2026-10-01", 0, "2026-12-01", None, None),
            (true, "2026-10-01", 0, "2036-12-01", Some(Stays::Held), Some(Stays::Held)),
            (true, "2026-10-01", 9, "2026-12-01", Some(Stays::Held), Some(Stays::Held)),
            (false, "2026-10-01", 5, "2026-11-30", kept("2031-10-01", 5), kept("2031-10-01", 5)),
            (false, "2026-10-01", 5, "2031-09-30", kept("2031-10-01", 5), kept("2031-10-01", 5)),
            (false, "2026-10-01", 5, "2031-10-01", None, None),
            // The days in the trash end later than the years.
            (false, "2025-11-15", 1, "2026-11-10", kept("2026-11-15", 1), waits),
            (false, "2025-11-15", 1, "2026-11-20", None, waits),
            // A leap day has no anniversary in every year.
            (false, "2024-02-29", 3, "2027-02-27", kept("2027-02-28", 3), kept("2027-02-28", 3)),
        ];
        for (is_held, uploaded, keep_years, now, barred, stays) in table {
            let standing = Standing { trashed_at, kept_since: day(uploaded), keep_years, is_held };
            let what = format!("held {is_held}, uploaded {uploaded}, {keep_years} years, now {now}");
            assert_eq!(standing.barred(day(now)), barred, "{what}");
            assert_eq!(standing.stays(day(now), days), stays, "{what}");
        }
    }

    #[test]
    fn times_beyond_the_calendar_are_never_over() {
        let at = day("2026-11-01");
        let standing = Standing { trashed_at: at, kept_since: at, keep_years: i32::MAX, is_held: false };
        assert!(standing.barred(day("2126-11-01")).is_some());
        assert!(standing.stays(at, TimeDelta::MAX).is_some());
    }
}
