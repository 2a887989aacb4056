//! How much may be under way at once, in all and for each person, link and network. A permit is taken before the work
//! begins and given back when it ends.
//!
//! Permits are shared fairly by a dynamic threshold (Choudhury and Hahne, IEEE/ACM ToN 6, 1998): nobody holds more
//! permits of a limit than are still free, and nobody more than a quarter. So several greedy people leave some to those
//! who come next. A sixteenth is kept for admins.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use super::access::{Actor, Role};
use crate::error::{Error, Result};

/// When a refused caller may try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// One permit in so many is kept for admins.
const ADMIN_RESERVE: usize = 16;
/// Nobody gets more than one permit in so many.
const SHARE: usize = 4;

/// Whom a permit counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKey {
    User(Uuid),
    /// A user who may take the last permits, which are kept for admins.
    Admin(Uuid),
    Link(Uuid),
    /// What one home or office has: an IPv4 address, or an IPv6 /64.
    Network(IpAddr),
}

impl LimitKey {
    /// The key of an account; `None` for the console and for visitors.
    pub fn of(actor: &Actor) -> Option<Self> {
        let id = actor.id()?;
        Some(if actor.role == Role::Admin { Self::Admin(id) } else { Self::User(id) })
    }
}

/// What a limit bounds, and what a refused caller reads.
struct Kind {
    /// Permits of one key at most, however many are free.
    per_key: usize,
    /// The code for a caller who has their share; `None`: the same as when none is free, so that clients which try
    /// again by themselves do.
    code: Option<&'static str>,
    message: &'static str,
}

/// Requests of people who are signed in, until their answers are delivered.
const REQUESTS: Kind = Kind {
    per_key: 256,
    code: None,
    message: "Too many of your requests are under way. Try again in a moment.",
};
/// Requests that upload. For one person far more than a browser opens, enough for a script.
const UPLOADS: Kind = Kind {
    per_key: 128,
    code: None,
    message: "Too many uploads are under way. Yours can start again in a moment.",
};
/// Files and pages of documents being sent to people who are signed in. Not thumbnails: a page of them is asked for at
/// once through a proxy that speaks HTTP/2.
const DOWNLOADS: Kind = Kind {
    per_key: 64,
    code: None,
    message: "Too many files are being sent to you. Try again when some of them have arrived.",
};
/// Archives being sent: each reads whole files for as long as its client takes.
const ARCHIVES: Kind = Kind {
    per_key: 16,
    code: Some("too_many_archives"),
    message: "Too many ZIPs are on their way. Try again when one of them has come.",
};
/// Files being sent to visitors. A link that was sent to a whole department is no attack.
const VISITS: Kind = Kind {
    per_key: 64,
    code: Some("too_many_downloads"),
    message: "Too many files are on their way by this link. Try again when some of them have come.",
};

/// How many connections and permits the process can afford. Derived from the number of file descriptors it may open:
/// every connection takes one, every transfer up to two more (its file, and the scanner's connection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Connections that are accepted; beyond these, new ones wait in the kernel's backlog.
    pub connections: usize,
    /// From here on, a new connection ends the one that is least worth keeping.
    pub comfortable_connections: usize,
    pub requests: usize,
    pub uploads: usize,
    pub downloads: usize,
    pub archives: usize,
    pub visits: usize,
}

impl Capacity {
    /// Descriptors that are open without any client: database, listener, workers, logs, background jobs.
    const BASE: u64 = 80;

    /// What `limit` descriptors are enough for.
    pub fn for_descriptors(limit: u64) -> Self {
        let spare = usize::try_from(limit.saturating_sub(Self::BASE)).unwrap_or(usize::MAX);
        let connections = (spare / 2).clamp(16, 8192);
        let requests = (spare / 6).clamp(4, 2048);
        Self {
            connections,
            comfortable_connections: connections * 4 / 5,
            requests,
            uploads: (requests * 3 / 4).min(512),
            downloads: (requests * 3 / 4).min(512),
            archives: (requests / 4).min(64),
            visits: (spare / 12).clamp(2, 512),
        }
    }
}

/// The limits of this process, shared by all its workers.
pub struct ConcurrencyLimits {
    pub capacity: Capacity,
    pub requests: Limit,
    pub uploads: Limit,
    pub downloads: Limit,
    pub archives: Limit,
    pub visits: Limit,
}

impl ConcurrencyLimits {
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            requests: Limit::new(&REQUESTS, capacity.requests),
            uploads: Limit::new(&UPLOADS, capacity.uploads),
            downloads: Limit::new(&DOWNLOADS, capacity.downloads),
            archives: Limit::new(&ARCHIVES, capacity.archives),
            visits: Limit::new(&VISITS, capacity.visits),
        }
    }
}

/// A number of permits.
#[derive(Clone)]
pub struct Limit {
    kind: &'static Kind,
    capacity: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    total: usize,
    by_key: HashMap<LimitKey, usize>,
}

