//! The overview: figures, charts, costs, and each table as CSV.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use chrono::{NaiveDate, TimeDelta};
use serde::Deserialize;

use super::{
    super::{
        render,
        view::{
            chart::{Chart, Point},
            form::SiteOption,
            format,
            stats::{
                BarRow, Bars, CostCells, CostRow, CostsCard, DiskCard, Filters, Number, Numbers, StatsPage,
                batch_url, dollars, gigabytes, price,
            },
        },
    },
    admin_frame,
};
use crate::{
    domain::{
        costs::{Bill, Cost, Item, Line},
        sites::Site,
        stats::{
            self, Asked, Share, Span, Stats, Step,
            tables::{self, Cell, Table},
        },
    },
    error::{Error, Result},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts},
        transfer::disposition,
    },
};

#[derive(Deserialize)]
pub struct Query {
    #[serde(default)]
    step: String,
    #[serde(default)]
    site: String,
    #[serde(default)]
    table: String,
}

impl Query {
    /// # Errors
    /// [`Error::NotFound`] for a site that is none.
    pub fn asked(&self) -> Result<Asked> {
        let site = if self.site.is_empty() { None } else { Some(extract::id(&self.site)?) };
        Ok(Asked { step: Step::parse(&self.step).unwrap_or_default(), site })
    }
}

/// `GET /admin`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser, query: web::Query<Query>) -> WebResult {
    let stats = stats::show(&app, &by.actor, query.asked()?).await?;
    let sites = stats::sites(&app, &by.actor).await?;
    render(&page(&req, &by, &stats, sites).await)
}

/// `GET /admin/stats.csv?table=`
pub async fn csv(app: Parts, by: CurrentUser, query: web::Query<Query>) -> WebResult {
    let stats = stats::show(&app, &by.actor, query.asked()?).await?;
    let table = tables::find(&stats, &query.table).ok_or(Error::NotFound)?;
    let filename = format!("{} {}.csv", table.key, stats.at.date_naive());
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, disposition::value("attachment", &filename)))
        .body(table.csv()))
}

async fn page(req: &HttpRequest, by: &CurrentUser, stats: &Stats, sites: Vec<Site>) -> StatsPage {
    let uploaded: (i64, i64) =
        sum(&stats.spans, |span| (span.flows.uploaded.files, span.flows.uploaded.bytes));
    let downloaded = sum(&stats.spans, |span| {
        (span.flows.downloaded.files, span.flows.downloaded.bytes + span.flows.parts.bytes)
    });
    let has_sites = sites.len() > 1;
    StatsPage {
        frame: admin_frame(req, by, "Overview").await,
        filters: Filters {
            step: stats.step.key(),
            steps: vec![("day", "By day"), ("week", "By week"), ("month", "By month")],
            site: stats.site.map_or_else(String::new, |id| id.to_string()),
            sites: if has_sites {
                sites.into_iter().map(|site| SiteOption { id: site.id, name: site.name }).collect()
            } else {
                Vec::new()
            },
        },
        advice: stats.advice.sentence.clone(),
        stored: stats.stored.bytes,
        files: stats.stored.files,
        trash: stats.trash.bytes,
        trash_files: stats.trash.files,
        uploaded: uploaded.1,
        uploaded_files: uploaded.0,
        downloads: downloaded.0,
        downloaded: downloaded.1,
        disk: stats.disk.as_ref().map(|disk| DiskCard {
            size: disk.size,
            free: disk.free,
            percent_full: disk.percent_full,
            days_until_full: disk.days_until_full,
            full_at: disk.days_until_full.map(|days| stats.at + TimeDelta::days(days)),
        }),
        growth_chart: growth_chart(stats),
        downloads_chart: downloads_chart(stats),
        growth: numbers(tables::find(stats, "growth")),
        downloads_numbers: numbers(tables::find(stats, "downloads")),
        types: bars("types", "By type", &stats.types, type_word, true),
        sites: bars("sites", "By site", &stats.sites, str::to_owned, true),
        batches: batches(stats, has_sites),
        uploaders: bars("uploaders", "Top uploaders", &stats.uploaders, str::to_owned, false),
        disk_numbers: numbers(tables::find(stats, "disk")),
        costs: costs(stats),
    }
}

fn sum(spans: &[Span], of: impl Fn(&Span) -> (i64, i64)) -> (i64, i64) {
    spans.iter().map(of).fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1))
}

/// Below a bar, and in its tip.
fn words(step: Step, begin: NaiveDate) -> (String, String) {
    match step {
        Step::Day => (begin.format("%-d %b").to_string(), begin.format("%-d %b %Y").to_string()),
        Step::Week => (begin.format("%-d %b").to_string(), begin.format("Week from %-d %b %Y").to_string()),
        Step::Month => (begin.format("%b").to_string(), begin.format("%B %Y").to_string()),
    }
}

fn growth_chart(stats: &Stats) -> Option<Chart> {
    let point = |span: &Span| {
        let (label, long) = words(stats.step, span.begin);
        let (added, stored) = (span.flows.uploaded.bytes, span.stored.bytes);
        let tip = format!("{long}: {} uploaded, {} in all", format::size(added), format::size(stored));
        Point { label, tip, bar: added, line: stored }
    };
    let points: Vec<Point> = stats.spans.iter().map(point).collect();
    let title = format!(
        "Bytes uploaded and stored by {}; {} are stored now",
        stats.step.key(),
        format::size(stats.stored.bytes)
    );
    Chart::new("growth", title, &points, true)
}

