//! The figures as tables: what stands behind every chart, what CSV files hold, and what the console prints.

use chrono::NaiveDate;

use super::{Place, Share, Stats, Step};
use crate::domain::{
    costs::{Item, Line, Micros},
    csv,
};

/// A table with its heading.
pub struct Table {
    /// Its name in addresses.
    pub key: &'static str,
    pub title: &'static str,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// As a CSV file (RFC 4180).
    pub fn csv(&self) -> String {
        let mut text = csv::line(&self.head);
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::csv).collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
        text
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Text(String),
    Day(NaiveDate),
    Count(i64),
    Bytes(i64),
    Dollars(Micros),
    /// Not known, or not meant.
    None,
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// For programs: bytes and counts as whole numbers, dollars with all their decimals.
    fn csv(&self) -> String {
        match self {
            Self::Text(text) => csv::cell(text),
            Self::Day(day) => day.to_string(),
            Self::Count(number) | Self::Bytes(number) => number.to_string(),
            Self::Dollars(micros) => format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
            Self::None => String::new(),
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Self::Count(_) | Self::Bytes(_) | Self::Dollars(_))
    }
}

/// Every table, in the order of the page.
pub fn all(stats: &Stats) -> Vec<Table> {
    vec![
        growth(stats),
        downloads(stats),
        shares("types", "By type", "Type", &stats.types),
        shares("sites", "By site", "Site", &stats.sites),
        batches(stats),
        shares("uploaders", "Top uploaders", "Person", &stats.uploaders),
        disk(stats),
        costs(stats),
        bills(stats),
    ]
}

/// The table of this name.
pub fn find(stats: &Stats, key: &str) -> Option<Table> {
    all(stats).into_iter().find(|table| table.key == key)
}

fn span_word(step: Step) -> &'static str {
    match step {
        Step::Day => "Day",
        Step::Week => "Week from",
        Step::Month => "Month from",
    }
}

fn growth(stats: &Stats) -> Table {
    let row = |span: &super::Span| {
        let flows = &span.flows;
        let mut cells = vec![Cell::Day(span.begin)];
        for amount in [flows.uploaded, flows.trashed, flows.restored, flows.purged, span.stored] {
            cells.extend([Cell::Count(amount.files), Cell::Bytes(amount.bytes)]);
        }
        cells
    };
    Table {
        key: "growth",
        title: "Growth",
        head: vec![
            span_word(stats.step),
            "Files uploaded",
            "Bytes uploaded",
            "Files to the trash",
            "Bytes to the trash",
            "Files restored",
            "Bytes restored",
            "Files purged",
            "Bytes purged",
            "Files in all",
            "Bytes in all",
        ],
        rows: stats.spans.iter().map(row).collect(),
    }
}

fn downloads(stats: &Stats) -> Table {
    let row = |span: &super::Span| {
        let flows = &span.flows;
        vec![
            Cell::Day(span.begin),
            Cell::Count(flows.downloaded.files),
            Cell::Bytes(flows.downloaded.bytes + flows.parts.bytes),
            Cell::Count(flows.viewed.files),
            Cell::Bytes(flows.viewed.bytes),
        ]
    };
    Table {
        key: "downloads",
        title: "Downloads",
        head: vec![
            span_word(stats.step),
            "Files downloaded",
            "Bytes downloaded",
            "Times shown",
            "Bytes shown",
        ],
        rows: stats.spans.iter().map(row).collect(),
    }
}

fn shares(key: &'static str, title: &'static str, name: &'static str, shares: &[Share]) -> Table {
    let row =
        |share: &Share| vec![Cell::text(&*share.name), Cell::Count(share.files), Cell::Bytes(share.bytes)];
    Table { key, title, head: vec![name, "Files", "Bytes"], rows: shares.iter().map(row).collect() }
}

fn batches(stats: &Stats) -> Table {
    let row = |batch: &super::Largest| {
        let texts = [&batch.number, &batch.product, &batch.site].map(|text| Cell::text(text.as_str()));
        texts.into_iter().chain([Cell::Count(batch.files), Cell::Bytes(batch.bytes)]).collect()
    };
    Table {
        key: "batches",
        title: "Largest batches",
        head: vec!["Batch", "Product", "Site", "Files", "Bytes"],
        rows: stats.largest_batches.iter().map(row).collect(),
    }
}

