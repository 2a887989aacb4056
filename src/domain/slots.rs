//! How many uploads may be under way at once, so that nobody fills memory and disk queue for all others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use crate::error::{Error, Result};

/// Requests that upload, of everybody together.
const IN_ALL: usize = 512;
/// Requests that upload, of one person: far above what a browser opens, enough for a script.
const PER_USER: usize = 128;
/// When a refused caller may come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The places, shared by all workers of this process.
#[derive(Clone, Default)]
pub struct Slots(Arc<Mutex<HashMap<Uuid, usize>>>);

/// A place; dropping it gives it back.
pub struct Slot {
    slots: Slots,
    user: Uuid,
}

impl Slots {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a place for an upload of `user`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is none.
    pub fn take(&self, user: Uuid) -> Result<Slot> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = taken.get(&user).copied().unwrap_or(0);
        if of_user >= PER_USER || taken.values().sum::<usize>() >= IN_ALL {
            return Err(Error::Unavailable {
                message: "Too many uploads are under way. Yours can start again in a moment.".into(),
                retry_after: RETRY_AFTER,
            });
        }
        taken.insert(user, of_user + 1);
        Ok(Slot { slots: self.clone(), user })
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_user) = taken.get_mut(&self.user) {
            *of_user -= 1;
            if *of_user == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_cannot_take_all_places() {
        let slots = Slots::new();
        let (greedy, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let held: Vec<Slot> = (0..PER_USER).map(|_| slots.take(greedy).unwrap()).collect();
        assert!(matches!(slots.take(greedy), Err(Error::Unavailable { .. })));
        assert!(slots.take(other).is_ok());
        drop(held);
        assert_eq!(slots.taken(), 0);
        assert!(slots.take(greedy).is_ok());
    }

    #[test]
    fn all_together_are_bounded() {
        let slots = Slots::new();
        let held: Vec<Slot> =
            (0..IN_ALL).map(|n| slots.take(Uuid::from_u128(n as u128 / 100)).unwrap()).collect();
        assert!(slots.take(Uuid::from_u128(1000)).is_err());
        drop(held);
    }
}
