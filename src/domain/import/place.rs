//! One file of an older system on its way in.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Wanted, map::Entry};
use crate::{
    app::App,
    blocking, db,
    domain::{
        access::{Actor, Role},
        batches::Details,
        content::{HEAD, Type},
        intake::{self, Arrival, Past},
        new_batch, sites, users,
    },
    error::{Error, Refusal, Result},
    storage::{LocalStore, Staged, key, open_regular},
};

/// A name in the store is this long before the file's own name begins, in bytes.
const OWN_NAME: usize = uuid::fmt::Hyphenated::LENGTH + 1;

/// An import under way.
pub struct Placing {
    app: Arc<App>,
    actor: Actor,
    folder: PathBuf,
    dry_run: bool,
    site: Uuid,
    /// The account that is named where the uploader has none.
    account: Uuid,
    /// Accounts by user name and by display name, in lower case.
    people: HashMap<String, Uuid>,
    /// Batches by number in lower case; a dry run has no id for one that it would make.
    batches: HashMap<String, Option<Uuid>>,
    made: usize,
}

impl Placing {
    pub async fn begin(app: &Arc<App>, actor: &Actor, wanted: Wanted) -> Result<Self> {
        let Wanted { folder, site, account, dry_run, .. } = wanted;
        let (site, account, people) = app
            .db
            .run(move |conn| {
                let site = match site {
                    Some(name) => sites::by_name(conn, &name)?,
                    None => sites::default_site(conn)?,
                };
                let everybody = db::users::all(conn)?;
                let mut people = HashMap::new();
                for person in &everybody {
                    people.entry(person.display_name.to_lowercase()).or_insert(person.id);
                }
                // Who has this user name is meant before who is called so.
                people.extend(everybody.iter().map(|person| (person.username.clone(), person.id)));
                Ok((site.id, account_of(&everybody, account.as_deref())?, people))
            })
            .await?;
        let (app, actor) = (Arc::clone(app), actor.clone());
        Ok(Self { app, actor, folder, dry_run, site, account, people, batches: HashMap::new(), made: 0 })
    }

    /// How many batches were made, or would be.
    pub fn batches_made(&self) -> usize {
        self.made
    }

    /// Takes one file and returns its size.
    pub async fn place(&mut self, name: &str, entry: &Entry) -> Result<u64> {
        if !key::is_stored_name(name) {
            return Err(unusable("its name is not {uuid}_{name}, without separators or control characters"));
        }
        let filename = entry.original_filename.clone().unwrap_or_else(|| name[OWN_NAME..].to_owned());
        let kind = intake::kind_of(&self.app, &filename)?;
        let source = self.folder.join(name);
        if self.dry_run {
            let size = blocking::run(move || looked_at(&source, kind)).await?;
            self.batch(&entry.batch_number).await?;
            return Ok(size);
        }
        let (store, stored_name) = (Arc::clone(&self.app.store), name.to_owned());
        let (staged, modified) = blocking::run(move || staged(&store, &source, &stored_name, kind)).await?;
        let size = staged.size;
        let batch = self.batch(&entry.batch_number).await?;
        let Some(batch_id) = batch else { return Ok(size) };
        let owner = entry.uploaded_by.as_ref().and_then(|name| self.people.get(&name.to_lowercase()));
        let past = Past {
            uploaded_at: entry.uploaded_at.unwrap_or(modified),
            account: owner.copied().unwrap_or(self.account),
            uploader: entry.uploaded_by.clone().filter(|_| owner.is_none()),
        };
        // The old stored name, and with it the old address.
        let stored_name = name.to_owned();
        let arrival = Arrival { batch_id, filename, kind, stored_name, claim: None, past: Some(past) };
        intake::admit(&self.app, &self.actor, arrival, staged).await?;
        Ok(size)
    }

