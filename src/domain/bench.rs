//! Synthetic batches and files in large numbers, for measuring. Not a way to bring real files in: nothing is
//! made durable file by file, and no events are written.

use std::sync::Arc;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    sites, tally,
};
use crate::{
    app::App,
    blocking,
    db::{self, attachments::AttachmentRow, bulk::BatchCopy, users::UserRow},
    error::{Error, Result},
    storage::{LocalStore, key},
};

/// Files in each synthetic batch.
/// Few, so that a small store has a full page of batches as a large one has.
pub const PER_BATCH: usize = 20;
/// Batches that go into the database together.
const STEP: usize = 100;
/// The account that synthetic things belong to; it can never sign in.
const OWNER: &str = "bench";

const PRODUCTS: [&str; 8] = [
    "Olive & bay soap bar 100 g",
    "Lavender hand wash 500 ml",
    "Oat shampoo bar 80 g",
    "Almond body oil 200 ml",
    "Cedar shaving soap 150 g",
    "Rose hand cream 75 ml",
    "Mint foot balm 100 ml",
    "Charcoal face bar 90 g",
];

/// Adds about `attachments` files in batches of [`PER_BATCH`], calling `progress` with how many there are.
///
/// # Errors
/// The database or the store cannot be written; what was added until then stays.
pub async fn fill(app: &Arc<App>, actor: &Actor, attachments: usize, progress: impl Fn(usize)) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    let now = app.clock.now();
    let (owner, site, first) = app
        .db
        .transaction(move |conn| {
            let owner = match db::users::find_by_name(conn, OWNER)? {
                Some(user) => user.id,
                None => {
                    let user = UserRow {
                        id: Uuid::now_v7(),
                        username: OWNER.to_owned(),
                        display_name: OWNER.to_owned(),
                        // No hash: nothing verifies against it.
                        password_hash: String::new(),
                        role: "viewer".to_owned(),
                        disabled_at: Some(now),
                        created_at: now,
                        updated_at: now,
                        last_seen_at: None,
                        password_set_at: None,
                    };
                    db::users::insert(conn, &user)?;
                    user.id
                }
            };
            Ok((owner, sites::default_site(conn)?.id, db::bulk::batches_of(conn, owner)?))
        })
        .await?;

    let batches = attachments.div_ceil(PER_BATCH);
    for begin in (0..batches).step_by(STEP) {
        let end = (begin + STEP).min(batches);
        let (mut rows, mut files) = (Vec::new(), Vec::new());
        for nth in begin..end {
            let made_at = now - TimeDelta::minutes((batches - nth) as i64);
            let number = first as usize + nth;
            let batch = BatchCopy {
                id: Uuid::now_v7(),
                site_id: site,
                number: format!("BENCH-{number:07}"),
                product: PRODUCTS[number % PRODUCTS.len()].to_owned(),
                notes: String::new(),
                status: if number.is_multiple_of(3) { "closed" } else { "open" }.to_owned(),
                created_by: owner,
                created_at: made_at,
                updated_at: made_at,
                last_activity_at: made_at,
                files_count: 0,
                pictures_count: 0,
                bytes_total: 0,
            };
            let count = PER_BATCH.min(attachments - nth * PER_BATCH);
            let of_batch: Vec<AttachmentRow> =
                (0..count).map(|n| row(&batch, number * PER_BATCH + n, n as i64)).collect();
            rows.push(batch.counting(&of_batch));
            files.extend(of_batch);
        }
        let store = Arc::clone(&app.store);
        let files = blocking::run(move || write_all(&store, files)).await?;
        app.db.transaction(move |conn| db::bulk::copy(conn, rows, files, now)).await?;
        progress((end * PER_BATCH).min(attachments));
    }
    tally::fold(app).await?;
    app.db.run(db::bulk::analyze).await
}

fn row(batch: &BatchCopy, number: usize, nth: i64) -> AttachmentRow {
    let original_name = format!("certificate_{number:09}.pdf");
    let content = content(number);
    AttachmentRow {
        id: Uuid::now_v7(),
        batch_id: batch.id,
        stored_name: key::stored_name(Uuid::new_v4(), &original_name),
        original_name,
        content_type: "application/pdf".to_owned(),
        size_bytes: content.len() as i64,
        sha256: Sha256::digest(&content).to_vec(),
        width: None,
        height: None,
        state: "available".to_owned(),
        scan: "skipped".to_owned(),
        uploaded_by: batch.created_by,
        uploaded_at: batch.created_at + TimeDelta::milliseconds(nth),
        trashed_at: None,
        trashed_by: None,
        kind: "other".to_owned(),
        note: String::new(),
    }
}

fn content(number: usize) -> Vec<u8> {
    format!("%PDF-1.4\n% synthetic file {number}\n%%EOF\n").into_bytes()
}

fn write_all(store: &LocalStore, files: Vec<AttachmentRow>) -> Result<Vec<AttachmentRow>> {
    for file in &files {
        let number = file.original_name.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
        store.write_undurably(&file.stored_name, &content(number)).map_err(Error::internal)?;
    }
    Ok(files)
}
