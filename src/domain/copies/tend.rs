//! Looking at all copies of a file and mending the bad from the good.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::{Place, cloud, copy, failed, identity, read_from, reason};
use crate::{
    app::App,
    blocking,
    db::{self, copies::FileRow},
    domain::{
        access::Actor,
        audit::{self, Subject},
    },
    error::{Error, Result},
    storage::{Placing, identity_of},
};

/// What a look at one copy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Missing,
    Corrupt,
}

impl Verdict {
    fn state(self) -> &'static str {
        match self {
            Self::Good => "present",
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
        }
    }
}

/// What became of the copies of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Copies that were read.
    pub read: usize,
    /// Places whose copy was bad and is good again.
    pub healed: Vec<Place>,
    /// Places whose copy is bad.
    pub missing: Vec<Place>,
    pub corrupt: Vec<Place>,
    /// Places that could not be looked at, and why.
    pub unreachable: Vec<(Place, String)>,
}

impl Tended {
    /// Whether every copy was seen and is good.
    pub fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.corrupt.is_empty() && self.unreachable.is_empty()
    }
}

/// Reads every copy that a file should have, marks the bad ones and, if `mend` says so, replaces them from a
/// good one. The state of the file follows: it is available as long as one copy is good.
///
/// # Errors
/// The database. A home that cannot be reached is in the answer: its copies are neither marked nor touched.
pub async fn tend(app: &Arc<App>, id: Uuid, mend: bool) -> Result<Tended> {
    let look =
        app.db.run(move |conn| Ok((db::copies::file(conn, id)?, db::copies::of_file(conn, id)?))).await?;
    let (Some(file), rows) = look else { return Ok(Tended::default()) };
    let mut tended = Tended::default();
    let mut verdicts = Vec::new();
    for row in rows.iter().filter(|row| ["present", "missing", "corrupt"].contains(&row.state.as_str())) {
        let place = Place::of(&row.place);
        if place == Place::Cloud && app.cloud.is_none() {
            // Turned off: what is there is nobody's business until it is on again.
            continue;
        }
        match examine(app, &file, place).await {
            Ok(verdict) => {
                tended.read += 1;
                verdicts.push((place, row.state.clone(), verdict));
            }
            Err(error) => {
                tracing::warn!(attachment = %id, ?place, ?error, "a copy cannot be looked at");
                tended.unreachable.push((place, reason(&error)));
            }
        }
    }
    let has_good = verdicts.iter().any(|(_, _, verdict)| *verdict == Verdict::Good);
    for (place, state, verdict) in &mut verdicts {
        let found = *verdict;
        if found != Verdict::Good && has_good && mend {
            let placing = if found == Verdict::Corrupt { Placing::Over } else { Placing::New };
            match copy(app, &file, *place, placing).await {
                Ok(()) => {
                    tracing::warn!(attachment = %id, ?place, ?found, "a copy was healed");
                    app.metrics.healed(place.as_str());
                    *verdict = Verdict::Good;
                    tended.healed.push(*place);
                }
                Err(error) => tracing::error!(attachment = %id, ?place, ?error, "a copy cannot be healed"),
            }
        }
        match verdict {
            Verdict::Good => {}
            Verdict::Missing => tended.missing.push(*place),
            Verdict::Corrupt => tended.corrupt.push(*place),
        }
        record(app, &file, *place, state, found, *verdict).await?;
    }
    settle(app, &file, &verdicts.iter().map(|(_, _, verdict)| *verdict).collect::<Vec<_>>(), &tended).await?;
    Ok(tended)
}

/// What a reader of a file does whose bytes were not those of its SHA-256: all copies are looked at, the bad ones marked
/// and healed, and what is in the cache is removed. Waits for the end; it goes on when the reader does not wait.
pub async fn report_damage(app: &Arc<App>, id: Uuid) {
    tracing::error!(attachment = %id, "a stored file does not match its SHA-256; its copies are checked");
    let app = Arc::clone(app);
    match tokio::spawn(async move { check_damage(&app, id).await }).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(attachment = %id, ?error, "a damaged file cannot be checked"),
        Err(error) => tracing::error!(attachment = %id, %error, "the check of a damaged file broke off"),
    }
}

