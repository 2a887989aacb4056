//! The chain that makes the trail tamper-evident.
//!
//! Events are written without looking at each other, so that no request waits for a chain. A moment later they
//! are sealed in groups: a seal holds the Merkle root of its events and the hash of the seal before it. Whoever
//! changes, removes or adds an event has to change every seal from there on, and then the last hash, the head,
//! is no longer the one that was written down elsewhere.

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use sha2::{Digest, Sha256};

use crate::{
    app::App,
    db::audit_seals::{self, SealRow, WholeEvent},
    error::Result,
};

pub type Hash = [u8; 32];

/// What the first seal names as the one before it.
pub const NOTHING_BEFORE: Hash = [0; 32];

/// Events in one seal at most: what a verifier holds in memory at once.
const SEAL_MAX: i64 = 5000;

/// Seals what is not sealed yet and returns how many events that were. Of several instances one does it; the
/// others find nothing to do.
pub async fn seal_pending(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let mut sealed = 0;
    loop {
        let step = app.db.transaction(move |conn| seal_step(conn, now)).await?;
        sealed += step;
        if step < SEAL_MAX as usize {
            return Ok(sealed);
        }
    }
}

fn seal_step(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<usize> {
    // Most looks find nothing; those take no lock.
    if audit_seals::unsealed(conn, 1)?.is_empty() || !audit_seals::try_lock(conn)? {
        return Ok(0);
    }
    let events = audit_seals::unsealed(conn, SEAL_MAX)?;
    if events.is_empty() {
        return Ok(0);
    }
    let last = audit_seals::last(conn)?;
    let mut seal = SealRow {
        id: last.as_ref().map_or(1, |last| last.id + 1),
        sealed_at: now,
        events_count: events.len() as i64,
        root: root_of(&events).to_vec(),
        previous: last.map_or(NOTHING_BEFORE.to_vec(), |last| last.hash),
        hash: Vec::new(),
    };
    seal.hash = hash_of(&seal).to_vec();
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    audit_seals::insert(conn, &seal, &ids)?;
    Ok(events.len())
}

/// The hash of a seal, over everything else in it.
pub fn hash_of(seal: &SealRow) -> Hash {
    let mut fields = Fields::new(b"stillage seal 1");
    fields.add(&seal.id.to_be_bytes());
    fields.add(&seal.sealed_at.timestamp_micros().to_be_bytes());
    fields.add(&seal.events_count.to_be_bytes());
    fields.add(&seal.root);
    fields.add(&seal.previous);
    fields.finish()
}

/// The Merkle tree hash of events in their order (RFC 9162, 2.1.1).
pub fn root_of(events: &[WholeEvent]) -> Hash {
    let leaves: Vec<Hash> = events.iter().map(leaf).collect();
    tree(&leaves)
}

fn tree(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        many => {
            // The largest power of two below the number of leaves.
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            let mut node = Sha256::new_with_prefix([1]);
            node.update(tree(left));
            node.update(tree(right));
            node.finalize().into()
        }
    }
}

fn leaf(event: &WholeEvent) -> Hash {
    let mut fields = Fields::new(&[0]);
    fields.add(&event.id.to_be_bytes());
    fields.add(&event.at.timestamp_micros().to_be_bytes());
    fields.add(event.actor.as_bytes());
    fields.add_optional(event.actor_id.as_ref().map(|id| id.as_bytes().as_slice()));
    fields.add_optional(event.address.as_deref().map(str::as_bytes));
    fields.add(event.action.as_bytes());
    fields.add(event.subject.as_bytes());
    fields.add_optional(event.batch_id.as_ref().map(|id| id.as_bytes().as_slice()));
    fields.add_optional(event.attachment_id.as_ref().map(|id| id.as_bytes().as_slice()));
    // Keys come sorted out of serde_json's map, whatever order PostgreSQL keeps.
    fields.add(event.details.to_string().as_bytes());
    fields.finish()
}

/// Hashes fields with their lengths, so that no two lists of fields hash alike.
struct Fields(Sha256);

impl Fields {
    fn new(prefix: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(prefix))
    }

    fn add(&mut self, field: &[u8]) {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
    }

    /// An absent field differs from an empty one.
    fn add_optional(&mut self, field: Option<&[u8]>) {
        match field {
            Some(field) => self.add(field),
            None => self.0.update(u64::MAX.to_be_bytes()),
        }
    }

    fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each node of the tree by hand, for seven leaves.
    #[test]
    fn the_tree_is_that_of_rfc_9162() {
        let leaves: Vec<Hash> = (0u8..7).map(|n| Sha256::digest([0, n]).into()).collect();
        let node =
            |left: Hash, right: Hash| -> Hash { Sha256::digest([&[1u8][..], &left, &right].concat()).into() };
        let left = node(node(leaves[0], leaves[1]), node(leaves[2], leaves[3]));
        let right = node(node(leaves[4], leaves[5]), leaves[6]);
        assert_eq!(tree(&leaves), node(left, right));
        assert_eq!(tree(&leaves[..1]), leaves[0]);
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let hash = |parts: &[Option<&str>]| {
            let mut fields = Fields::new(b"x");
            for part in parts {
                fields.add_optional(part.map(str::as_bytes));
            }
            fields.finish()
        };
        assert_ne!(hash(&[Some("ab"), Some("c")]), hash(&[Some("a"), Some("bc")]));
        assert_ne!(hash(&[None]), hash(&[Some("")]));
    }
}
