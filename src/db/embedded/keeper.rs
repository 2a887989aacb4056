//! The keeper: one thread that starts PostgreSQL, revives it, and stops it or leaves it to others.
//!
//! It must be one thread for as long as the database is used: the kernel sends the death signal
//! when the thread that forked ends, not the process.
//!
//! Whoever uses the cluster has a keeper, the server and each command. At any time one of them
//! holds the keeper's lock and with it the care of the postmaster; when it leaves, another one's
//! keeper finds the lock free and carries on:
//!
//! - A command that ends leaves the postmaster to those who still use it; the last one out stops
//!   it.
//! - A server that starts beside a command uses what runs, and its keeper takes over when the
//!   command ends.
//! - A server that ends stops what it cares for, since the kernel would do so anyhow; the keeper of
//!   a command that ran beside it then starts it again for itself.

use std::{path::PathBuf, time::Duration};

use nix::sys::signal::Signal;

use super::{
    Options, Owner, cluster,
    error::Error,
    lock::Lock,
    patience::{Orders, Patience, called_off},
    place::Place,
    postmaster::{Postmaster, Running, clear_stale, trim_log},
    programs::Programs,
};

/// How soon a death, or a lock that came free, is noticed.
const TICK: Duration = Duration::from_millis(100);
/// Between attempts to revive it: doubled each time until one lasts for `CALM`.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const CALM: Duration = Duration::from_mins(1);
/// For how many polls one that we did not spawn must be ready: it may have its death signal
/// underway.
const STEADY: u32 = 5;

pub struct Keeper {
    place: Place,
    settings: Vec<(String, String)>,
    owner: Owner,
    /// That of the cluster in use: clients were told so, and it stays when the postmaster is
    /// replaced.
    socket_folder: Option<PathBuf>,
    postmaster: Option<Postmaster>,
    pause: Duration,
    /// The three locks of `lock`, dropped in this order.
    care: Option<Lock>,
    usage: Lock,
    _server: Option<Lock>,
}

impl Keeper {
    /// Returns, with the socket's folder, when the database can be used, whoever has started it.
    pub fn open(options: Options, owner: Owner, orders: &Orders) -> Result<(Self, PathBuf), Error> {
        let place = Place::find(&options.data_path)?;
        let patience = Patience::new(orders, place.log());
        let server = match owner {
            Owner::Server => Some(only_server(&place)?),
            Owner::Command => None,
        };
        let usage = loop {
            match Lock::try_shared(&place.users_lock())? {
                Some(lock) => break lock,
                // The last one out holds it, stopping the database.
                None => patience.pause()?,
            }
        };
        let mut keeper = Self {
            place,
            settings: options.settings,
            owner,
            socket_folder: None,
            postmaster: None,
            pause: SHORTEST_PAUSE,
            care: None,
            usage,
            _server: server,
        };
        let socket_folder = loop {
            if keeper.cares()? {
                break keeper.bring_up(&patience)?;
            }
            if let Some(running) = keeper.running_well()? {
                break running.socket_folder;
            }
            patience.pause()?;
        };
        keeper.socket_folder = Some(socket_folder.clone());
        keeper.place.share()?;
        Ok((keeper, socket_folder))
    }

    /// Until called off.
    pub fn keep(&mut self, orders: &Orders) {
        let mut wait = TICK;
        while !called_off(orders, wait) {
            wait = self.look_after(orders);
        }
    }

    /// One round; returns when to look again.
    fn look_after(&mut self, orders: &Orders) -> Duration {
        match self.cares() {
            Ok(true) => {}
            Ok(false) => return TICK,
            Err(error) => {
                tracing::error!(%error, "could not tell who cares for PostgreSQL");
                return self.longer_pause();
            }
        }
        if let Some(postmaster) = &mut self.postmaster {
            if postmaster.alive() {
                trim_log(&self.place.log());
                return TICK;
            }
            tracing::error!(pid = %postmaster.pid(), "PostgreSQL died; starting it again");
            if postmaster.age() > CALM {
                self.pause = SHORTEST_PAUSE;
            }
            self.postmaster = None;
            return self.longer_pause();
        }
        match self.bring_up(&Patience::new(orders, self.place.log())) {
            Ok(_) | Err(Error::CalledOff) => TICK,
            Err(error) => {
                tracing::error!(%error, "could not start PostgreSQL; trying again");
                self.longer_pause()
            }
        }
    }