/// One permit; dropping it gives it back.
pub struct Permit {
    limit: Limit,
    keys: Vec<LimitKey>,
}

impl Limit {
    fn new(kind: &'static Kind, capacity: usize) -> Self {
        Self { kind, capacity, held: Arc::default() }
    }

    /// Takes one permit, which counts for each of the keys.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none is free, and, for some limits [`Error::TooMany`] instead, when one of the keys
    /// has its share.
    pub fn acquire(&self, keys: &[LimitKey]) -> Result<Permit> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_admin = keys.iter().any(|key| matches!(key, LimitKey::Admin(_)));
        let reserve = if is_admin { 0 } else { self.capacity.div_ceil(ADMIN_RESERVE) };
        let free = self.capacity.saturating_sub(held.total + reserve);
        let share = free.min(self.kind.per_key).min(self.capacity.div_ceil(SHARE));
        let has_share = keys.iter().any(|key| held.by_key.get(key).is_some_and(|&count| count >= share));
        let Kind { code, message, .. } = *self.kind;
        if free == 0 || has_share {
            return Err(match code {
                Some(code) if free > 0 => {
                    Error::TooMany { code, message: message.into(), retry_after: RETRY_AFTER }
                }
                _ => Error::Unavailable { message: message.into(), retry_after: RETRY_AFTER },
            });
        }
        held.total += 1;
        for key in keys {
            *held.by_key.entry(*key).or_default() += 1;
        }
        Ok(Permit { limit: self.clone(), keys: keys.to_vec() })
    }

    /// How many permits are held.
    pub fn in_use(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.limit.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        for key in &self.keys {
            if let Some(count) = held.by_key.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    held.by_key.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: usize) -> LimitKey {
        LimitKey::User(Uuid::from_u128(n as u128))
    }

    /// As many permits as the key gets.
    fn take_all(limit: &Limit, key: LimitKey) -> Vec<Permit> {
        std::iter::from_fn(|| limit.acquire(&[key]).ok()).collect()
    }

    fn limits(descriptors: u64) -> [Limit; 5] {
        let all = ConcurrencyLimits::new(Capacity::for_descriptors(descriptors));
        [all.requests, all.uploads, all.downloads, all.archives, all.visits]
    }

    #[test]
    fn greedy_users_leave_room_for_newcomers() {
        for descriptors in [256, 1024, 65_536] {
            for limit in limits(descriptors) {
                // Each takes what it can, again and again.
                let mut held = Vec::new();
                for _ in 0..3 {
                    held.extend((0..4).flat_map(|n| take_all(&limit, user(n))));
                }
                let one = take_all(&limit, user(5));
                // Of the seven archives of the smallest server, each gets one or two.
                assert!(!one.is_empty() || limit.capacity == 7, "{descriptors}: {}", limit.kind.message);
                drop((held, one));
                assert_eq!(limit.in_use(), 0);
            }
        }
    }

    #[test]
    fn a_user_alone_gets_many_permits_but_not_all() {
        for limit in limits(65_536) {
            let held = take_all(&limit, user(1));
            assert_eq!(held.len(), limit.kind.per_key);
            assert!(limit.acquire(&[user(2)]).is_ok());
        }
    }

    #[test]
    fn the_last_permits_are_for_admins() {
        for limit in limits(1024) {
            let held: Vec<_> = (0..).map_while(|n| limit.acquire(&[user(n)]).ok()).collect();
            assert!(matches!(limit.acquire(&[user(9999)]), Err(Error::Unavailable { .. })));
            assert!(held.len() < limit.capacity);
            assert!(limit.acquire(&[LimitKey::Admin(Uuid::nil())]).is_ok());
        }
    }

    #[test]
    fn a_permit_counts_for_each_of_its_keys() {
        let [.., archives, _] = limits(65_536);
        let (link, network) = (LimitKey::Link(Uuid::nil()), LimitKey::Network([10, 0, 0, 1].into()));
        let held: Vec<Permit> = std::iter::from_fn(|| archives.acquire(&[link, network]).ok()).collect();
        assert_eq!(archives.in_use(), 16);
        for keys in [[link, user(1)], [user(2), network]] {
            assert!(matches!(archives.acquire(&keys), Err(Error::TooMany { .. })));
        }
        drop(held);
        // What was refused left nothing behind.
        assert_eq!(archives.held.lock().unwrap().by_key.len(), 0);
    }

    #[test]
    fn connections_and_transfers_fit_into_the_descriptors() {
        for descriptors in [200, 256, 1024, 4096, 1_048_576] {
            let it = Capacity::for_descriptors(descriptors);
            let transfers = it.requests + it.visits;
            assert!(it.connections + 2 * transfers <= (descriptors - Capacity::BASE) as usize, "{it:?}");
            assert!(transfers < it.comfortable_connections, "{it:?}: some stay for sign-in and health");
        }
    }
}
