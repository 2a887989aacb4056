//! The disk of the store: how large, how full, and until when.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::MONTH_DAYS;
use crate::{app::App, blocking, error::Error};

/// Nobody plans further ahead: a hundred years.
const DAYS_MAX: i64 = 36_525;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Disk {
    /// Bytes.
    pub size: i64,
    /// Bytes free for Stillage.
    pub free: i64,
    /// 0 where the filesystem has no bound of them.
    pub inodes: i64,
    pub inodes_free: i64,
    pub percent_full: i64,
    /// `null` when it does not grow, or not within a hundred years.
    pub days_until_full: Option<i64>,
}

/// `growth` is in bytes for 30 days. `None`, and a line in the log, when the disk does not answer.
pub(super) async fn measure(app: &App, growth: i64) -> Option<Disk> {
    let store = Arc::clone(&app.store);
    let measured = blocking::run(move || {
        let space = store.space().map_err(Error::internal)?;
        Ok((space, store.inodes().map_err(Error::internal)?))
    });
    match measured.await {
        Ok((space, inodes)) => Some(Disk::of(space, inodes, growth)),
        Err(error) => {
            tracing::warn!(error = ?error, "the disk could not be measured");
            None
        }
    }
}

impl Disk {
    fn of((free, size): (u64, u64), (inodes_free, inodes): (u64, u64), growth: i64) -> Self {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let (free, size) = (whole(free), whole(size));
        let used = i128::from(size - free);
        // The share that is used, rounded up: 99.5 % is full.
        let percent = if size > 0 { (used * 100 + i128::from(size) - 1) / i128::from(size) } else { 0 };
        let days = i128::from(free) * i128::from(MONTH_DAYS) / i128::from(growth.max(1));
        let days = i64::try_from(days).unwrap_or(i64::MAX);
        Self {
            size,
            free,
            inodes: whole(inodes),
            inodes_free: whole(inodes_free),
            percent_full: i64::try_from(percent).unwrap_or(0),
            days_until_full: Some(days).filter(|&days| growth > 0 && days <= DAYS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_when_its_growth_says_so() {
        let table = [
            ((300, 1000), 30, Some(300), 70),
            ((0, 1000), 30, Some(0), 100),
            ((1, 1000), 1000, Some(0), 100),
            ((1000, 1000), 0, None, 0),
            ((1000, 1000), -5, None, 0),
            ((u64::MAX, u64::MAX), 1, None, 0),
            ((0, 0), 1, Some(0), 0),
        ];
        for (space, growth, days, percent) in table {
            let disk = Disk::of(space, (5, 9), growth);
            assert_eq!((disk.days_until_full, disk.percent_full), (days, percent), "{space:?} {growth}");
            assert_eq!((disk.inodes_free, disk.inodes), (5, 9));
        }
    }
}
