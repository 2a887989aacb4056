//! What storage costs a month: exact arithmetic in millionths of a dollar, rounded once for each line of a bill.
//!
//! A gigabyte is 10^9 bytes here, as on the bills of those who sell them. Requests: storing a file is one write, and
//! each answer that reads one is one read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Millionths of a dollar.
pub type Micros = i64;

pub const GB: i64 = 1_000_000_000;
const MILLION: i64 = 1_000_000;

/// What a place takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tariff {
    /// For each GB and month.
    pub gb_month: Micros,
    /// For each million.
    pub writes: Micros,
    /// For each million.
    pub reads: Micros,
    /// For each GB that leaves.
    pub egress_gb: Micros,
    /// Free in each month.
    pub free: Free,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Free {
    pub gb: i64,
    pub writes: i64,
    pub reads: i64,
    pub egress_gb: i64,
}

impl Tariff {
    /// Cloudflare R2, as listed: $0.015 for a GB and month, $4.50 and $0.36 for a million writes and reads, nothing
    /// for what leaves.
    pub fn r2() -> Self {
        let free = Free { gb: 10, writes: MILLION, reads: 10 * MILLION, egress_gb: 0 };
        Self { gb_month: 15_000, writes: 4_500_000, reads: 360_000, egress_gb: 0, free }
    }

    /// AWS S3 Standard, as listed: $0.023 for a GB and month, $0.005 and $0.0004 for a thousand writes and reads, $0.09
    /// for a GB that leaves.
    pub fn s3() -> Self {
        let free = Free { egress_gb: 100, ..Free::default() };
        Self { gb_month: 23_000, writes: 5_000_000, reads: 400_000, egress_gb: 90_000, free }
    }

    /// A disk of one's own.
    pub fn local(gb_month: Micros) -> Self {
        Self { gb_month, writes: 0, reads: 0, egress_gb: 0, free: Free::default() }
    }
}

/// A month of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Usage {
    /// Bytes that are kept.
    pub bytes: i64,
    pub writes: i64,
    pub reads: i64,
    /// Bytes that leave.
    pub egress: i64,
}

/// A line of a bill: `(quantity - free) × price / per = amount`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Line {
    pub item: Item,
    /// Bytes, or requests.
    pub quantity: i64,
    /// Of those nothing is taken for; in the same unit.
    pub free: i64,
    /// How many the price is for.
    pub per: i64,
    pub price: Micros,
    pub amount: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Item {
    Storage,
    Writes,
    Reads,
    Egress,
}

impl Line {
    fn new(item: Item, quantity: i64, free: i64, price: Micros) -> Self {
        let per = match item {
            Item::Storage | Item::Egress => GB,
            Item::Writes | Item::Reads => MILLION,
        };
        let charged = i128::from(quantity.saturating_sub(free).max(0));
        let (price_wide, per_wide) = (i128::from(price), i128::from(per));
        let amount = (charged * price_wide + per_wide / 2) / per_wide;
        Self { item, quantity, free, per, price, amount: i64::try_from(amount).unwrap_or(i64::MAX) }
    }
}

/// What one month costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bill {
    pub lines: Vec<Line>,
    pub total: Micros,
}

/// The bill of a month.
pub fn bill(tariff: &Tariff, free: Free, usage: Usage) -> Bill {
    let gigabytes = |count: i64| count.saturating_mul(GB);
    let lines = vec![
        Line::new(Item::Storage, usage.bytes, gigabytes(free.gb), tariff.gb_month),
        Line::new(Item::Writes, usage.writes, free.writes, tariff.writes),
        Line::new(Item::Reads, usage.reads, free.reads, tariff.reads),
        Line::new(Item::Egress, usage.egress, gigabytes(free.egress_gb), tariff.egress_gb),
    ];
    let total = lines.iter().fold(0, |sum: Micros, line| sum.saturating_add(line.amount));
    Bill { lines, total }
}

/// What a place costs now and later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cost {
    /// A month as it is now, what is free taken off.
    pub now: Bill,
    /// The same if nothing were free.
    pub now_without_free: Micros,
    /// The twelfth month from now.
    pub in_a_year: Bill,
    /// The next twelve months together.
    pub year: Micros,
}

