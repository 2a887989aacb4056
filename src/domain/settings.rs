//! What admins may change while Stillage runs. The environment comes first, then what an admin chose, then the
//! default; [`Effective`] is the one place that says so.
//!
//! What was chosen is one row, so that one read has all of it. Each instance keeps what it read for a second; the
//! one that changes something knows at once.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, Subject},
    content::{self, Type},
    recheck,
};
use crate::{
    app::App,
    clock::Clock,
    config::{self, Config, MAX_UPLOAD_MB, TRASH_DAYS},
    db,
    error::{Error, FieldError, Result},
};

/// The row of what was chosen, and that of the logo's bytes.
const KEY: &str = "admin_settings";
const LOGO_KEY: &str = "admin_logo";

/// How long what was read counts.
const LIFE: TimeDelta = TimeDelta::seconds(1);

pub const LIMIT_VARIABLE: &str = "MAX_UPLOAD_SIZE_MB";
pub const TRASH_VARIABLE: &str = "TRASH_RETENTION_DAYS";

/// The name without another one.
pub const DEFAULT_NAME: &str = "Stillage";
pub const NAME_MAX_CHARS: usize = 40;

pub const LOGO_MAX_BYTES: usize = 64 * 1024;
pub const LOGO_MAX_SIDE: u32 = 1024;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Environment,
    Admin,
    Default,
}

/// What holds.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Per file, in bytes.
    pub max_upload_size: u64,
    pub max_upload_origin: Origin,
    pub trash_days: u64,
    pub trash_origin: Origin,
    /// The keys of the types that are taken beyond those that always are.
    pub extras: Vec<&'static str>,
    /// In the top bar, at the sign-in and in titles.
    pub name: String,
    /// The SHA-256 of the logo, if there is one.
    pub logo: Option<String>,
    /// Nothing can be changed, but by admins under `/admin`.
    pub maintenance: bool,
    /// Counts the changes, so that an old read does not come after a new one.
    revision: u64,
}

impl Effective {
    pub fn trash_retention(&self) -> std::time::Duration {
        config::days(self.trash_days)
    }

    fn of(config: &Config, chosen: &Chosen) -> Self {
        let pick = |variable, fixed: u64, chosen: Option<u64>| match chosen {
            _ if config.is_fixed(variable) => (fixed, Origin::Environment),
            Some(value) => (value, Origin::Admin),
            None => (fixed, Origin::Default),
        };
        let (max_upload_mb, max_upload_origin) =
            pick(LIMIT_VARIABLE, config.max_upload_size / config::MB, chosen.max_upload_mb);
        let (trash_days, trash_origin) =
            pick(TRASH_VARIABLE, config.trash_retention.as_secs() / 86_400, chosen.trash_days);
        Self {
            max_upload_size: max_upload_mb * config::MB,
            max_upload_origin,
            trash_days,
            trash_origin,
            extras: content::extras()
                .map(Type::key)
                .filter(|key| chosen.extras.iter().any(|chosen| chosen == key))
                .collect(),
            name: chosen.name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned()),
            logo: chosen.logo.clone(),
            maintenance: chosen.maintenance,
            revision: chosen.revision,
        }
    }
}

/// What admins chose, as its row has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Chosen {
    max_upload_mb: Option<u64>,
    trash_days: Option<u64>,
    extras: Vec<String>,
    name: Option<String>,
    logo: Option<String>,
    maintenance: bool,
    revision: u64,
}

/// What this instance knows of it.
pub struct Settings(RwLock<Known>);

struct Known {
    read_at: DateTime<Utc>,
    effective: Arc<Effective>,
}

impl Settings {
    /// As the database has it.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn read(conn: &mut PgConnection, config: &Config, clock: &Clock) -> Result<Self> {
        let chosen: Chosen = db::settings::get(conn, KEY)?.unwrap_or_default();
        let effective = Arc::new(Effective::of(config, &chosen));
        Ok(Self(RwLock::new(Known { read_at: clock.now(), effective })))
    }

    /// As it was known last; every request brings it up to date first ([`fresh`]).
    pub fn now(&self) -> Arc<Effective> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).effective)
    }

    /// Whether it has to be read again; says so to one caller only.
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        let is_old = |known: &Known| (now - known.read_at).abs() >= LIFE;
        if !is_old(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return false;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_mine = is_old(&known);
        known.read_at = now;
        is_mine
    }

    fn learn(&self, effective: Effective) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if effective.revision >= known.effective.revision {
            known.effective = Arc::new(effective);
        }
    }
}

/// What holds, no older than a second. While the database does not answer, what was known last holds on.
pub async fn fresh(app: &App) -> Arc<Effective> {
    if app.settings.is_due(app.clock.now()) {
        match app.db.run(|conn| db::settings::get::<Chosen>(conn, KEY)).await {
            Ok(chosen) => app.settings.learn(Effective::of(&app.config, &chosen.unwrap_or_default())),
            Err(error) => tracing::warn!(error = ?error, "the settings could not be read again"),
        }
    }
    app.settings.now()
}

/// What an admin's form says. A value that the environment fixes is `None`.
pub struct Draft<'a> {
    pub max_upload_mb: Option<&'a str>,
    pub trash_days: Option<&'a str>,
    pub extras: Vec<&'a str>,
    pub name: &'a str,
}

