//! What commands print. Whoever reads it may stop at any time (`stillage audit export | head -1`): the rest then goes
//! nowhere, and the command does its work to the end as ever. Anything else that keeps a line from being written, such
//! as a full disk, is an error of the command.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    sync::Mutex,
};

/// The first thing that went wrong.
static TROUBLE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::out::print(format_args!("{}\n", format_args!($($words)*))) };
}

/// Prints what has its ends of lines already.
macro_rules! say_part {
    ($($words:tt)*) => { $crate::cli::out::print(format_args!($($words)*)) };
}

pub(super) fn print(words: fmt::Arguments<'_>) {
    if let Err(error) = write(words)
        && error.kind() != ErrorKind::BrokenPipe
        && let Ok(mut trouble) = TROUBLE.lock()
    {
        trouble.get_or_insert(error);
    }
}

/// For what has no end worth going to when nobody reads it any more.
///
/// # Errors
/// Of standard output; [`ErrorKind::BrokenPipe`] when its reader has gone.
pub(super) fn write(words: fmt::Arguments<'_>) -> io::Result<()> {
    io::stdout().lock().write_fmt(words)
}

/// What a command found, if all of it could be said.
pub(super) fn all_said<T>(found: T) -> anyhow::Result<T> {
    let flushed = io::stdout().lock().flush().err().filter(|error| error.kind() != ErrorKind::BrokenPipe);
    let trouble = TROUBLE.lock().ok().and_then(|mut trouble| trouble.take()).or(flushed);
    match trouble {
        Some(error) => Err(anyhow::Error::new(error).context("not everything could be printed")),
        None => Ok(found),
    }
}
