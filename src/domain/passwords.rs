//! What will do as a password, and how one is kept: Argon2id (RFC 9106) with OWASP's parameters.
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

use super::weak;
use crate::{
    blocking::Gate,
    error::{Error, FieldError, Result},
};

/// Least length of a password in characters (ASVS 5.0, 6.2.1 asks for 8 and recommends 15).
pub const MIN_CHARS: usize = 12;
/// Longest password in bytes: a bound on what one request may hash, far above any real one.
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
            let output = digest(memory, &password, &salt, (algorithm, version, params.clone()))?;
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
            // The comparison takes the same time for any two.
            Ok(digest(memory, &password, salt, (algorithm, version, params))? == *expected && known)
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

/// Checks a new password.
///
/// # Errors
/// What is wrong with it, for the field `password`.
pub fn check_new_password(password: &SecretString) -> Result<(), FieldError> {
    let password = password.expose_secret();
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        return Err(FieldError::new(
            "password",
            format!("{chars} characters. {MIN_CHARS} or more are needed; three words in a row do well."),
        ));
    }
    if password.len() > MAX_BYTES {
        return Err(FieldError::new("password", "The password is longer than 1,024 bytes."));
    }
    if weak::is_weak(password) {
        return Err(FieldError::new(
            "password",
            "This is one of the first that anybody would try. Three words that do not belong together do well.",
        ));
    }
    Ok(())
}

/// Whether a given password is short enough to be hashed at all.
pub(super) fn is_hashable(password: &SecretString) -> bool {
    password.expose_secret().len() <= MAX_BYTES
}

/// The same for somebody whose name is known: it is no secret.
///
/// # Errors
/// What is wrong with it, for the field `password`.
pub fn check_new_password_of(username: &str, password: &SecretString) -> Result<(), FieldError> {
    check_new_password(password)?;
    if weak::is_name(password.expose_secret(), username) {
        return Err(FieldError::new("password", "The user's name is no secret. Choose something else."));
    }
    Ok(())
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

    #[test]
    fn rules() {
        let check = |password: &str| check_new_password(&password.to_owned().into());
        assert!(check("elevenchars").is_err());
        assert!(check("twelve chars").is_ok());
        assert!(check("пароль длинный").is_ok());
        assert!(check(&"long and longer ".repeat(4)).is_ok());
        assert!(check("Password1234").is_err());
        assert!(check_new_password_of("ines", &"ines12345678".to_owned().into()).is_err());
        assert!(check(&"x".repeat(1025)).is_err());
    }
}