/// Takes a form over. Each changed setting is an event of its own, with its values before and after.
///
/// # Errors
/// [`Error::Invalid`] for values out of bounds, and for one that the environment fixes.
pub async fn save(app: &App, actor: &Actor, draft: Draft<'_>) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    let mut problems = Vec::new();
    let mut number = |field, variable, given, bounds| {
        checked(&app.config, field, variable, given, bounds).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        })
    };
    let max_upload_mb = number("max_upload_mb", LIMIT_VARIABLE, draft.max_upload_mb, MAX_UPLOAD_MB);
    let trash_days = number("trash_days", TRASH_VARIABLE, draft.trash_days, TRASH_DAYS);
    let name = draft.name.trim();
    if name.chars().count() > NAME_MAX_CHARS || name.chars().any(char::is_control) {
        let message = format!("At most {NAME_MAX_CHARS} characters on one line.");
        problems.push(FieldError::new("brand", message));
    }
    let extras: Option<Vec<String>> = draft
        .extras
        .iter()
        .map(|given| content::extras().map(Type::key).find(|key| key == given).map(str::to_owned))
        .collect();
    if extras.is_none() {
        problems.push(FieldError::new("extras", "Choose among the types shown."));
    }
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    let name = Some(name).filter(|name| !name.is_empty() && *name != DEFAULT_NAME).map(str::to_owned);
    change(app, actor, None, move |chosen| {
        chosen.max_upload_mb = max_upload_mb.or(chosen.max_upload_mb);
        chosen.trash_days = trash_days.or(chosen.trash_days);
        chosen.extras = extras.unwrap_or_default();
        chosen.name = name;
    })
    .await
}

fn checked(
    config: &Config,
    field: &'static str,
    variable: &str,
    given: Option<&str>,
    bounds: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, FieldError> {
    match (config.is_fixed(variable), given) {
        (true, None) => Ok(None),
        (true, Some(_)) => Err(FieldError::new(field, format!("{variable} in the environment fixes this."))),
        (false, given) => {
            let number =
                given.and_then(|text| text.trim().parse().ok()).filter(|number| bounds.contains(number));
            number.map(Some).ok_or_else(|| {
                let (least, most) = bounds.into_inner();
                FieldError::new(field, format!("A whole number from {least} to {most}."))
            })
        }
    }
}

/// Makes everything read-only, or ends that.
pub async fn set_maintenance(app: &App, actor: &Actor, is_on: bool) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    change(app, actor, None, move |chosen| chosen.maintenance = is_on).await
}

/// Takes a PNG as the logo, or none.
///
/// # Errors
/// [`Error::Invalid`] for what is no PNG, or too large a one.
pub async fn set_logo(app: &App, actor: &Actor, png: Option<Vec<u8>>) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    if let Some(png) = &png {
        let is_good = png.len() <= LOGO_MAX_BYTES
            && content::png_size(png).is_ok_and(|(w, h)| w.max(h) <= LOGO_MAX_SIDE);
        if !is_good {
            let (kb, side) = (LOGO_MAX_BYTES / 1024, LOGO_MAX_SIDE);
            return Err(Error::invalid(
                "logo",
                format!("Choose a PNG of at most {kb} KB and {side} × {side} pixels."),
            ));
        }
    }
    let hash = png.as_ref().map(|png| hex::encode(Sha256::digest(png)));
    change(app, actor, Some(png), move |chosen| chosen.logo = hash).await
}

/// The logo's bytes, if it is the one with this hash.
pub async fn logo(app: &App, hash: &str) -> Result<Vec<u8>> {
    let hex = app.db.run(|conn| db::settings::get::<String>(conn, LOGO_KEY)).await?.ok_or(Error::NotFound)?;
    let bytes = hex::decode(hex).map_err(Error::internal)?;
    if hex::encode(Sha256::digest(&bytes)) == hash { Ok(bytes) } else { Err(Error::NotFound) }
}

/// Changes the row, records what changed, and lets this instance know. `logo` replaces the logo's bytes.
async fn change(
    app: &App,
    actor: &Actor,
    logo: Option<Option<Vec<u8>>>,
    apply: impl FnOnce(&mut Chosen) + Send + 'static,
) -> Result<()> {
    let (config, clock) = (app.config.clone(), app.clock.clone());
    let effective = recheck::admin(app, actor, move |conn, actor| {
        // Two admins at once: one after the other, from the first change on.
        db::settings::get_or_init(conn, &clock, KEY, Chosen::default)?;
        db::settings::lock(conn, KEY)?;
        let mut chosen: Chosen = db::settings::get(conn, KEY)?.unwrap_or_default();
        let before = Effective::of(&config, &chosen);
        apply(&mut chosen);
        chosen.revision += 1;
        let after = Effective::of(&config, &chosen);
        db::settings::put(conn, &clock, KEY, &chosen)?;
        match logo {
            Some(Some(png)) => db::settings::put(conn, &clock, LOGO_KEY, &hex::encode(png))?,
            Some(None) => db::settings::remove(conn, LOGO_KEY)?,
            None => {}
        }
        for ((setting, old), (_, new)) in values(&before).into_iter().zip(values(&after)) {
            if old != new {
                let details = json!({ "setting": setting, "before": old, "after": new });
                audit::record(conn, clock.now(), &actor, "setting.change", Subject::System, details)?;
            }
        }
        Ok(after)
    })
    .await?;
    app.settings.learn(effective);
    Ok(())
}

/// Every setting as the trail has it.
fn values(effective: &Effective) -> [(&'static str, Value); 6] {
    [
        ("max_upload_mb", json!(effective.max_upload_size / config::MB)),
        ("trash_days", json!(effective.trash_days)),
        ("types", json!(effective.extras)),
        ("name", json!(effective.name)),
        ("logo", json!(effective.logo)),
        ("maintenance", json!(effective.maintenance)),
    ]
}