fn disk(stats: &Stats) -> Table {
    let mut rows = vec![
        vec![Cell::text("Stored"), Cell::Bytes(stats.stored.bytes)],
        vec![Cell::text("Stored files"), Cell::Count(stats.stored.files)],
        vec![Cell::text("In the trash"), Cell::Bytes(stats.trash.bytes)],
        vec![Cell::text("Files in the trash"), Cell::Count(stats.trash.files)],
        vec![Cell::text("Growth in 30 days"), Cell::Bytes(stats.basis.growth)],
    ];
    if let Some(disk) = &stats.disk {
        rows.extend([
            vec![Cell::text("Size of the disk"), Cell::Bytes(disk.size)],
            vec![Cell::text("Free"), Cell::Bytes(disk.free)],
            vec![Cell::text("Inodes"), Cell::Count(disk.inodes)],
            vec![Cell::text("Inodes free"), Cell::Count(disk.inodes_free)],
            vec![Cell::text("Days until full"), disk.days_until_full.map_or(Cell::None, Cell::Count)],
        ]);
    }
    if let Some(cloud) = &stats.cloud {
        rows.extend([
            vec![Cell::text("Copies the bucket waits for"), Cell::Count(cloud.waiting)],
            vec![Cell::text("The oldest of them, in minutes"), Cell::Count(cloud.lag_seconds / 60)],
            vec![Cell::text("Copies given up"), Cell::Count(cloud.failed)],
        ]);
    }
    Table { key: "disk", title: "Disk", head: vec!["What", "Value"], rows }
}

fn costs(stats: &Stats) -> Table {
    let row = |place: &Place| {
        let dollars = place.cost.as_ref().map(|cost| {
            [cost.now.total, cost.now_without_free, cost.in_a_year.total, cost.year].map(Cell::Dollars)
        });
        let dollars = dollars.unwrap_or([Cell::None, Cell::None, Cell::None, Cell::None]);
        [Cell::text(place.name)].into_iter().chain(dollars).collect()
    };
    Table {
        key: "costs",
        title: "What it costs a month",
        head: vec!["Place", "Now, $", "Now without what is free, $", "In a year, $", "Next 12 months, $"],
        rows: stats.costs.iter().map(row).collect(),
    }
}

/// The arithmetic behind [`costs`].
fn bills(stats: &Stats) -> Table {
    let of_place = |place: &Place| {
        let line = |line: &Line| {
            let (word, quantity): (_, fn(i64) -> Cell) = match line.item {
                Item::Storage => ("Storage", Cell::Bytes),
                Item::Writes => ("Writes", Cell::Count),
                Item::Reads => ("Reads", Cell::Count),
                Item::Egress => ("Downloads", Cell::Bytes),
            };
            vec![
                Cell::text(place.name),
                Cell::text(word),
                quantity(line.quantity),
                quantity(line.free),
                Cell::Dollars(line.price),
                Cell::Count(line.per),
                Cell::Dollars(line.amount),
            ]
        };
        let lines = place.cost.iter().flat_map(|cost| &cost.now.lines);
        lines.map(line).collect::<Vec<_>>()
    };
    Table {
        key: "bills",
        title: "How the costs come about",
        head: vec!["Place", "What", "Quantity", "Free", "Price, $", "For each", "Amount, $"],
        rows: stats.costs.iter().flat_map(of_place).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_numbers_and_text_is_text() {
        let table = Table {
            key: "x",
            title: "X",
            head: vec!["Name", "Now, $"],
            rows: vec![
                vec![Cell::text("=1+1"), Cell::Dollars(1_350_000)],
                vec![Cell::text("-"), Cell::Bytes(-5)],
                vec![Cell::Day("2026-11-25".parse().unwrap()), Cell::None],
            ],
        };
        let expected = "Name,\"Now, $\"\r\n'=1+1,1.350000\r\n'-,-5\r\n2026-11-25,\r\n";
        assert_eq!(table.csv(), expected);
    }
}
