//! Limits how fast passwords, codes and links can be guessed, on all instances together.
//!
//! An attempt counts under every key that applies: the account from this network, the account from anywhere, and the
//! network whatever the account. The narrow counts are used up first, so that a stranger in one network slows down nobody
//! elsewhere; the count of the account from anywhere bounds a guesser with many networks. That one alone can slow down
//! the owner too, on a device that is new to the account: it delays, it never locks (ASVS 5.0, 6.1.1 and 6.3.1), and a
//! known browser ([`super::browsers`]) and a signed-in user have counts of their own, to which nobody else adds.
//! A name without an account is counted like one with an account.
//!
//! Correct attempts are taken out of the counts again, so that a factory behind one address signs in at the start of
//! its shift. The counts are in the database: behind a balancer, an attempt elsewhere is an attempt.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

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

/// Attempts at one account from one network: an IPv4 address or an IPv6 /64, which is one home or office.
const PER_ACCOUNT: Quota = Quota { burst: 10, refill: TimeDelta::seconds(6) };
/// Attempts at one account from one IPv6 /48. One subscriber may hold that many networks, but some providers divide one
/// among thousands.
const PER_ACCOUNT_AND_BLOCK: Quota = Quota { burst: 20, refill: TimeDelta::seconds(6) };
/// Attempts at one account by browsers that are unknown to it, from all networks. A hundred is what NIST SP 800-63B
/// (3.2.2) allows in a row; after that 2,400 a day, which in ten years are not a thousandth of the guesses that the
/// weakest accepted password withstands ([`super::weak`]).
const PER_ACCOUNT_ANYWHERE: Quota = Quota { burst: 100, refill: TimeDelta::seconds(36) };
/// Attempts from one network that did not turn out to be right.
const PER_NETWORK: Quota = Quota { burst: 100, refill: TimeDelta::milliseconds(600) };
/// The same from one IPv6 /48.
const PER_BLOCK: Quota = Quota { burst: 300, refill: TimeDelta::milliseconds(200) };

/// What somebody can do who is delayed by the attempts of others. The same for every name, with an account or without.
pub const ADVICE: &str = "A browser in which you signed in before does not have to wait for others. Is it urgent? Ask an \
    admin for a link to choose a new password: the browser that opens it does not have to wait either.";

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
/// [`Error::Throttled`] with the time until the next attempt is accepted.
pub async fn attempt(app: &App, account: &str, address: IpAddr) -> Result<Attempt> {
    let mut keys = of_network(address);
    if let Some(block) = block_of(address) {
        keys.push((format!("account {block} {account}"), PER_ACCOUNT_AND_BLOCK));
    }
    keys.push((format!("account {} {account}", network_of(address)), PER_ACCOUNT));
    keys.push((format!("account {account}"), PER_ACCOUNT_ANYWHERE));
    count(app, keys).await
}

/// The counts of a network, whatever is guessed at.
fn of_network(address: IpAddr) -> Vec<(String, Quota)> {
    let block = block_of(address).map(|block| (format!("network {block}"), PER_BLOCK));
    block.into_iter().chain([(format!("network {}", network_of(address)), PER_NETWORK)]).collect()
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
    count(app, of_network(address)).await
}

/// Counts all or, when one of them is used up, none. Every caller gives the keys in the same order, the widest network
/// first, so that no two transactions wait for each other.
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
    match address.to_canonical() {
        IpAddr::V6(v6) => prefix(v6, 64),
        v4 => v4,
    }
}

/// The /48 of an IPv6 address, the largest block that one subscriber commonly has (RFC 6177); none for IPv4.
fn block_of(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        IpAddr::V6(v6) => Some(format!("{}/48", prefix(v6, 48))),
        IpAddr::V4(_) => None,
    }
}

fn prefix(address: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_within_a_64_are_one_network() {
        let of = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9");
        assert_ne!(of("203.0.113.9"), of("203.0.113.10"));
    }

    #[test]
    fn networks_within_a_48_are_one_block() {
        let of = |text: &str| block_of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::7").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:ffff::1"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        assert_eq!(of("203.0.113.9"), None);
        assert_eq!(of("::ffff:203.0.113.9"), None);
    }
}