/// `growth` is by how many bytes the stock grows in a month (or shrinks, but never below nothing); requests and what
/// leaves stay as they are.
pub fn cost(tariff: &Tariff, usage: Usage, growth: i64) -> Cost {
    let month = |nth: i64| {
        let bytes = usage.bytes.saturating_add(growth.saturating_mul(nth)).max(0);
        bill(tariff, tariff.free, Usage { bytes, ..usage })
    };
    let year = (1..=12).fold(0, |sum: Micros, nth| sum.saturating_add(month(nth).total));
    Cost {
        now: month(0),
        now_without_free: bill(tariff, Free::default(), usage).total,
        in_a_year: month(12),
        year,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOLLAR: Micros = 1_000_000;

    fn stored(gigabytes: i64) -> Usage {
        Usage { bytes: gigabytes * GB, ..Usage::default() }
    }

    #[test]
    fn a_hundred_gigabytes_on_r2_are_a_dollar_fifty() {
        let cost = cost(&Tariff::r2(), stored(100), 0);
        assert_eq!(cost.now_without_free, 1_500_000);
        assert_eq!(cost.now.total, 1_350_000, "10 GB are free");
        assert_eq!(cost.year, 12 * 1_350_000);
    }

    #[test]
    fn ten_thousand_downloads_of_a_gigabyte_from_s3_are_nine_hundred_dollars() {
        let usage = Usage { reads: 10_000, egress: 10_000 * GB, ..Usage::default() };
        let cost = cost(&Tariff::s3(), usage, 0);
        assert_eq!(cost.now_without_free, 900 * DOLLAR + 4_000, "and 0.4 cents for the requests");
        assert_eq!(cost.now.total, 891 * DOLLAR + 4_000, "100 GB are free");
        assert_eq!(super::cost(&Tariff::r2(), usage, 0).now.total, 0);
    }

    #[test]
    fn requests_are_taken_by_the_million_and_lines_are_rounded_once() {
        let table = [
            (Tariff::r2(), Usage { writes: 3 * MILLION, ..Usage::default() }, 9_000_000),
            (Tariff::r2(), Usage { reads: 11 * MILLION, ..Usage::default() }, 360_000),
            (Tariff::r2(), Usage { writes: MILLION, reads: 10 * MILLION, ..stored(10) }, 0),
            (Tariff::s3(), Usage { writes: 1000, reads: 1000, ..Usage::default() }, 5_000 + 400),
            (Tariff::s3(), stored(100), 2_300_000),
            (Tariff::s3(), Usage { bytes: GB / 46_000, ..Usage::default() }, 0),
            (Tariff::s3(), Usage { bytes: GB / 46_000 + 1, ..Usage::default() }, 1),
            (Tariff::local(20_000), stored(250), 5 * DOLLAR),
            (Tariff::local(20_000), Usage { bytes: 0, writes: 9, reads: 9, egress: 9 * GB }, 0),
        ];
        for (tariff, usage, expected) in table {
            assert_eq!(cost(&tariff, usage, 0).now.total, expected, "{usage:?}");
        }
    }

    #[test]
    fn a_year_grows_month_by_month() {
        let cost = cost(&Tariff::local(10_000), stored(100), 10 * GB);
        assert_eq!(cost.now.total, DOLLAR);
        assert_eq!(cost.in_a_year.total, 2_200_000);
        // 110 + 120 + … + 220 GB
        assert_eq!(cost.year, 19_800_000);
        assert_eq!(
            super::cost(&Tariff::local(10_000), stored(1), -GB).in_a_year.total,
            0,
            "not below nothing"
        );
    }

    #[test]
    fn no_figure_overflows() {
        let most = Usage { bytes: i64::MAX, writes: i64::MAX, reads: i64::MAX, egress: i64::MAX };
        let dear =
            Tariff { gb_month: i64::MAX, free: Free { gb: i64::MAX, ..Free::default() }, ..Tariff::s3() };
        assert!(cost(&dear, most, i64::MAX).year > 0);
        assert!(cost(&Tariff::s3(), most, i64::MIN).year > 0);
    }
}
