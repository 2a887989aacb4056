//! What is wrong with the place Stillage runs in, and the line that mends each of it. Needs neither database nor
//! storage to be there, for then it is wanted most, and leaves nothing behind.

mod address;
mod cloud;
mod data;
mod database;
mod mounts;
mod scanner;
mod storage;

use std::{sync::Arc, time::Duration};

use nix::unistd::{getegid, geteuid};
use serde::Serialize;

use super::access::{Action, Actor, Resource, authorize};
use crate::{app::App, blocking, clock::Clock, config::Config, error::Result, scanner::Scanner};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// Worth knowing, fine as it is.
    Note,
    Warning,
    /// Something does not work, or what is stored is in danger.
    Failure,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    pub what: String,
    /// The line that mends it.
    pub mend: Option<String>,
}

impl Finding {
    fn new(level: Level, what: impl Into<String>) -> Self {
        Self { level, what: what.into(), mend: None }
    }

    pub fn ok(what: impl Into<String>) -> Self {
        Self::new(Level::Ok, what)
    }

    pub fn note(what: impl Into<String>) -> Self {
        Self::new(Level::Note, what)
    }

    pub fn warning(what: impl Into<String>) -> Self {
        Self::new(Level::Warning, what)
    }

    pub fn failure(what: impl Into<String>) -> Self {
        Self::new(Level::Failure, what)
    }

    pub fn mend(self, line: impl Into<String>) -> Self {
        Self { mend: Some(line.into()), ..self }
    }
}

/// What belongs together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Area {
    /// For scripts; stays the same.
    pub area: &'static str,
    #[serde(skip)]
    pub title: &'static str,
    pub findings: Vec<Finding>,
}

impl Area {
    pub fn worst(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }
}

/// How many findings of this level there are.
pub fn count(areas: &[Area], level: Level) -> usize {
    areas.iter().flat_map(|area| &area.findings).filter(|finding| finding.level == level).count()
}

/// How the database is reached.
#[derive(Clone, Debug)]
pub enum Database {
    Url(String),
    /// The private one is made at the first start.
    Unmade,
    /// It could not even be started.
    Down(String),
}

/// What is examined.
#[derive(Clone)]
pub struct Patient {
    pub config: Arc<Config>,
    pub database: Database,
    pub clock: Clock,
    /// Whether to look at every file as well.
    pub deep: bool,
    /// The scanner of a running server, which has been tried out already.
    pub scanner: Option<Scanner>,
}

/// How long the disk may take. A mount whose server is gone hangs for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at everything, one area after the other.
pub async fn examine(patient: &Patient) -> Vec<Area> {
    let (database, known) = database::check(patient).await;
    let area = |area, title, findings| Area { area, title, findings };
    // Each line is one area, in the order it is shown.
    vec![
        area("storage", "Storage", storage::check(patient, known).await),
        area("database", "Database", database),
        area("cloud", "Bucket", cloud::check(patient).await),
        area("scanner", "Malware scanner", scanner::check(patient).await),
        area("address", "Address", address::check(patient).await),
        area("data", "Data and secrets", on_disk(patient, data::check).await),
    ]
}

/// The same for the admin's page, of the server that runs.
///
/// # Errors
/// [`crate::error::Error::Forbidden`] for whoever does not administer.
pub async fn of_server(app: &App, actor: &Actor) -> Result<Vec<Area>> {
    authorize(actor, Action::Administer, Resource::System)?;
    let mut config = app.config.clone();
    // An admin may have chosen another limit than the environment says.
    config.max_upload_size = app.settings.now().max_upload_size;
    let patient = Patient {
        config: Arc::new(config),
        database: Database::Url(app.database_url.clone()),
        clock: app.clock.clone(),
        deep: false,
        scanner: app.scanner.clone(),
    };
    Ok(examine(&patient).await)
}

/// Looks at a disk, off the async threads and not for ever.
async fn on_disk<F>(patient: &Patient, look: F) -> Vec<Finding>
where
    F: FnOnce(&Patient) -> Vec<Finding> + Send + 'static,
{
    let owned = patient.clone();
    let looking = blocking::run(move || Ok(look(&owned)));
    // Looking at every file takes as long as it takes.
    let patience = if patient.deep { Duration::from_secs(24 * 3600) } else { PATIENCE };
    match tokio::time::timeout(patience, looking).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => vec![Finding::failure(format!("The look at the disk broke off: {error}."))],
        Err(_) => vec![
            Finding::failure(format!("The disk did not answer within {} s.", PATIENCE.as_secs()))
                .mend("mount | grep -e nfs -e cifs; dmesg | tail  # is the file server there?"),
        ],
    }
}

/// `uid:gid` of this process.
fn owner() -> String {
    format!("{}:{}", geteuid(), getegid())
}

/// Whether this runs in a container, where the folders of the host are mended outside.
fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| std::path::Path::new(mark).exists())
}

/// A word of a shell line.
fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn paths_are_one_word_of_a_line() {
        assert_eq!(quoted(Path::new("/srv/stillage")), "/srv/stillage");
        assert_eq!(quoted(Path::new("/srv/it's $here")), r"'/srv/it'\''s $here'");
    }

    #[test]
    fn the_worst_counts() {
        let findings = vec![Finding::ok("a"), Finding::warning("b").mend("c"), Finding::note("d")];
        let area = Area { area: "x", title: "X", findings };
        assert_eq!(area.worst(), Level::Warning);
        assert_eq!(count(&[area], Level::Warning), 1);
    }
}
