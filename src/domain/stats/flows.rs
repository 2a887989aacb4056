//! What came, went and was handed out, summed up by day, week or month.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::ledger::{DaySum, Op};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    pub files: i64,
    pub bytes: i64,
}

impl Amount {
    pub fn minus(self, other: Self) -> Self {
        Self { files: self.files - other.files, bytes: self.bytes - other.bytes }
    }

    pub fn plus(self, other: Self) -> Self {
        Self { files: self.files + other.files, bytes: self.bytes + other.bytes }
    }
}

/// What happened in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Flows {
    pub uploaded: Amount,
    pub trashed: Amount,
    pub restored: Amount,
    pub purged: Amount,
    /// Downloads that began with the first byte; each file of an archive is one.
    pub downloaded: Amount,
    /// Answers with later parts of files.
    pub parts: Amount,
    /// Answers that showed a file in place.
    pub viewed: Amount,
}

impl Flows {
    pub fn of(entries: impl IntoIterator<Item = (Op, i64, i64)>) -> Self {
        let mut flows = Self::default();
        entries.into_iter().for_each(|(op, files, bytes)| flows.add(op, files, bytes));
        flows
    }

    pub fn add(&mut self, op: Op, files: i64, bytes: i64) {
        let amount = match op {
            Op::Upload => &mut self.uploaded,
            Op::Trash => &mut self.trashed,
            Op::Restore => &mut self.restored,
            Op::Purge => &mut self.purged,
            Op::Download => &mut self.downloaded,
            Op::Part => &mut self.parts,
            Op::View => &mut self.viewed,
        };
        amount.files += files;
        amount.bytes += bytes;
    }

    /// By how much that which is not in the trash grew.
    pub fn living(&self) -> Amount {
        self.uploaded.plus(self.restored).minus(self.trashed)
    }

    pub fn in_trash(&self) -> Amount {
        self.trashed.minus(self.restored).minus(self.purged)
    }

    pub fn on_disk(&self) -> Amount {
        self.uploaded.minus(self.purged)
    }

    /// Answers that carried bytes of files.
    pub fn answers(&self) -> i64 {
        self.downloaded.files + self.parts.files + self.viewed.files
    }

    /// Bytes of files that left.
    pub fn sent(&self) -> i64 {
        self.downloaded.bytes + self.parts.bytes + self.viewed.bytes
    }
}

/// How finely time is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The last 30.
    Day,
    /// The last 12, from Monday on.
    Week,
    /// The last 12.
    #[default]
    Month,
}

impl Step {
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    pub fn key(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.key() == key)
    }

    /// Where each span begins, rising; the last one is under way.
    pub fn begins(self, today: NaiveDate) -> Vec<NaiveDate> {
        let back = |nth: u32| match self {
            Self::Day => today.checked_sub_days(Days::new(nth.into())),
            Self::Week => {
                let since_monday = today.weekday().num_days_from_monday();
                today.checked_sub_days(Days::new((since_monday + 7 * nth).into()))
            }
            Self::Month => today.with_day(1).and_then(|first| first.checked_sub_months(Months::new(nth))),
        };
        let spans = if self == Self::Day { 30 } else { 12 };
        (0..spans).rev().filter_map(back).collect()
    }
}

/// What happened in one day, week or month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Span {
    /// Its first day, in UTC.
    pub begin: NaiveDate,
    pub flows: Flows,
    /// What was stored at its end, or is now.
    pub stored: Amount,
}

/// The spans that begin so; `stored` is what is stored now.
pub fn spans(begins: &[NaiveDate], daily: &[DaySum], stored: Amount) -> Vec<Span> {
    let mut spans: Vec<Span> = begins
        .iter()
        .enumerate()
        .map(|(nth, &begin)| {
            let end = begins.get(nth + 1);
            let inside = daily.iter().filter(|sum| sum.day >= begin && end.is_none_or(|end| sum.day < *end));
            let flows = Flows::of(inside.map(|sum| (sum.op, sum.files, sum.bytes)));
            Span { begin, flows, stored: Amount::default() }
        })
        .collect();
    let mut after = stored;
    for span in spans.iter_mut().rev() {
        span.stored = after;
        after = after.minus(span.flows.living());
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn spans_begin_on_mondays_and_firsts() {
        // A Wednesday.
        let today = day("2026-11-25");
        let table = [
            (Step::Day, 30, "2026-10-27", "2026-11-25"),
            (Step::Week, 12, "2026-09-07", "2026-11-23"),
            (Step::Month, 12, "2025-12-01", "2026-11-01"),
        ];
        for (step, count, first, last) in table {
            let begins = step.begins(today);
            assert_eq!(begins.len(), count);
            assert_eq!((begins[0], begins[count - 1]), (day(first), day(last)), "{step:?}");
            assert!(begins.is_sorted());
            assert_eq!(Step::parse(step.key()), Some(step));
        }
        assert_eq!(Step::Month.begins(day("2026-03-31"))[10], day("2026-02-01"));
        assert_eq!(Step::parse("year"), None);
    }

    #[test]
    fn each_span_ends_with_what_was_stored_then() {
        let happened = |text: &str, op, files, bytes| DaySum { day: day(text), op, files, bytes };
        let daily = [
            happened("2026-09-30", Op::Upload, 5, 50),
            happened("2026-10-01", Op::Trash, 2, 20),
            happened("2026-10-31", Op::Restore, 1, 10),
            happened("2026-10-31", Op::Download, 3, 7),
            happened("2026-11-02", Op::Upload, 1, 1),
        ];
        let today = day("2026-11-25");
        let all = Flows::of(daily.iter().map(|sum| (sum.op, sum.files, sum.bytes)));
        assert_eq!(all.living(), Amount { files: 5, bytes: 41 });
        assert_eq!(all.in_trash(), Amount { files: 1, bytes: 10 });
        assert_eq!(all.on_disk(), Amount { files: 6, bytes: 51 });
        let spans = spans(&Step::Month.begins(today), &daily, all.living());
        let stored: Vec<i64> = spans.iter().map(|span| span.stored.files).collect();
        assert_eq!(stored, [0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 4, 5]);
        assert_eq!(spans[10].flows.downloaded, Amount { files: 3, bytes: 7 });
        assert_eq!((spans[10].flows.answers(), spans[10].flows.sent()), (3, 7));
    }
}
