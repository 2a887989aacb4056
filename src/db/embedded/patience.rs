//! Waiting that ends: by what is waited for, by a limit, or by being called off.

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use super::error::Error;

/// Long enough for crash recovery with the default `max_wal_size` on a slow disk.
const LIMIT: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(10);

/// Nothing is ever sent: that the other end is gone is the order to stop.
pub type Orders = Receiver<Infallible>;

pub struct Patience<'a> {
    orders: &'a Orders,
    until: Instant,
    /// For the message when it is over.
    log: PathBuf,
}

impl<'a> Patience<'a> {
    pub fn new(orders: &'a Orders, log: PathBuf) -> Self {
        Self { orders, until: Instant::now() + LIMIT, log }
    }

    /// Waits for one poll's length.
    pub fn pause(&self) -> Result<(), Error> {
        if Instant::now() >= self.until {
            return Err(Error::TooSlow { seconds: LIMIT.as_secs(), log: self.log.clone() });
        }
        if called_off(self.orders, POLL) {
            return Err(Error::CalledOff);
        }
        Ok(())
    }
}

/// Waits for so long, or until called off.
pub fn called_off(orders: &Orders, wait: Duration) -> bool {
    match orders.recv_timeout(wait) {
        Err(RecvTimeoutError::Timeout) => false,
        Err(RecvTimeoutError::Disconnected) => true,
        Ok(never) => match never {},
    }
}
