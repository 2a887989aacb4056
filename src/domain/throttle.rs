//! Slows down guessing of passwords, codes and links, on all instances together.
//!
//! Attempts are counted by account *and* network together, so that a stranger cannot lock a person out of
//! their own account, and by network alone, so that one place cannot try many accounts. A browser that somebody of the
//! account signed in with before, and somebody who is signed in, have a count of their own, which nobody else adds to.
//! What turned out to be right is not counted, so that a factory behind one address signs in at the shift's start. The
//! counts are in the database: behind a balancer, an attempt elsewhere is an attempt.

use std::{net::IpAddr, time::Duration};

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    app::App,
    db,
    error::{Error, Result},
};

/// How many attempts may come at once, and after which time another one may.
#[derive(Clone, Copy, Debug)]
struct Quota {
    burst: i32,
    refill: TimeDelta,
}

/// Attempts at one account from one network.
const PER_ACCOUNT: Quota = Quota { burst: 10, refill: TimeDelta::seconds(6) };
/// Attempts from one network that did not turn out to be right.
const PER_NETWORK: Quota = Quota { burst: 100, refill: TimeDelta::milliseconds(600) };

/// An attempt that was let through, and what it was counted under.
#[derive(Debug)]
pub struct Attempt(Vec<(Vec<u8>, Quota)>);

impl Attempt {
    /// Takes it out of the counts: it was right, or nobody looked at it.
    pub async fn was_no_guess(self, app: &App) -> Result<()> {
        let now = app.clock.now();
        app.db
            .transaction(move |conn| {
                for (key, Quota { refill, .. }) in self.0 {
                    db::throttles::give_back(conn, &key, refill, now)?;
                }
                Ok(())
            })
            .await
    }
}

/// The verdict on a guess. Only a wrong one stays in the counts: not what is right, and not what nobody looked at, for
/// want of room.
pub async fn judged(app: &App, attempt: Option<Attempt>, verdict: Result<bool>) -> Result<bool> {
    if !matches!(verdict, Ok(false))
        && let Some(attempt) = attempt
    {
        attempt.was_no_guess(app).await?;
    }
    verdict
}

/// Counts an attempt at `account`, which names whatever is guessed at.
///
/// # Errors
/// [`Error::Throttled`] with the time until the next attempt is welcome.
pub async fn attempt(app: &App, account: &str, address: IpAddr) -> Result<Attempt> {
    let network = network_of(address);
    // The network's first, always: nobody waits for each other crosswise.
    let account = (format!("account {network} {account}"), PER_ACCOUNT);
    count(app, vec![(format!("network {network}"), PER_NETWORK), account]).await
}

/// Counts an attempt at what only `user`, signed in already, can try.
///
/// # Errors
/// As [`attempt`].
pub async fn own(app: &App, what: &str, user: Uuid) -> Result<Attempt> {
    count(app, vec![(format!("own {what} {user}"), PER_ACCOUNT)]).await
}

/// Counts an attempt at an account from a browser that is known to it.
///
/// # Errors
/// As [`attempt`].
pub async fn in_browser(app: &App, account: &str, browser: &str) -> Result<Attempt> {
    count(app, vec![(format!("browser {browser} {account}"), PER_ACCOUNT)]).await
}

/// Counts an attempt at whatever it is from a network.
///
/// # Errors
/// As [`attempt`].
pub async fn from_network(app: &App, address: IpAddr) -> Result<Attempt> {
    count(app, vec![(format!("network {}", network_of(address)), PER_NETWORK)]).await
}

/// Counts all or, when one of them is used up, none.
async fn count(app: &App, names: Vec<(String, Quota)>) -> Result<Attempt> {
    let now = app.clock.now();
    // Hashes, so that a long name costs no room.
    let counts = names.into_iter().map(|(name, quota)| (Sha256::digest(name).to_vec(), quota)).collect();
    app.db
        .transaction(move |conn| {
            let counts: Vec<(Vec<u8>, Quota)> = counts;
            for (key, Quota { burst, refill }) in &counts {
                if let Some(wait) = db::throttles::attempt(conn, key, *burst, *refill, now)? {
                    let retry_after = wait.to_std().unwrap_or(Duration::ZERO);
                    return Err(Error::Throttled { retry_after });
                }
            }
            Ok(Attempt(counts))
        })
        .await
}

/// One home or office has a whole IPv6 /64 to itself; addresses within it are one network.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_one_network() {
        let of = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9");
        assert_ne!(of("203.0.113.9"), of("203.0.113.10"));
    }
}