async fn check_damage(app: &Arc<App>, id: Uuid) -> Result<()> {
    let noticed = app.clock.now();
    let _turn = app.damage_check.lock().await;
    let look =
        app.db.run(move |conn| Ok((db::copies::file(conn, id)?, db::copies::of_file(conn, id)?))).await?;
    let (Some(file), copies) = look else { return Ok(()) };
    let store = Arc::clone(&app.store);
    blocking::run(move || store.forget_cached(&file.stored_name).map_err(failed)).await?;
    // Somebody who noticed it at the same time may have had it healed, or found that it cannot be.
    let is_dealt_with = copies.iter().any(|copy| {
        Place::of(&copy.place) == Place::Local
            && (copy.state != "present" || copy.verified_at.is_some_and(|verified| verified > noticed))
    });
    if !is_dealt_with {
        tend(app, id, true).await?;
    }
    Ok(())
}

/// The same for a job: what could not be done is tried again.
///
/// # Errors
/// A home cannot be reached, or the database.
pub async fn heal(app: &Arc<App>, id: Uuid) -> Result<()> {
    let tended = tend(app, id, true).await?;
    if let Some((place, why)) = tended.unreachable.first() {
        return Err(Error::Internal(anyhow::anyhow!("{}: {why}", place.as_str())));
    }
    // What comes wrong out of a bucket may have become so on its way, and be right the next time.
    if tended.corrupt == [Place::Cloud] && tended.read == 1 {
        return Err(Error::Internal(anyhow::anyhow!("the bucket hands out wrong bytes")));
    }
    Ok(())
}

async fn examine(app: &App, file: &FileRow, place: Place) -> Result<Verdict> {
    let verdict = match read_from(app, place, &file.stored_name).await? {
        None => Verdict::Missing,
        Some(bytes) => match identity_of(bytes).await.map_err(failed)? {
            found if found == identity(file) => Verdict::Good,
            _ => Verdict::Corrupt,
        },
    };
    if verdict != Verdict::Good {
        // On a disk that is not mounted, or in a bucket that is not there, every file looks like this.
        match place {
            Place::Local => {
                let store = Arc::clone(&app.store);
                blocking::run(move || store.check().map_err(failed)).await?;
            }
            Place::Cloud => cloud(app)?.check().await.map_err(failed)?,
        }
    }
    Ok(verdict)
}

/// Keeps what was seen and done with one copy; what is news goes into the trail.
async fn record(
    app: &App,
    file: &FileRow,
    place: Place,
    known: &str,
    found: Verdict,
    now_is: Verdict,
) -> Result<()> {
    let (at, known, file) = (app.clock.now(), known.to_owned(), file.clone());
    app.db
        .transaction(move |conn| {
            let verified = (now_is == Verdict::Good).then_some(at);
            db::copies::set(conn, file.id, place.as_str(), now_is.state(), verified, None, at)?;
            let subject = Subject::Attachment { id: file.id, batch: file.batch_id };
            let details = json!({ "filename": file.original_name, "place": place, "was": found.state() });
            let mut say =
                |action| audit::record(conn, at, &Actor::system(), action, subject, details.clone());
            if found != Verdict::Good && known != found.state() {
                say(if found == Verdict::Corrupt { "copy.corrupt" } else { "copy.missing" })?;
            }
            if found != Verdict::Good && now_is == Verdict::Good {
                say("copy.heal")?;
            }
            Ok(())
        })
        .await
}

/// The state of the file itself: available while one copy is good, and never worse on doubt.
async fn settle(app: &App, file: &FileRow, verdicts: &[Verdict], tended: &Tended) -> Result<()> {
    let state = if verdicts.contains(&Verdict::Good) {
        "available"
    } else if verdicts.is_empty() || !tended.unreachable.is_empty() {
        return Ok(());
    } else if verdicts.contains(&Verdict::Corrupt) {
        tracing::error!(attachment = %file.id, "no copy of a file is good");
        "corrupt"
    } else {
        tracing::error!(attachment = %file.id, "no copy of a file is there");
        "missing"
    };
    if state == file.state {
        return Ok(());
    }
    let id = file.id;
    app.db.run(move |conn| db::copies::settle_file(conn, id, state)).await
}
