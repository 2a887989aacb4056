//! Reading copies again before somebody needs them: a little all the time, or all of them now.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use serde::Serialize;
use uuid::Uuid;

use super::{Place, Scope, Tended, tend};
use crate::{
    app::App,
    blocking,
    config::MB,
    db::{self, copies::FileRow},
    error::Result,
};

/// How long one run of the background scrub may take before it leaves the lane to others.
const RUN: Duration = Duration::from_secs(60);
/// Bytes per second that it reads at most: scrubbing must not be felt.
const RATE: u64 = 50 * MB;
/// Files taken from the database in one step.
const STEP: i64 = 100;
/// A bad copy that could not be healed is looked at again after this time.
const AGAIN: TimeDelta = TimeDelta::hours(6);

/// Keeps work below a number of bytes per second.
pub struct Pace {
    begun: Instant,
    bytes: u64,
    rate: Option<u64>,
}

impl Pace {
    /// `None` is no limit.
    pub fn new(rate: Option<u64>) -> Self {
        Self { begun: Instant::now(), bytes: 0, rate }
    }

    /// Counts bytes that were moved and waits until that is not too fast.
    pub async fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        if let Some(rate) = self.rate {
            let due = Duration::from_secs_f64(self.bytes as f64 / rate as f64);
            tokio::time::sleep(due.saturating_sub(self.begun.elapsed())).await;
        }
    }
}

/// What a look at many files found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub files: u64,
    /// Copies that were read whole.
    pub copies: u64,
    pub bytes: u64,
    pub healed: u64,
    pub missing: u64,
    pub corrupt: u64,
    /// Copies that could not be looked at.
    pub unreachable: u64,
    /// Every copy that is or was bad.
    pub findings: Vec<Finding>,
}

/// A copy that is or was bad, or that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub attachment: Uuid,
    pub filename: String,
    pub place: Place,
    /// `healed`, `missing`, `corrupt` or `unreachable`
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Checked {
    /// Whether everything was seen and is good now.
    pub fn is_sound(&self) -> bool {
        self.missing + self.corrupt + self.unreachable == 0
    }

    fn add(&mut self, file: &FileRow, tended: Tended) {
        self.files += 1;
        self.copies += tended.read as u64;
        self.bytes += tended.read as u64 * file.size_bytes as u64;
        self.healed += tended.healed.len() as u64;
        self.missing += tended.missing.len() as u64;
        self.corrupt += tended.corrupt.len() as u64;
        self.unreachable += tended.unreachable.len() as u64;
        let mut found = |place, state, reason| {
            let filename = file.original_name.clone();
            self.findings.push(Finding { attachment: file.id, filename, place, state, reason });
        };
        for (places, state) in
            [(tended.healed, "healed"), (tended.missing, "missing"), (tended.corrupt, "corrupt")]
        {
            places.into_iter().for_each(|place| found(place, state, None));
        }
        for (place, why) in tended.unreachable {
            found(place, "unreachable", Some(why));
        }
    }
}

/// Reads the copies that were not read within `SCRUB_EVERY_DAYS`, oldest first, for as long as one run may
/// take, and mends what is bad. Copies that stayed bad are looked at again every few hours.
pub async fn scrub(app: &Arc<App>) -> Result<Checked> {
    let (begun, mut pace) = (Instant::now(), Pace::new(Some(RATE)));
    let (mut checked, mut seen) = (Checked::default(), HashSet::new());
    let now = app.clock.now();
    let since = now - TimeDelta::from_std(app.config.scrub_every).unwrap_or(TimeDelta::MAX);
    let places = reachable(app).await;
    let at = places.clone();
    let mut files = app.db.run(move |conn| db::copies::troubled(conn, &at, now - AGAIN, STEP)).await?;
    loop {
        files.retain(|file| seen.insert(file.id));
        for file in std::mem::take(&mut files) {
            let tended = tend(app, file.id, true).await?;
            pace.count(tended.read as u64 * file.size_bytes as u64).await;
            checked.add(&file, tended);
            if begun.elapsed() > RUN {
                return Ok(checked);
            }
        }
        let at = places.clone();
        files = app.db.run(move |conn| db::copies::stalest(conn, &at, since, STEP)).await?;
        // A copy that could not be looked at stays stale: the next run tries it again.
        if files.iter().all(|file| seen.contains(&file.id)) {
            return Ok(checked);
        }
    }
}

/// Where copies can be looked at now. Those of a home that is away would stand before all others for ever.
async fn reachable(app: &App) -> Vec<&'static str> {
    let mut places = Vec::new();
    let store = Arc::clone(&app.store);
    if blocking::run(move || Ok(store.check().is_ok())).await.unwrap_or(false) {
        places.push(Place::Local.as_str());
    }
    if let Some(bucket) = &app.cloud
        && bucket.check().await.is_ok()
    {
        places.push(Place::Cloud.as_str());
    }
    places
}

/// Reads every copy within `scope` now. `progress` hears of each file's bytes.
pub async fn check(
    app: &Arc<App>,
    scope: Scope,
    mend: bool,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Checked> {
    let (mut checked, mut after) = (Checked::default(), None);
    loop {
        let within = scope.clone();
        let files = app.db.run(move |conn| db::copies::within(conn, &within, after, STEP)).await?;
        let Some(last) = files.last() else { return Ok(checked) };
        after = Some(last.id);
        for file in files {
            let tended = tend(app, file.id, mend).await?;
            checked.add(&file, tended);
            progress(file.size_bytes as u64);
        }
    }
}
