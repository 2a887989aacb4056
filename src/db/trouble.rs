//! Failures of PostgreSQL that pass, or that an operator ends: callers get 503 and a sentence, the log says what to do.

use diesel::result::{DatabaseErrorKind, Error as Cause};

use crate::error::Error;

/// Part of PostgreSQL's message, what callers read, and what the operator is to do. Diesel hands out no SQLSTATE; these
/// are parts of messages in PostgreSQL's own language and of the operating system's.
const KNOWN: [(&[&str], &str, &str); 4] = [
    (
        &["No space left on device", "could not extend file", "could not write to file"],
        "The database can store nothing right now: its disk is full. Nothing was stored; tell an admin.",
        "the disk of PostgreSQL is full; free space on it",
    ),
    (
        &["read-only transaction", "recovery is in progress"],
        "The database cannot be written to right now. Nothing was stored; tell an admin.",
        "PostgreSQL is read-only; is it a standby? Correct DATABASE_URL",
    ),
    (
        &["statement timeout", "lock timeout"],
        "The database takes too long to answer. Nothing was stored; try again in a moment.",
        "PostgreSQL is too slow; look at its load and at what holds locks (pg_stat_activity)",
    ),
    (
        &["out of shared memory", "out of memory", "too many clients", "remaining connection slots"],
        "The database has no room for this right now. Nothing was stored; try again in a moment.",
        "PostgreSQL is short of memory or connections; look at max_connections and at its memory",
    ),
];

/// [`Error::Unavailable`] for a trouble that is known, with a line in the log; any other error as it is.
pub fn explained(error: Error) -> Error {
    let Error::Internal(cause) = &error else { return error };
    let Some(Cause::DatabaseError(kind, told)) = cause.downcast_ref() else { return error };
    let message = told.message();
    let is_it = |words: &&(&[&str], &str, &str)| words.0.iter().any(|part| message.contains(part));
    let by_kind = matches!(kind, DatabaseErrorKind::ReadOnlyTransaction).then_some(&KNOWN[1]);
    match by_kind.or_else(|| KNOWN.iter().find(is_it)) {
        Some((_, for_callers, for_operators)) => {
            tracing::error!(postgres = message, "{for_operators}");
            Error::database_trouble(for_callers)
        }
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained_of(message: &str) -> Error {
        let cause = Cause::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
        explained(Error::from(cause))
    }

    #[test]
    fn what_passes_is_unavailable_and_the_rest_is_not() {
        let full = "could not extend file \"base/5/1\": No space left on device";
        for message in [
            full,
            "cannot execute INSERT in a read-only transaction",
            "canceling statement due to statement timeout",
        ] {
            let error = explained_of(message);
            assert!(matches!(error, Error::Unavailable { .. }), "{message}: {error:?}");
        }
        assert!(explained_of(full).to_string().contains("its disk is full"));
        assert!(matches!(explained_of("division by zero"), Error::Internal(_)));
    }
}
