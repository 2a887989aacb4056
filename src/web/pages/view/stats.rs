//! The admin's overview: how much there is, how it grows, what it costs.

use std::borrow::Borrow;

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    chart::Chart,
    form::{Field, SiteOption},
    format,
    frame::Frame,
};

/// `GET /admin`
#[derive(Template)]
#[template(path = "admin/stats.html")]
pub struct StatsPage {
    pub frame: Frame,
    pub filters: Filters,
    pub advice: String,
    pub stored: i64,
    pub files: i64,
    pub trash: i64,
    pub trash_files: i64,
    /// Bytes and files uploaded in the spans that are shown.
    pub uploaded: i64,
    pub uploaded_files: i64,
    pub downloads: i64,
    pub downloaded: i64,
    pub disk: Option<DiskCard>,
    pub growth_chart: Option<Chart>,
    pub downloads_chart: Option<Chart>,
    pub growth: Numbers,
    pub downloads_numbers: Numbers,
    pub types: Bars,
    pub sites: Bars,
    pub batches: Bars,
    pub uploaders: Bars,
    pub disk_numbers: Numbers,
    pub costs: CostsCard,
}

/// What the page is asked for.
pub struct Filters {
    /// `day`, `week` or `month`, and in words.
    pub step: &'static str,
    pub steps: Vec<(&'static str, &'static str)>,
    /// The chosen site's id; empty for all.
    pub site: String,
    pub sites: Vec<SiteOption>,
}

impl Filters {
    /// The last of the spans, "30 days".
    pub fn reach(&self) -> &'static str {
        match self.step {
            "day" => "30 days",
            "week" => "12 weeks",
            _ => "12 months",
        }
    }

    pub fn csv(&self, table: &str) -> String {
        let pairs = [("table", table), ("step", self.step), ("site", &self.site)];
        format!("/admin/stats.csv{}", format::query(&pairs))
    }
}

pub struct DiskCard {
    pub size: i64,
    pub free: i64,
    pub percent_full: i64,
    pub days_until_full: Option<i64>,
    pub full_at: Option<DateTime<Utc>>,
}

/// A table as text.
pub struct Numbers {
    pub key: &'static str,
    pub title: &'static str,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<Number>>,
}

/// A cell: what it says, and whether it stands at the end of its column.
pub struct Number {
    pub text: String,
    pub is_number: bool,
}

/// A list with a bar for each line.
pub struct Bars {
    pub key: &'static str,
    pub title: &'static str,
    pub rows: Vec<BarRow>,
}

pub struct BarRow {
    pub name: String,
    /// Empty: no link.
    pub url: String,
    /// Beside the name.
    pub more: String,
    pub bytes: i64,
    pub files: i64,
    /// Of the longest bar, in percent.
    pub percent: i64,
    /// Of everything, in percent; `None` where the lines are not everything.
    pub share: Option<i64>,
}

impl BarRow {
    pub fn files_text(&self) -> String {
        let files = format::count(self.files, "file", "files");
        match self.share {
            Some(share) => format!("{share} %, {files}"),
            None => files,
        }
    }
}

pub struct CostsCard {
    pub rows: Vec<CostRow>,
    /// Days that the reckoning looked at.
    pub days: i64,
    pub growth: i64,
    /// Bytes now and in a year.
    pub now: i64,
    pub in_a_year: i64,
    pub numbers: Numbers,
}

pub struct CostRow {
    pub name: &'static str,
    /// `None`: nobody has said the price.
    pub cost: Option<CostCells>,
    pub is_cheapest: bool,
}

pub struct CostCells {
    pub now: i64,
    pub now_without_free: i64,
    pub in_a_year: i64,
    pub year: i64,
    /// How `now` comes about, a line for each part of the bill.
    pub arithmetic: Vec<String>,
    pub arithmetic_in_a_year: Vec<String>,
}

/// `GET /admin/prices`
#[derive(Template)]
#[template(path = "admin/prices.html")]
pub struct PricesPage {
    pub frame: Frame,
    pub groups: Vec<PriceGroup>,
    pub circumstances: Vec<(&'static str, &'static str, bool)>,
}

pub struct PriceGroup {
    pub name: &'static str,
    pub hint: &'static str,
    pub fields: Vec<(&'static str, &'static str, Field)>,
}

/// Millionths of a dollar as "$1.35", to the cent.
pub fn dollars(micros: impl Borrow<i64>) -> String {
    let micros = *micros.borrow();
    let cents = micros / 10_000 + i64::from(micros % 10_000 >= 5_000);
    if cents == 0 && micros > 0 {
        return "under $0.01".to_owned();
    }
    format!("${}.{:02}", format::grouped(cents / 100), cents % 100)
}

/// Millionths of a dollar as "$0.015", with all that they have.
pub fn price(micros: i64) -> String {
    let decimals = format!("{:06}", micros % 1_000_000);
    let decimals = decimals.trim_end_matches('0');
    format!("${}.{decimals:0<2}", format::grouped(micros / 1_000_000))
}

/// Bytes as gigabytes of 10^9, as they stand on bills.
pub fn gigabytes(bytes: impl Borrow<i64>) -> String {
    const GB: i64 = 1_000_000_000;
    let bytes = (*bytes.borrow()).max(0);
    let decimals = match bytes {
        0 => 0,
        bytes if bytes >= 100 * GB => 1,
        bytes if bytes >= GB => 2,
        _ => 4,
    };
    let unit = GB / 10_i64.pow(decimals);
    let parts = bytes / unit + i64::from(bytes % unit >= unit / 2);
    if parts == 0 && bytes > 0 {
        return "under 0.0001 GB".to_owned();
    }
    let whole = 10_i64.pow(decimals);
    let text =
        format!("{}.{:0width$}", format::grouped(parts / whole), parts % whole, width = decimals as usize);
    format!("{} GB", text.trim_end_matches('0').trim_end_matches('.'))
}

impl DiskCard {
    pub fn full_text(&self) -> String {
        match self.days_until_full {
            None => "Does not fill up at the present rate".to_owned(),
            Some(0) => "Full today".to_owned(),
            Some(days) => format!("Full in {}", format::count(days, "day", "days")),
        }
    }
}

/// The address of a batch's page.
pub fn batch_url(id: Uuid) -> String {
    format!("/batches/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_gigabytes_read_well() {
        let table = [
            (0, "$0.00"),
            (1, "under $0.01"),
            (4_999, "under $0.01"),
            (5_000, "$0.01"),
            (1_350_000, "$1.35"),
            (1_355_000, "$1.36"),
            (900_004_000, "$900.00"),
            (1_234_567_890_000, "$1,234,567.89"),
        ];
        for (micros, text) in table {
            assert_eq!(dollars(micros), text);
        }
        assert_eq!([price(15_000), price(4_500_000), price(0)], ["$0.015", "$4.50", "$0.00"]);
        let table = [
            (0, "0 GB"),
            (1, "under 0.0001 GB"),
            (100_000, "0.0001 GB"),
            (999_999_999, "1 GB"),
            (1_500_000_000, "1.5 GB"),
            (186_440_000_000, "186.4 GB"),
            (10_000_000_000_000, "10,000 GB"),
        ];
        for (bytes, text) in table {
            assert_eq!(gigabytes(bytes), text);
        }
    }
}
