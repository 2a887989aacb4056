//! The one way off the async threads: a bounded hop to the runtime's blocking pool.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Runs `work` on a blocking thread. For work on files, which the disk bounds; database work goes through
/// [`crate::db::Db`], password hashing through [`Gate`].
///
/// Dropping the future does not stop work that has begun: it must leave a sound state by itself.
///
/// # Errors
/// What `work` returns, or [`Error::Internal`] when it panicked.
pub async fn run<T, F>(work: F) -> Result<T>
where
    F: FnOnce() -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(Error::internal)?
}

/// A bound on how much of one kind of work runs at once. Waiters wait on the async side, where they cost
/// nothing, so that they never fill the blocking pool.
#[derive(Clone)]
pub struct Gate {
    places: Arc<Semaphore>,
    /// How long somebody waits for a place, and the answer after that; `None` is for as long as it takes.
    patience: Option<(Duration, fn() -> Error)>,
}

impl Gate {
    pub fn new(at_once: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(at_once)), patience: None }
    }

    /// The same, where nobody waits longer than `patience` for a place: the answer is `busy` then.
    pub fn within(self, patience: Duration, busy: fn() -> Error) -> Self {
        Self { patience: Some((patience, busy)), ..self }
    }

    /// Waits for a place, then runs `work` on a blocking thread. The place is given back when the work ends,
    /// not when the caller stops waiting for it.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce() -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.run_then(work, Ok).await
    }

    /// Runs `work` within the bound, gives the place back, and goes on with `then` on the same thread.
    pub async fn run_then<T, U, F, G>(&self, work: F, then: G) -> Result<U>
    where
        F: FnOnce() -> Result<T> + Send + 'static,
        G: FnOnce(T) -> Result<U> + Send + 'static,
        U: Send + 'static,
    {
        let place = self.place().await?;
        run(move || {
            let done = work()?;
            drop(place);
            then(done)
        })
        .await
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = match self.patience {
            Some((patience, busy)) => tokio::time::timeout(patience, place).await.map_err(|_| busy())?,
            None => place.await,
        };
        place.map_err(Error::internal)
    }
}
