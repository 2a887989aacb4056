//! How much may be under way at once: uploads, archives, downloads by share links. Nobody fills memory and the disk's
//! queue for all others, and one person, link or network does not take all the places that there are.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use crate::error::{Error, Result};

/// When a refused caller may come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// For whom a place is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Taker {
    User(Uuid),
    Link(Uuid),
    /// What one home or office has: an IPv4 address, or an IPv6 /64.
    Network(IpAddr),
}

/// What there are places for.
struct Kind {
    /// Places of everybody together.
    in_all: usize,
    /// Places of each taker.
    each: usize,
    /// What a taker is told who has all of theirs; `None`: the same as when all are taken, so that clients which begin
    /// again by themselves do.
    code: Option<&'static str>,
    message: &'static str,
}

/// Requests that upload. Of one person far more than a browser opens, enough for a script.
const UPLOADS: Kind = Kind {
    in_all: 512,
    each: 128,
    code: None,
    message: "Too many uploads are under way. Yours can start again in a moment.",
};
/// Archives on their way out: each reads whole files for as long as its client takes.
const ARCHIVES: Kind = Kind {
    in_all: 64,
    each: 16,
    code: Some("too_many_archives"),
    message: "Too many ZIPs are on their way. Try again when one of them has come.",
};
/// Files on their way out to visitors. A link that was sent to a whole department is no attack.
const VISITS: Kind = Kind {
    in_all: 512,
    each: 64,
    code: Some("too_many_downloads"),
    message: "Too many files are on their way by this link. Try again when some of them have come.",
};

/// The places, shared by all workers of this process.
pub struct Slots {
    pub uploads: Pool,
    pub archives: Pool,
    pub visits: Pool,
}

impl Default for Slots {
    fn default() -> Self {
        Self { uploads: Pool::of(&UPLOADS), archives: Pool::of(&ARCHIVES), visits: Pool::of(&VISITS) }
    }
}

/// The places of one kind.
#[derive(Clone)]
pub struct Pool {
    kind: &'static Kind,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by: HashMap<Taker, usize>,
}

/// A place; dropping it gives it back.
pub struct Slot {
    pool: Pool,
    takers: Vec<Taker>,
}

impl Pool {
    fn of(kind: &'static Kind) -> Self {
        Self { kind, taken: Arc::default() }
    }

    /// Takes one place, which counts for each of the takers.
    ///
    /// # Errors
    /// [`Error::TooMany`] when one of them has all that are theirs, [`Error::Unavailable`] when all are taken; of uploads
    /// always the latter.
    pub fn take(&self, takers: &[Taker]) -> Result<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Kind { in_all, each, code, message } = *self.kind;
        let has_all_of_theirs = takers.iter().any(|taker| taken.by.get(taker).is_some_and(|&n| n >= each));
        if has_all_of_theirs && let Some(code) = code {
            return Err(Error::TooMany { code, message: message.into(), retry_after: RETRY_AFTER });
        }
        if has_all_of_theirs || taken.in_all >= in_all {
            return Err(Error::Unavailable { message: message.into(), retry_after: RETRY_AFTER });
        }
        taken.in_all += 1;
        for taker in takers {
            *taken.by.entry(*taker).or_default() += 1;
        }
        Ok(Slot { pool: self.clone(), takers: takers.to_vec() })
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).in_all
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.pool.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all -= 1;
        for taker in &self.takers {
            if let Some(count) = taken.by.get_mut(taker) {
                *count -= 1;
                if *count == 0 {
                    taken.by.remove(taker);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: usize) -> Taker {
        Taker::User(Uuid::from_u128(n as u128))
    }

    #[test]
    fn one_person_cannot_take_all_places() {
        for pool in [Slots::default().uploads, Slots::default().archives, Slots::default().visits] {
            let (greedy, other) = (user(1), user(2));
            let held: Vec<Slot> = (0..pool.kind.each).map(|_| pool.take(&[greedy]).unwrap()).collect();
            assert!(pool.take(&[greedy]).is_err());
            assert!(pool.take(&[other]).is_ok());
            drop(held);
            assert_eq!(pool.taken(), 0);
            assert!(pool.take(&[greedy]).is_ok());
        }
    }

    #[test]
    fn all_together_are_bounded() {
        for pool in [Slots::default().uploads, Slots::default().archives, Slots::default().visits] {
            let held: Vec<Slot> = (0..pool.kind.in_all).map(|n| pool.take(&[user(n)]).unwrap()).collect();
            assert!(matches!(pool.take(&[user(1000)]), Err(Error::Unavailable { .. })));
            drop(held);
        }
    }

    #[test]
    fn a_place_counts_for_each_of_its_takers() {
        let pool = Slots::default().archives;
        let (link, network) = (Taker::Link(Uuid::nil()), Taker::Network([10, 0, 0, 1].into()));
        let held: Vec<Slot> = (0..16).map(|_| pool.take(&[link, network]).unwrap()).collect();
        assert_eq!(pool.taken(), 16);
        for takers in [[link, user(1)], [user(2), network]] {
            assert!(pool.take(&takers).is_err());
        }
        drop(held);
        // What was refused left nothing behind.
        assert_eq!(pool.taken.lock().unwrap().by.len(), 0);
    }
}
