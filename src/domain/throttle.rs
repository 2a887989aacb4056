//! Slows down guessing of passwords.
//!
//! Attempts are counted by account *and* network together, so that a stranger cannot lock a person out of
//! their own account, and by network alone, so that one place cannot try many accounts.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Attempts at one account from one network: ten at once, then one in six seconds.
const PER_ACCOUNT_BURST: u32 = 10;
const PER_ACCOUNT_REFILL: Duration = Duration::from_secs(6);
/// Attempts from one network: a factory behind one address signs in at the shift's start.
const PER_NETWORK_BURST: u32 = 100;
const PER_NETWORK_REFILL: Duration = Duration::from_millis(600);
/// Above this many remembered keys, those that are full again are forgotten.
const KEYS_KEPT: usize = 10_000;

pub struct Throttle {
    by_account: DefaultKeyedRateLimiter<[u8; 32]>,
    by_network: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl Throttle {
    pub fn new() -> Self {
        Self {
            by_account: RateLimiter::keyed(quota(PER_ACCOUNT_BURST, PER_ACCOUNT_REFILL)),
            by_network: RateLimiter::keyed(quota(PER_NETWORK_BURST, PER_NETWORK_REFILL)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts an attempt to sign in.
    ///
    /// # Errors
    /// [`Error::Throttled`] with the time until the next attempt is welcome.
    pub fn attempt(&self, account: &str, address: IpAddr) -> Result<()> {
        let network = network_of(address);
        if self.by_account.len() + self.by_network.len() > KEYS_KEPT {
            self.by_account.retain_recent();
            self.by_network.retain_recent();
        }
        // Accounts are kept as hashes: a long name costs no memory.
        let key = Sha256::digest(format!("{network} {account}")).into();
        let network = self.by_network.check_key(&network);
        let account = self.by_account.check_key(&key);
        let wait = |refused: governor::NotUntil<_>| Error::Throttled {
            retry_after: refused.wait_time_from(self.clock.now()),
        };
        network.map_err(wait)?;
        account.map_err(wait)
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

/// One home or office has a whole IPv6 /64 to itself; addresses within it are one network.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        },
    }
}

fn quota(burst: u32, refill: Duration) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(refill).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slowed_but_a_stranger_locks_nobody_out() {
        let throttle = Throttle::new();
        let (stranger, owner) = ("203.0.113.9".parse().unwrap(), "198.51.100.7".parse().unwrap());
        for _ in 0..PER_ACCOUNT_BURST {
            throttle.attempt("ann", stranger).unwrap();
        }
        let refused = throttle.attempt("ann", stranger).unwrap_err();
        assert!(matches!(refused, Error::Throttled { retry_after } if retry_after <= PER_ACCOUNT_REFILL));
        throttle.attempt("ann", owner).unwrap();
        throttle.attempt("bob", stranger).unwrap();
    }

    #[test]
    fn a_network_is_bounded_over_all_accounts() {
        let throttle = Throttle::new();
        let refused = (0..300)
            .filter(|n| {
                let address = format!("2001:db8::{n:x}").parse().unwrap();
                throttle.attempt(&format!("user{n}"), address).is_err()
            })
            .count();
        assert!((150..=200).contains(&refused), "{refused}");
    }
}
