//! The fault suite: a server process under load, one fault at a time, and afterwards the same questions: is
//! everything that was acknowledged there, is nothing else visible, is nothing left over, does the server answer
//! again by itself.
//!
//! `cargo test --test faults [NAME…]` runs the faults whose names contain one of the words, in the short form.
//! `FAULTS=full` repeats them as often as docs/reliability.md says and writes the table there.

mod bucket;
mod clients;
mod clock;
mod database;
mod disk;
mod instances;
mod kill;
mod points;
mod power;
mod removed;
mod scanner;
mod support;

use std::{
    panic::AssertUnwindSafe,
    process::ExitCode,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use support::{Fault, Outcome, Row, Scale, report};

/// Faults that run at the same time.
const AT_ONCE: usize = 2;

/// Every family of faults, in the order of the table.
fn all() -> Vec<Fault> {
    [
        kill::faults(),
        points::faults(),
        power::faults(),
        disk::faults(),
        removed::faults(),
        database::faults(),
        bucket::faults(),
        scanner::faults(),
        clients::faults(),
        clock::faults(),
        instances::faults(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted =
        |fault: &Fault| words.is_empty() || words.iter().any(|word| fault.name.contains(word.as_str()));
    let faults: Vec<Fault> = all().into_iter().filter(wanted).collect();
    if std::env::args().any(|word| word == "--list") {
        faults.iter().for_each(|fault| println!("{}: test", fault.name));
        return ExitCode::SUCCESS;
    }

    support::prepare_mounts();
    let scale = Scale::chosen();
    println!("running {} faults ({scale:?})", faults.len());
    let waiting = Mutex::new(faults.iter().enumerate());
    let rows: Mutex<Vec<(usize, Row)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((at, fault)) = waiting.lock().unwrap().next() else { return };
                    let begun = Instant::now();
                    let row = run(fault, scale);
                    println!("{} ({:.1} s)", row.line(), begun.elapsed().as_secs_f32());
                    rows.lock().unwrap().push((at, row));
                }
            });
        }
    });
    support::site::remove_template();
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(at, _)| *at);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    println!("\n{}", report::table(&rows));
    if scale == Scale::Full {
        report::write(&rows);
    }
    let failed = rows.iter().filter(|row| matches!(row.outcome, Outcome::Failed(_))).count();
    println!("{} faults, {failed} failed", rows.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One fault on a runtime of its own; a panic is its failure.
fn run(fault: &Fault, scale: Scale) -> Row {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on((fault.run)(scale))));
    runtime.shutdown_timeout(Duration::from_secs(5));
    let row = caught.unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Row::failed(text.unwrap_or("a panic without words"))
    });
    row.named(fault.name)
}
