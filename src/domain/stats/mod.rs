//! How much there is, how it grows and what it costs: read from the ledger, whatever the number of files.

mod disk;
pub mod flows;
pub mod tables;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use diesel::PgConnection;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::{
    disk::Disk,
    flows::{Amount, Flows, Span, Step},
};
use super::{
    access::{Action, Actor, Resource, authorize},
    advice::{self, Advice, Cloud, Situation},
    costs::{self, Cost, Tariff, Usage},
    prices::{self, Prices},
    sites, tally,
};
use crate::{
    app::App,
    config::StorageMode,
    db::{
        self,
        batch_list::{self, Filter, Sort},
        ledger::{self, Sum},
        sites::Site,
    },
    error::{Error, Result},
};

/// Lines of the lists of the largest batches and the top uploaders.
const TOP: usize = 10;
/// What a month is, in days: use and growth of the last ones are taken for those to come.
const MONTH_DAYS: i64 = 30;
/// A store that is younger is taken to be so old, so that its first day makes no trend.
const BASIS_MIN_DAYS: i64 = 7;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    pub step: Step,
    /// `None`: all of them. Disk, costs and recommendation are always the whole installation's.
    pub site: Option<Uuid>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Stats {
    pub at: DateTime<Utc>,
    pub step: Step,
    pub site: Option<Uuid>,
    /// Files that are not in the trash.
    pub stored: Amount,
    pub trash: Amount,
    /// All that ever happened.
    pub ever: Flows,
    /// The last 30 days, 12 weeks or 12 months, rising.
    pub spans: Vec<Span>,
    /// Stored files by media type, the most bytes first.
    pub types: Vec<Share>,
    /// Stored files by site, the most bytes first.
    pub sites: Vec<Share>,
    pub largest_batches: Vec<Largest>,
    /// Who uploaded the most bytes in the spans.
    pub uploaders: Vec<Share>,
    /// `null` when the disk could not be measured.
    pub disk: Option<Disk>,
    /// What the bucket does not have yet; `null` while cloud storage is off.
    pub cloud: Option<Behind>,
    pub basis: Basis,
    pub costs: Vec<Place>,
    pub advice: Advice,
}

/// How far the copies in the bucket are behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Behind {
    /// Copies that are still to be made.
    pub waiting: i64,
    /// Copies that were given up.
    pub failed: i64,
    /// Age of the oldest file among them, in seconds.
    pub lag_seconds: i64,
}

async fn behind(app: &App, now: DateTime<Utc>) -> Result<Behind> {
    let backlog = app.db.run(db::copy_figures::backlog).await?;
    let lag_seconds = backlog.lag_seconds(now);
    Ok(Behind { waiting: backlog.pending, failed: backlog.failed, lag_seconds })
}

/// A part of the whole by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Share {
    pub name: String,
    pub files: i64,
    pub bytes: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Largest {
    pub id: Uuid,
    pub number: String,
    pub product: String,
    pub site: String,
    pub files: i64,
    pub bytes: i64,
}

/// What costs and the time until the disk is full are reckoned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Basis {
    /// The last days that were looked at, scaled to 30.
    pub days: i64,
    /// Bytes by which what lies on the disk grows in 30 days.
    pub growth: i64,
    pub usage: Usage,
}

/// A place to keep files, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Place {
    /// `local`, `r2` or `s3`
    pub key: &'static str,
    pub name: &'static str,
    pub tariff: Tariff,
    /// `null` for a local disk whose price nobody has said.
    pub cost: Option<Cost>,
}

/// The figures as they are now.
///
/// # Errors
/// [`Error::NotFound`] for a site that there is not.
pub async fn show(app: &App, actor: &Actor, asked: Asked) -> Result<Stats> {
    authorize(actor, Action::Administer, Resource::System)?;
    // What this process handed out a moment ago counts.
    tally::flush(app).await?;
    let now = app.clock.now();
    let found = app.db.run(move |conn| Found::read(conn, asked, now.date_naive())).await?;
    let cloud = match &app.cloud {
        Some(_) => Some(behind(app, now).await?),
        None => None,
    };
    let basis = basis(&found, now.date_naive());
    let disk = disk::measure(app, basis.growth).await;
    let situation = Situation {
        bytes: basis.usage.bytes,
        cloud: match app.config.storage_mode {
            StorageMode::Local => Cloud::Off,
            StorageMode::Hybrid => Cloud::Copy,
            StorageMode::Cloud => Cloud::Primary,
        },
        circumstances: found.prices.circumstances,
        days_until_full: disk.as_ref().and_then(|disk| disk.days_until_full),
        percent_full: disk.as_ref().map_or(0, |disk| disk.percent_full),
    };
    let of_site = |sum: &&Sum| asked.site.is_none_or(|site| sum.site == site);
    let sums: Vec<&Sum> = found.sums.iter().filter(of_site).collect();
    let ever = Flows::of(sums.iter().map(|sum| (sum.op, sum.files, sum.bytes)));
    let begins = asked.step.begins(now.date_naive());
    Ok(Stats {
        at: now.trunc_subsecs(0),
        step: asked.step,
        site: asked.site,
        stored: ever.living(),
        trash: ever.in_trash(),
        spans: flows::spans(&begins, &found.daily, ever.living()),
        types: shares(&sums, |sum| sum.content_type.clone()),
        sites: shares(&sums, |sum| found.site_name(sum.site)),
        ever,
        largest_batches: found.largest,
        uploaders: found.uploaders,
        disk,
        cloud,
        basis,
        costs: places(&found.prices, &basis),
        advice: advice::advise(&situation),
    })
}

