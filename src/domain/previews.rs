//! Pictures of files and the text of documents: ordered when a file comes in, made by a job, handed out to those who
//! may see the file.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use diesel::PgConnection;
use uuid::Uuid;

use super::{
    access::Actor,
    attachments::{self, FIRST_BYTES},
    audit::reads::{self, Reading},
};
use crate::{
    app::App,
    blocking,
    clock::Clock,
    db,
    error::{Error, Refusal, Result},
    jobs::Job,
    render::{self, Piece, Reason},
};

pub use crate::{
    db::previews::PreviewRow,
    render::{THUMBNAILS, handles},
    storage::key::Preview,
};

/// Orders previews of a file, in the transaction that makes its row. Files of other types get none.
pub fn order(conn: &mut PgConnection, clock: &Clock, attachment: Uuid, media_type: &str) -> Result<()> {
    if handles(media_type) {
        db::previews::expect(conn, attachment)?;
        enqueue(conn, clock, attachment)?;
    }
    Ok(())
}

fn enqueue(conn: &mut PgConnection, clock: &Clock, attachment: Uuid) -> Result<bool> {
    let owner = db::attachments::uploader(conn, attachment)?.unwrap_or_default();
    let key = format!("previews:{attachment}");
    Job::MakePreviews { attachment }.enqueue_for(owner, conn, clock, Some(&key))
}

/// A picture on its way out.
pub struct Opened {
    /// The SHA-256 of the file that it was made from.
    pub sha256: Vec<u8>,
    pub file: File,
    pub size: u64,
    /// Up to [`FIRST_BYTES`] of it.
    pub first: Vec<u8>,
}

/// What there is of a wanted picture.
pub enum Found {
    There(Opened),
    /// It is being made.
    Pending,
}

/// Opens a picture that was made from a file. One that should be there and is not is ordered again. A thumbnail is no
/// look at the file, whatever `reading` says.
///
/// # Errors
/// [`Error::NotFound`] for what the actor may not see, what is in the trash and what cannot be made;
/// [`Error::Conflict`] as for the file itself.
pub async fn open(
    app: &Arc<App>,
    actor: &Actor,
    id: Uuid,
    wanted: Preview,
    reading: Reading,
) -> Result<Found> {
    let (actor, store, now) = (actor.clone(), Arc::clone(&app.store), app.clock.now());
    let reading = if matches!(wanted, Preview::Thumbnail(_)) { Reading::Nothing } else { reading };
    let look_up = move |conn: &mut PgConnection| {
        let (located, preview) = db::previews::locate(conn, id)?.ok_or(Error::NotFound)?;
        let row = attachments::to_hand_out(&actor, located)?.row;
        if can_be(wanted, &row.content_type, preview.as_ref()) {
            reads::note(conn, now, &actor, reading, &row);
            Ok(row.sha256)
        } else {
            Err(Error::NotFound)
        }
    };
    let read = move |sha256: Vec<u8>| {
        let opened = store.open_preview(id, wanted).map_err(unavailable)?;
        let Some((file, size)) = opened else {
            // On a store that is not there, every picture is missing and none can be made.
            store.check().map_err(unavailable)?;
            return Ok(None);
        };
        let mut first = vec![0; size.min(FIRST_BYTES) as usize];
        file.read_exact_at(&mut first, 0).map_err(Error::internal)?;
        Ok(Some(Opened { sha256, file, size, first }))
    };
    if let Some(opened) = app.db.run_then(look_up, read).await? {
        return Ok(Found::There(opened));
    }
    let clock = app.clock.clone();
    app.db
        .transaction(move |conn| {
            db::previews::expect(conn, id)?;
            enqueue(conn, &clock, id)
        })
        .await?;
    Ok(Found::Pending)
}

/// What a browser shows of a file.
pub enum Shown {
    /// The file itself, for the browser's own viewer.
    Document(Box<attachments::Opened>),
    Picture(Found),
}