    fn longer_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// Whether the postmaster is in our care, taking the care of it if nobody has it.
    fn cares(&mut self) -> Result<bool, Error> {
        if self.care.is_none() {
            self.care = Lock::try_exclusive(&self.place.keeper_lock())?;
        }
        Ok(self.care.is_some())
    }

    /// Adopts what runs well, waits for what starts or stops, or else starts it. Returns the
    /// socket's folder.
    fn bring_up(&mut self, patience: &Patience<'_>) -> Result<PathBuf, Error> {
        loop {
            let Some(running) = Running::find(&self.place)? else {
                match self.spawn(patience)? {
                    Some(socket_folder) => return Ok(socket_folder),
                    None => patience.pause()?,
                }
                continue;
            };
            if self.is_steady(&running, patience)? {
                let socket_folder = running.socket_folder.clone();
                self.postmaster = Some(Postmaster::adopt(running));
                return Ok(socket_folder);
            }
            patience.pause()?;
        }
    }

    /// `None` when it is worth another attempt.
    fn spawn(&mut self, patience: &Patience<'_>) -> Result<Option<PathBuf>, Error> {
        let account = self.place.account.as_ref();
        let version = cluster::version(&self.place)?;
        let programs = Programs::find(version, &self.place.cluster(), account)?;
        if version.is_none() {
            cluster::create(&self.place, &programs, &self.settings)?;
        }
        self.place.remember()?;
        let socket_folder = self.place.socket_folder(self.socket_folder.as_deref())?;
        clear_stale(&self.place, &socket_folder)?;
        let death = match self.owner {
            Owner::Server => Some(Signal::SIGINT),
            Owner::Command => None,
        };
        let spawned =
            Postmaster::spawn(&self.place, &programs, &self.settings, &socket_folder, death, patience)?;
        self.postmaster = spawned;
        Ok(self.postmaster.is_some().then_some(socket_folder))
    }

    fn running_well(&self) -> Result<Option<Running>, Error> {
        Ok(Running::find(&self.place)?.filter(Running::ready))
    }

    fn is_steady(&self, running: &Running, patience: &Patience<'_>) -> Result<bool, Error> {
        for _ in 0..STEADY {
            if self.running_well()?.is_none_or(|now| now.pid != running.pid) {
                return Ok(false);
            }
            patience.pause()?;
        }
        Ok(true)
    }

    /// Stops the postmaster, or leaves it to those who still use it.
    pub fn close(self) {
        let Self { place, owner, mut postmaster, care, usage, _server, .. } = self;
        if owner == Owner::Server && care.is_some() {
            stop(&place, postmaster.take());
        }
        drop(care);
        drop(usage);
        match Lock::try_exclusive(&place.users_lock()) {
            Ok(Some(_alone)) => match Lock::try_exclusive(&place.keeper_lock()) {
                Ok(Some(_care)) => stop(&place, postmaster),
                Ok(None) => tracing::warn!("PostgreSQL is left to one who has not said so"),
                Err(error) => tracing::error!(%error, "PostgreSQL is left running"),
            },
            Ok(None) => tracing::debug!("PostgreSQL is left running for others who use it"),
            Err(error) => tracing::error!(%error, "PostgreSQL is left running"),
        }
    }
}

/// Stops ours, or what another one has started meanwhile.
fn stop(place: &Place, postmaster: Option<Postmaster>) {
    if let Some(mut postmaster) = postmaster {
        postmaster.stop();
    }
    match Running::find(place) {
        Ok(Some(running)) => Postmaster::adopt(running).stop(),
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "PostgreSQL is left running"),
    }
}

fn only_server(place: &Place) -> Result<Lock, Error> {
    let path = place.server_lock();
    let Some(mut lock) = Lock::try_exclusive(&path)? else {
        return Err(Error::ServerRuns {
            pid: Lock::signature(&path),
            data_path: place.data_path().to_owned(),
        });
    };
    lock.sign();
    Ok(lock)
}
