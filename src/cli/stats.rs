//! `stillage stats`

use super::{Finding, app, block_on};
use crate::{
    config::Config,
    domain::{
        access::Actor,
        sites,
        stats::{
            self, Asked, Stats, Step,
            tables::{self, Cell, Table},
        },
    },
    error::Error,
    web::pages::view::{format, stats::dollars},
};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  stillage stats --by week\n  stillage stats --json | jq .stored.bytes")]
pub struct Args {
    /// Print JSON: what GET /api/stats answers.
    #[arg(long)]
    json: bool,
    /// By day (the last 30), week (the last 12) or month (the last 12).
    #[arg(long, value_name = "STEP", default_value = "month", value_parser = ["day", "week", "month"])]
    by: String,
    /// Only the site of this name.
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
}

pub fn run(config: Config, args: &Args) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let step = Step::parse(&args.by).unwrap_or_default();
    let stats = block_on(async {
        let site = match args.site.clone() {
            Some(name) => Some(app.db.run(move |conn| sites::by_name(conn, &name)).await?.id),
            None => None,
        };
        stats::show(&app, &Actor::console(), Asked { step, site }).await
    })?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&stats).map_err(Error::internal)?);
    } else {
        print(&stats);
    }
    Ok(Finding::Good)
}

fn print(stats: &Stats) {
    say!("{}", stats.advice.sentence);
    for table in tables::all(stats).iter().filter(|table| !table.rows.is_empty()) {
        say!("\n{}", table.title);
        say_part!("{}", aligned(table));
    }
}

/// The table in columns, numbers at their ends.
fn aligned(table: &Table) -> String {
    let head: Vec<String> = table.head.iter().map(|word| (*word).to_owned()).collect();
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(text).collect()).collect();
    let width = |nth: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(nth));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let is_number = |nth: usize| table.rows.iter().filter_map(|row| row.get(nth)).any(Cell::is_number);
    let mut lines = String::new();
    for row in [&head].into_iter().chain(&rows) {
        let cells = row.iter().enumerate().map(|(nth, cell)| {
            let width = width(nth);
            if is_number(nth) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        lines.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        lines.push('\n');
    }
    lines
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format::shown_name(text),
        Cell::Day(day) => day.to_string(),
        Cell::Count(count) => format::grouped(*count),
        Cell::Bytes(bytes) if *bytes < 0 => format!("-{}", format::size(bytes.saturating_neg())),
        Cell::Bytes(bytes) => format::size(*bytes),
        Cell::Dollars(micros) => dollars(*micros),
        Cell::None => "not known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let table = Table {
            key: "x",
            title: "X",
            head: vec!["Name", "Files"],
            rows: vec![
                vec![Cell::Text("Ann".to_owned()), Cell::Count(1200)],
                vec![Cell::Text("Benedikt".to_owned()), Cell::Count(7)],
            ],
        };
        assert_eq!(aligned(&table), "Name      Files\nAnn       1,200\nBenedikt      7\n");
    }
}
