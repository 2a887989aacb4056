//! How passwords are kept: as Argon2id (RFC 9106) with OWASP's parameters. What is accepted as one is in
//! [`super::password_rules`].
//!
//! They are hashed and compared in one Unicode form, NFKC (UAX 15), as NIST SP 800-63B (3.1.1.2) recommends: the same
//! letter comes composed from one keyboard and decomposed from another, and a space or a digit in full width from a third.
//! OpaqueString (RFC 8265) uses NFC, which keeps those widths apart. ASCII is the same in every form.
//!
//! Each hash takes 19 MiB and a core. There are never more at once than there are cores, each in memory that is kept
//! and used again: allocated anew by whichever thread comes, it would stay with the allocator once for each thread.
//! Only so many wait; whoever comes after them is told to come back, so that a flood costs strangers time and nobody
//! memory.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::{
    blocking::Gate,
    error::{Error, Result},
};

/// Longest password in bytes, as typed: a bound on what one request may hash, far above any real one.
const MAX_BYTES: usize = 1024;

/// How many may wait for each place: about a second's work on a slow core.
const WAITING_PER_PLACE: usize = 32;
/// When who finds no room may come back.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A hash with the default parameters, whose password nobody knows.
pub(super) const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$YmVjYXVzZSBub2JvZHk$\
    2Qm0bQd5S5rGhXJrTzUJmYQ0k4kF0bZ0jz0y3rT6v4Y";

/// Hashes passwords, off the async threads.
#[derive(Clone)]
pub struct Passwords {
    gate: Gate,
    /// Room to work and to wait.
    room: Arc<Semaphore>,
    memory: Memory,
}