/// Opens what a browser shows of a file: a picture made from a picture, or a PDF as it is.
///
/// # Errors
/// As [`open`].
pub async fn show(app: &Arc<App>, actor: &Actor, id: Uuid, reading: Reading) -> Result<Shown> {
    match open(app, actor, id, Preview::Large, reading).await {
        Err(Error::NotFound) => {}
        found => return Ok(Shown::Picture(found?)),
    }
    let opened = attachments::open(app, actor, attachments::Name::Id(id), move |_| reading).await?;
    if opened.row.content_type == "application/pdf" {
        Ok(Shown::Document(Box::new(opened)))
    } else {
        Err(Error::NotFound)
    }
}

fn unavailable(error: crate::storage::StorageError) -> Error {
    tracing::error!(%error, "a preview cannot be read");
    Refusal::StorageUnavailable { reason: "The storage cannot be read right now.".into() }.into()
}

/// Whether this picture is there or may still come.
fn can_be(wanted: Preview, media_type: &str, preview: Option<&PreviewRow>) -> bool {
    let is_document = media_type == "application/pdf";
    let is_possible = match wanted {
        Preview::Thumbnail(_) => handles(media_type),
        Preview::Large => handles(media_type) && !is_document,
        Preview::Page(number) => is_document && (1..=render::PAGES).contains(&number),
    };
    is_possible
        && match (preview, wanted) {
            (None, _) => true,
            (Some(preview), Preview::Page(number)) if preview.state == "made" => {
                i64::from(number) <= i64::from(preview.pages_shown)
            }
            (Some(preview), _) => preview.state != "none",
        }
}