    /// The batch of this number; made if it is not there.
    async fn batch(&mut self, number: &str) -> Result<Option<Uuid>> {
        let folded = number.to_lowercase();
        if let Some(&known) = self.batches.get(&folded) {
            return Ok(known);
        }
        let (actor, site, account, dry_run) = (self.actor.clone(), self.site, self.account, self.dry_run);
        let details = Details { number: number.to_owned(), ..Details::default() };
        let now = self.app.clock.now();
        let (id, is_new) = self
            .app
            .db
            .transaction(move |conn| {
                if let Some(batch) = db::imports::batch_by_number(conn, site, &details.number)? {
                    intake::takes_files(&batch)?;
                    return Ok((Some(batch.id), false));
                }
                let id = if dry_run { None } else { Some(made(conn, &actor, account, site, details, now)?) };
                Ok((id, true))
            })
            .await?;
        self.made += usize::from(is_new);
        self.batches.insert(folded, id);
        Ok(id)
    }
}

fn made(
    conn: &mut PgConnection,
    actor: &Actor,
    account: Uuid,
    site: Uuid,
    details: Details,
    now: DateTime<Utc>,
) -> Result<Uuid> {
    Ok(new_batch::insert(conn, actor, account, site, details, now)?.id)
}

/// The account of this name, or else of the first admin.
fn account_of(everybody: &[users::UserRow], name: Option<&str>) -> Result<Uuid> {
    let found = match name {
        Some(name) => {
            let name = users::normalise(name);
            everybody.iter().find(|person| person.username == name)
        }
        None => everybody
            .iter()
            .filter(|person| person.role == Role::Admin.as_str() && person.disabled_at.is_none())
            .min_by_key(|person| person.created_at),
    };
    found.map(|person| person.id).ok_or_else(|| {
        Error::invalid(
            "account",
            match name {
                Some(name) => format!("There is no account \u{201c}{name}\u{201d}."),
                None => {
                    "Files belong to an account: add an admin first (stillage user add NAME --role admin)."
                        .to_owned()
                }
            },
        )
    })
}

fn unusable(reason: impl Into<String>) -> Error {
    Refusal::Malformed { reason: reason.into().into() }.into()
}

fn unreadable(error: io::Error) -> Error {
    unusable(format!("it cannot be read: {error}"))
}

/// The checks of an upload on a file that stays where it is.
fn looked_at(source: &Path, kind: &'static Type) -> Result<u64> {
    let file = open_regular(source).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    checked_head(&file, kind)?;
    let file = open_regular(source).map_err(unreadable)?;
    kind.check_whole(file)?;
    Ok(size)
}

fn checked_head(file: &File, kind: &'static Type) -> Result<()> {
    let mut head = Vec::with_capacity(HEAD);
    file.take(HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
    if head.is_empty() { Err(Refusal::EmptyFile.into()) } else { kind.check_head(&head) }
}

/// Stages a file, with the time of its last change. One that lies in the store already, put there by hand or by an
/// import that broke off, is adopted where it is.
fn staged(
    store: &LocalStore,
    source: &Path,
    stored_name: &str,
    kind: &'static Type,
) -> Result<(Staged, DateTime<Utc>)> {
    // All that can be refused is refused before a batch is made for it.
    looked_at(source, kind)?;
    let meta = fs::metadata(source).map_err(unreadable)?;
    let modified = meta.modified().map_err(unreadable)?.into();
    let Some((published, _)) = store.open_published(stored_name).map_err(intake::refuse)? else {
        return Ok((store.stage_file(source).map_err(intake::refuse)?, modified));
    };
    let there = published.metadata().map_err(unreadable)?;
    let is_same_file = (there.dev(), there.ino()) == (meta.dev(), meta.ino());
    let staged = store.stage_published(stored_name).map_err(intake::refuse)?;
    if !is_same_file && hash(source).map_err(unreadable)? != staged.sha256 {
        return Err(unusable("another file of this name lies in the store"));
    }
    Ok((staged, modified))
}

fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let (mut file, mut buffer) = (open_regular(path)?, vec![0; 1024 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&buffer[..read]);
    }
}