impl Passwords {
    pub fn new() -> Self {
        Self::with_places(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn with_places(places: usize) -> Self {
        Self {
            gate: Gate::new(places),
            room: Arc::new(Semaphore::new(places * (1 + WAITING_PER_PLACE))),
            memory: Memory::default(),
        }
    }

    /// The hash to keep, in PHC string format.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        self.run(move |memory| {
            let (params, salt) = (Params::DEFAULT, Salt::generate());
            let (algorithm, version) = (Algorithm::default(), Version::default());
            let output = digest(memory, &normalised(&password), &salt, (algorithm, version, params.clone()))?;
            let hash = PasswordHash {
                algorithm: algorithm.ident(),
                version: Some(version.into()),
                params: ParamsString::try_from(&params).map_err(broken)?,
                salt: Some(salt),
                hash: Some(output),
            };
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` is the one behind `hash`. Without a hash (no such user) the same work is done, so
    /// that the time tells nothing.
    ///
    /// Earlier versions hashed passwords as they were typed. So one that is not in NFKC counts as typed, too: that is
    /// twice the work, for known and unknown users alike, and at most that.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool> {
        self.run(move |memory| {
            let known = hash.is_some();
            let hash = PasswordHash::new(hash.as_deref().unwrap_or(NOBODYS_HASH)).map_err(broken)?;
            let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
                return Err(broken("no salt, or no hash"));
            };
            let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(broken)?;
            let version =
                hash.version.map(Version::try_from).transpose().map_err(broken)?.unwrap_or_default();
            let params = Params::try_from(&hash).map_err(broken)?;
            let normal = normalised(&password);
            let is_normal = normal.expose_secret() == password.expose_secret();
            let forms = if is_normal { vec![normal] } else { vec![normal, password] };
            let mut is_right = false;
            for form in forms {
                // Every form is hashed, and the comparison takes the same time for any two.
                is_right |= digest(memory, &form, salt, (algorithm, version, params.clone()))? == *expected;
            }
            Ok(is_right && known)
        })
        .await
    }

    async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&mut Vec<Block>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let _room = self.room.try_acquire().map_err(|_| Error::Unavailable {
            message: "Many people are signing in. Try again in a moment.".into(),
            retry_after: RETRY_AFTER,
        })?;
        let memory = self.memory.clone();
        self.gate.run(move || memory.with(work)).await
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// Memory to hash in that nobody uses at the moment. The gate lets in as many as there are places, so that there is
/// never more than one piece for each.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<Vec<Block>>>>);

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<Block>) -> T) -> T {
        let mut piece = self.free().pop().unwrap_or_default();
        let done = work(&mut piece);
        self.free().push(piece);
        done
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(
    memory: &mut Vec<Block>,
    password: &SecretString,
    salt: &Salt,
    (algorithm, version, params): (Algorithm, Version, Params),
) -> Result<Output> {
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let mut bytes = [0; Output::MAX_LENGTH];
    let out = bytes.get_mut(..length).ok_or_else(|| broken("its length"))?;
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password.expose_secret().as_bytes(), salt, out, memory)
        .map_err(broken)?;
    Output::new(out).map_err(broken)
}

fn broken(cause: impl std::fmt::Display) -> Error {
    Error::Internal(anyhow::anyhow!("a password cannot be hashed, or its stored hash is broken: {cause}"))
}

/// The form in which a password is hashed and its characters are counted.
pub(super) fn normalised(password: &SecretString) -> SecretString {
    password.expose_secret().nfkc().collect::<String>().into()
}

/// Whether a given password is short enough to be hashed at all.
pub(super) fn is_hashable(password: &SecretString) -> bool {
    password.expose_secret().len() <= MAX_BYTES
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        // The same work for somebody who is not there.
        let cost = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(&hash), cost(NOBODYS_HASH));
        assert!(passwords.verify("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse battery".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse battery".into(), None).await.unwrap());
        assert!(
            passwords.verify("x".into(), Some("$argon2id$v=19$m=19456,t=2,p=1".to_owned())).await.is_err()
        );
    }

    #[tokio::test]
    async fn hashes_are_those_of_the_library() {
        let passwords = Passwords::new();
        let ours = passwords.hash("correct horse battery".into()).await.unwrap();
        let hash = PasswordHash::new(&ours).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse battery", &hash).is_ok());
        // Other parameters than today's, and memory that others used before.
        let params = Params::new(1024, 3, 2, Some(24)).unwrap();
        let theirs = argon2::PasswordHasher::<PasswordHash>::hash_password(
            &Argon2::new(Algorithm::Argon2i, Version::V0x10, params),
            b"correct horse battery",
        )
        .unwrap()
        .to_string();
        assert!(passwords.verify("correct horse battery".into(), Some(theirs.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), Some(theirs)).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn memory_is_used_again_and_only_so_many_wait() {
        let passwords = Passwords::with_places(2);
        let many = (0..100).map(|_| passwords.verify("correct horse battery".into(), None));
        let answers = join_all(many).await;
        let refused =
            answers.iter().filter(|answer| matches!(answer, Err(Error::Unavailable { .. }))).count();
        assert_eq!(refused, 100 - 2 * (1 + WAITING_PER_PLACE), "no room");
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(false))).count(), 100 - refused);
        let free = passwords.memory.free();
        assert!((1..=2).contains(&free.len()), "{}", free.len());
        assert!(free.iter().all(|piece| piece.len() == Params::DEFAULT.block_count()));
    }

    #[tokio::test]
    async fn password_is_the_same_in_every_unicode_form() {
        let passwords = Passwords::new();
        // "Käse aus Südtirol 3" composed, decomposed, and with a wide space and digit.
        let forms = [
            "K\u{e4}se aus S\u{fc}dtirol 3",
            "Ka\u{308}se aus Su\u{308}dtirol 3",
            "K\u{e4}se\u{a0}aus\u{3000}S\u{fc}dtirol \u{ff13}",
        ];
        for stored in forms {
            let hash = passwords.hash(stored.into()).await.unwrap();
            for typed in forms {
                assert!(passwords.verify(typed.into(), Some(hash.clone())).await.unwrap(), "{typed:?}");
            }
            assert!(!passwords.verify("Kase aus Sudtirol 3".into(), Some(hash)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn hash_of_a_password_as_typed_still_counts() {
        let passwords = Passwords::new();
        let typed = "Ka\u{308}se aus Su\u{308}dtirol 3";
        let earlier =
            argon2::PasswordHasher::<PasswordHash>::hash_password(&Argon2::default(), typed.as_bytes())
                .unwrap()
                .to_string();
        assert!(passwords.verify(typed.into(), Some(earlier.clone())).await.unwrap());
        assert!(!passwords.verify("Kase aus Sudtirol 3".into(), Some(earlier)).await.unwrap());
        assert!(!passwords.verify(typed.into(), None).await.unwrap());
    }
}
