//! One `fsync` of a directory for all who renamed something into it meanwhile.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{Condvar, Mutex, PoisonError},
};

/// A directory whose entries are made durable in groups: while one `fsync` runs, later callers gather and
/// share the next.
pub struct DirSync {
    path: PathBuf,
    rounds: Mutex<Rounds>,
    done: Condvar,
}

#[derive(Default)]
struct Rounds {
    /// The round that a new caller joins.
    gathering: u64,
    /// The round that is on its way to the disk, if one is.
    running: bool,
    /// Rounds below this one are over; the last failure says up to where they failed.
    finished: u64,
    failed: Option<(u64, io::ErrorKind)>,
}

impl DirSync {
    pub fn new(path: PathBuf) -> Self {
        Self { path, rounds: Mutex::default(), done: Condvar::new() }
    }

    /// Returns when everything that was in the directory at the call is durable.
    ///
    /// # Errors
    /// The directory cannot be opened or `fsync` failed: nothing may be promised, and the same `fsync` must
    /// not be tried again, for the kernel may have dropped the dirty pages.
    pub fn sync(&self) -> io::Result<()> {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = rounds.gathering;
        loop {
            if rounds.finished > mine {
                return match rounds.failed {
                    // A later failure may have taken the place of this round's: who comes late learns no better.
                    Some((round, kind)) if round >= mine => Err(kind.into()),
                    _ => Ok(()),
                };
            }
            if rounds.running {
                rounds = self.done.wait(rounds).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            rounds.running = true;
            rounds.gathering = mine + 1;
            drop(rounds);
            let result = File::open(&self.path).and_then(|dir| dir.sync_all());
            rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            rounds.running = false;
            rounds.finished = mine + 1;
            if let Err(error) = &result {
                rounds.failed = Some((mine, error.kind()));
            }
            self.done.notify_all();
            return result;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn many_at_once_all_return() {
        let dir = tempfile::tempdir().unwrap();
        let sync = Arc::new(DirSync::new(dir.path().to_owned()));
        let threads: Vec<_> = (0..32)
            .map(|_| {
                let sync = Arc::clone(&sync);
                std::thread::spawn(move || (0..20).all(|_| sync.sync().is_ok()))
            })
            .collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    }

    #[test]
    fn a_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let sync = DirSync::new(dir.path().join("gone"));
        assert!(sync.sync().is_err());
    }
}