/// The sites to choose from, for whoever sees the figures.
pub async fn sites(app: &App, actor: &Actor) -> Result<Vec<Site>> {
    authorize(actor, Action::Administer, Resource::System)?;
    sites::visible(app, actor).await
}

/// What the database says.
struct Found {
    sites: Vec<Site>,
    sums: Vec<Sum>,
    daily: Vec<ledger::DaySum>,
    /// Of all sites.
    last_month: Vec<ledger::DaySum>,
    first_day: Option<NaiveDate>,
    largest: Vec<Largest>,
    uploaders: Vec<Share>,
    prices: Prices,
}

impl Found {
    fn read(conn: &mut PgConnection, asked: Asked, today: NaiveDate) -> Result<Self> {
        let sites = db::sites::all(conn)?;
        if asked.site.is_some_and(|id| !sites.iter().any(|site| site.id == id)) {
            return Err(Error::NotFound);
        }
        let since = asked.step.begins(today).first().copied().unwrap_or(today);
        let largest = Filter { sites: asked.site.map(|id| vec![id]), sort: Sort::Size, ..Filter::default() };
        let name_of =
            |id| sites.iter().find(|site| site.id == id).map_or_else(gone, |site| site.name.clone());
        let largest = batch_list::page(conn, &largest, TOP)?.into_iter().map(|(batch, _)| Largest {
            id: batch.id,
            number: batch.number,
            product: batch.product,
            site: name_of(batch.site_id),
            files: batch.files_count,
            bytes: batch.bytes_total,
        });
        let largest = largest.filter(|batch| batch.files > 0).collect();
        let uploaders = ledger::uploaders(conn, asked.site, since, TOP as i64)?;
        let share = |row: ledger::Uploaded| Share { name: row.name, files: row.files, bytes: row.bytes };
        Ok(Self {
            sums: ledger::sums(conn)?,
            daily: ledger::daily(conn, asked.site, since)?,
            last_month: ledger::daily(conn, None, today - TimeDelta::days(MONTH_DAYS - 1))?,
            first_day: ledger::first_day(conn)?,
            largest,
            uploaders: uploaders.into_iter().map(share).collect(),
            prices: prices::current(conn)?,
            sites,
        })
    }

    fn site_name(&self, id: Uuid) -> String {
        self.sites.iter().find(|site| site.id == id).map_or_else(gone, |site| site.name.clone())
    }
}

fn gone() -> String {
    "(a site that is gone)".to_owned()
}

fn basis(found: &Found, today: NaiveDate) -> Basis {
    let age = found.first_day.map_or(0, |first| (today - first).num_days() + 1);
    let days = age.clamp(BASIS_MIN_DAYS, MONTH_DAYS);
    let month = Flows::of(found.last_month.iter().map(|sum| (sum.op, sum.files, sum.bytes)));
    let ever = Flows::of(found.sums.iter().map(|sum| (sum.op, sum.files, sum.bytes)));
    let scaled = |count: i64| {
        let count = i128::from(count) * i128::from(MONTH_DAYS) / i128::from(days);
        i64::try_from(count).unwrap_or(i64::MAX)
    };
    Basis {
        days,
        growth: scaled(month.uploaded.bytes - month.purged.bytes),
        usage: Usage {
            bytes: ever.on_disk().bytes,
            writes: scaled(month.uploaded.files),
            reads: scaled(month.answers()),
            egress: scaled(month.sent()),
        },
    }
}

fn places(prices: &Prices, basis: &Basis) -> Vec<Place> {
    let local = Tariff::local(prices.local_gb_month.unwrap_or(0));
    let known = [
        ("local", "Local disk", &local, prices.local_gb_month.is_some()),
        ("r2", "Cloudflare R2", &prices.r2, true),
        ("s3", "AWS S3", &prices.s3, true),
    ];
    let place = |(key, name, tariff, is_known): (_, _, &Tariff, bool)| Place {
        key,
        name,
        tariff: tariff.clone(),
        cost: is_known.then(|| costs::cost(tariff, basis.usage, basis.growth)),
    };
    known.into_iter().map(place).collect()
}

/// What is stored by some name, the most bytes first.
fn shares(sums: &[&Sum], name: impl Fn(&Sum) -> String) -> Vec<Share> {
    let mut named: HashMap<String, Flows> = HashMap::new();
    for sum in sums {
        named.entry(name(sum)).or_default().add(sum.op, sum.files, sum.bytes);
    }
    let mut shares: Vec<Share> = named
        .into_iter()
        .map(|(name, flows)| {
            let Amount { files, bytes } = flows.living();
            Share { name, files, bytes }
        })
        .filter(|share| share.files > 0)
        .collect();
    shares.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    shares
}