fn downloads_chart(stats: &Stats) -> Option<Chart> {
    let point = |span: &Span| {
        let (label, long) = words(stats.step, span.begin);
        let (files, bytes) =
            (span.flows.downloaded.files, span.flows.downloaded.bytes + span.flows.parts.bytes);
        let files = format::count(files, "download", "downloads");
        let tip = format!("{long}: {files}, {}", format::size(bytes));
        Point { label, tip, bar: bytes, line: 0 }
    };
    let points: Vec<Point> = stats.spans.iter().map(point).collect();
    Chart::new("downloads", format!("Bytes downloaded by {}", stats.step.key()), &points, false)
}

fn numbers(table: Option<Table>) -> Numbers {
    let Some(table) = table else {
        return Numbers { key: "", title: "", head: Vec::new(), rows: Vec::new() };
    };
    let rows = table.rows.iter().map(|row| row.iter().map(number).collect()).collect();
    Numbers { key: table.key, title: table.title, head: table.head, rows }
}

fn number(cell: &Cell) -> Number {
    let text = match cell {
        Cell::Text(text) => text.clone(),
        Cell::Day(day) => day.format("%-d %b %Y").to_string(),
        Cell::Count(count) => format::grouped(*count),
        Cell::Bytes(bytes) if *bytes < 0 => format!("−{}", format::size(bytes.saturating_neg())),
        Cell::Bytes(bytes) => format::size(*bytes),
        Cell::Dollars(micros) => dollars(*micros),
        Cell::None => "not known".to_owned(),
    };
    Number { text, is_number: cell.is_number() }
}

fn type_word(media_type: &str) -> String {
    match media_type {
        "image/jpeg" => "JPEG pictures".to_owned(),
        "image/png" => "PNG pictures".to_owned(),
        "application/pdf" => "PDF documents".to_owned(),
        other => other.to_owned(),
    }
}

fn percent(part: i64, whole: i64) -> i64 {
    let (part, whole) = (i128::from(part.max(0)), i128::from(whole.max(1)));
    i64::try_from((part * 100 + whole / 2) / whole).unwrap_or(100).min(100)
}

fn bars(
    key: &'static str,
    title: &'static str,
    shares: &[Share],
    word: impl Fn(&str) -> String,
    is_everything: bool,
) -> Bars {
    let most = shares.iter().map(|share| share.bytes).max().unwrap_or(0);
    let all: i64 = shares.iter().map(|share| share.bytes).sum();
    let row = |share: &Share| BarRow {
        name: word(&share.name),
        url: String::new(),
        more: String::new(),
        bytes: share.bytes,
        files: share.files,
        percent: percent(share.bytes, most),
        share: is_everything.then(|| percent(share.bytes, all)),
    };
    Bars { key, title, rows: shares.iter().map(row).collect() }
}

fn batches(stats: &Stats, has_sites: bool) -> Bars {
    let most = stats.largest_batches.iter().map(|batch| batch.bytes).max().unwrap_or(0);
    let row = |batch: &stats::Largest| BarRow {
        name: batch.number.clone(),
        url: batch_url(batch.id),
        more: if has_sites { format!("{}, {}", batch.product, batch.site) } else { batch.product.clone() },
        bytes: batch.bytes,
        files: batch.files,
        percent: percent(batch.bytes, most),
        share: None,
    };
    Bars { key: "batches", title: "Largest batches", rows: stats.largest_batches.iter().map(row).collect() }
}

fn costs(stats: &Stats) -> CostsCard {
    let year = |cost: &Option<Cost>| cost.as_ref().map(|cost| cost.year);
    let cheapest = stats.costs.iter().filter_map(|place| year(&place.cost)).min();
    let row = |place: &stats::Place| CostRow {
        name: place.name,
        is_cheapest: year(&place.cost).is_some_and(|year| Some(year) == cheapest && year > 0),
        cost: place.cost.as_ref().map(|cost| CostCells {
            now: cost.now.total,
            now_without_free: cost.now_without_free,
            in_a_year: cost.in_a_year.total,
            year: cost.year,
            arithmetic: arithmetic(&cost.now),
            arithmetic_in_a_year: arithmetic(&cost.in_a_year),
        }),
    };
    let (now, growth) = (stats.basis.usage.bytes, stats.basis.growth);
    CostsCard {
        rows: stats.costs.iter().map(row).collect(),
        days: stats.basis.days,
        growth,
        now,
        in_a_year: now.saturating_add(growth.saturating_mul(12)).max(0),
        numbers: numbers(tables::find(stats, "costs")),
    }
}

/// "Storage: (186.4 GB − 10 GB free) × $0.015 a GB = $2.65"
fn arithmetic(bill: &Bill) -> Vec<String> {
    let charged = bill.lines.iter().filter(|line| line.price > 0 || line.item == Item::Storage);
    charged.map(of_line).collect()
}

fn of_line(line: &Line) -> String {
    let (word, unit, amount): (_, _, fn(i64) -> String) = match line.item {
        Item::Storage => ("Storage", "a GB", |bytes| gigabytes(bytes)),
        Item::Writes => ("Writes", "a million", |count| format::grouped(count)),
        Item::Reads => ("Reads", "a million", |count| format::grouped(count)),
        Item::Egress => ("Downloads", "a GB", |bytes| gigabytes(bytes)),
    };
    let quantity = amount(line.quantity);
    let price = price(line.price);
    if line.free > 0 && line.quantity <= line.free {
        return format!("{word}: {quantity}, within the {} that are free", amount(line.free));
    }
    let quantity =
        if line.free > 0 { format!("({quantity} − {} free)", amount(line.free)) } else { quantity };
    format!("{word}: {quantity} × {price} {unit} = {}", dollars(line.amount))
}