/// Makes the previews of a file: what the job does. Pictures can be seen as soon as each of them is there.
///
/// # Errors
/// What may pass: no process, no storage, no database. What is wrong with the file itself is recorded, not an error.
pub async fn make(app: &Arc<App>, id: Uuid) -> Result<()> {
    let Some(located) = app.db.run(move |conn| db::attachments::locate(conn, id)).await? else {
        return Ok(());
    };
    let row = &located.row;
    if row.state == "purged" {
        return forget(app, id).await;
    }
    // What is damaged or locked away is not looked into; the rest is asked for again when somebody looks.
    let is_sound = ["available", "trashed"].contains(&row.state.as_str()) && row.scan != "infected";
    if !is_sound || !handles(&row.content_type) {
        return Ok(());
    }
    let (file, media_type) = match attachments::open_readable(app, located.into()).await {
        Ok(opened) => (opened.file, opened.row.content_type),
        // A file that is not there is for the comparison of store and database to tell.
        Err(Error::Conflict { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };

    let mut made = Made::default();
    let mut rendering = app.renderer.start(file, &media_type)?;
    while let Some(piece) = rendering.next().await? {
        made.take(app, id, piece).await?;
    }
    let reason = rendering.end().await?;
    if let Some(reason) = reason {
        tracing::info!(attachment = %id, ?reason, "previews were not made, or not all");
    }
    let preview = made.row(id, reason, app.clock.now());
    let text = made.text;
    let is_kept = app
        .db
        .transaction(move |conn| {
            // A purge that came meanwhile leaves nothing of the file; nor does malware that was found.
            let row = db::attachments::find_for_update(conn, id)?;
            if row.is_none_or(|row| row.state == "purged" || row.scan == "infected") {
                return Ok(false);
            }
            db::previews::set(conn, &preview)?;
            if let Some(text) = text {
                db::previews::set_text(conn, id, &text)?;
            }
            Ok(true)
        })
        .await?;
    if is_kept { Ok(()) } else { forget(app, id).await }
}

/// Removes everything that was made from a file: for a purge, or when malware was found in it, after the commit.
pub async fn forget(app: &Arc<App>, id: Uuid) -> Result<()> {
    app.db.transaction(move |conn| db::previews::forget(conn, id)).await?;
    let store = Arc::clone(&app.store);
    blocking::run(move || store.remove_previews(id).map_err(Error::internal)).await
}

/// What has come so far.
#[derive(Default)]
struct Made {
    pages: Option<u32>,
    pages_shown: u32,
    /// Of the picture that the file's page shows.
    size: Option<(u32, u32)>,
    text: Option<String>,
}

impl Made {
    async fn take(&mut self, app: &App, id: Uuid, piece: Piece) -> Result<()> {
        let (what, jpeg) = match piece {
            Piece::Pages(pages) => {
                self.pages = Some(pages);
                return Ok(());
            }
            Piece::Text(text) => {
                self.text = Some(text);
                return Ok(());
            }
            Piece::Picture { what, width, height, jpeg } => {
                match what {
                    Preview::Large | Preview::Page(1) => self.size = Some((width, height)),
                    Preview::Page(_) | Preview::Thumbnail(_) => {}
                }
                if let Preview::Page(number) = what {
                    self.pages_shown = self.pages_shown.max(number);
                }
                (what, jpeg)
            }
        };
        let store = Arc::clone(&app.store);
        blocking::run(move || store.write_preview(id, what, &jpeg).map_err(Error::internal)).await
    }

    fn row(&self, id: Uuid, reason: Option<Reason>, now: chrono::DateTime<chrono::Utc>) -> PreviewRow {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        // Without the picture for its page there is nothing; a child that said it was done and sent none is broken.
        let reason = reason.or_else(|| self.size.is_none().then_some(Reason::Broken));
        PreviewRow {
            attachment_id: id,
            state: if self.size.is_some() { "made" } else { "none" }.to_owned(),
            reason: reason.map_or("", Reason::words).to_owned(),
            pages: self.pages.map(number),
            // A child that counts badly must not make the row impossible.
            pages_shown: number(self.pages_shown.min(self.pages.unwrap_or(0))),
            width: self.size.map(|(width, _)| number(width)),
            height: self.size.map(|(_, height)| number(height)),
            ended_at: Some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: &str, pages_shown: i32) -> PreviewRow {
        PreviewRow {
            attachment_id: Uuid::nil(),
            state: state.to_owned(),
            reason: String::new(),
            pages: Some(30),
            pages_shown,
            width: None,
            height: None,
            ended_at: None,
        }
    }

    #[test]
    fn what_can_be_had() {
        let (png, pdf, other) = ("image/png", "application/pdf", "text/plain");
        let (thumbnail, large, page) = (Preview::Thumbnail(320), Preview::Large, Preview::Page);
        let table = [
            (thumbnail, png, None, true),
            (thumbnail, pdf, Some(row("pending", 0)), true),
            (thumbnail, pdf, Some(row("made", 2)), true),
            (thumbnail, png, Some(row("none", 0)), false),
            (thumbnail, other, None, false),
            (large, png, None, true),
            (large, pdf, None, false),
            (large, other, None, false),
            (page(1), png, None, false),
            (page(1), pdf, None, true),
            (page(20), pdf, Some(row("pending", 0)), true),
            (page(21), pdf, Some(row("pending", 0)), false),
            (page(0), pdf, Some(row("pending", 0)), false),
            (page(2), pdf, Some(row("made", 2)), true),
            (page(3), pdf, Some(row("made", 2)), false),
            (page(1), pdf, Some(row("none", 0)), false),
        ];
        for (wanted, media_type, preview, expected) in table {
            assert_eq!(
                can_be(wanted, media_type, preview.as_ref()),
                expected,
                "{wanted:?} {media_type} {preview:?}"
            );
        }
    }

    #[test]
    fn what_came_decides_and_not_what_the_child_says_of_it() {
        let now = chrono::DateTime::UNIX_EPOCH;
        let row = |made: &Made, reason| made.row(Uuid::nil(), reason, now);
        let nothing = row(&Made::default(), None);
        assert_eq!((nothing.state.as_str(), nothing.reason.is_empty()), ("none", false));
        let some = Made { pages: Some(2), pages_shown: 9, size: Some((10, 20)), text: None };
        let kept = row(&some, Some(Reason::TooLong));
        assert_eq!((kept.state.as_str(), kept.pages_shown), ("made", 2));
        assert_eq!(kept.reason, Reason::TooLong.words());
        assert_eq!(row(&some, None).reason, "");
    }
}
