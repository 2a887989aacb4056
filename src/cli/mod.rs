//! Commands: one file each. All read the same configuration and exit 0 on success, 1 when what they checked
//! does not hold, 2 when they were used wrongly or could not run.

#[macro_use]
mod out;

mod allocator;
mod audit;
mod backup;
mod bench_data;
mod cleanup;
mod config;
mod demo;
mod doctor;
mod health;
mod import;
mod migrate;
mod move_storage;
mod render;
mod rescan;
mod restore;
mod serve;
mod stats;
mod sync;
mod user;
mod verify;

use std::{process::ExitCode, sync::Arc};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{app::App, clock::Clock, config::Config, db::embedded::Owner, error::Error, telemetry};

/// Attachment storage for production batches.
///
/// Keeps the photos, certificates and signed PDFs of production batches and hands them back to those who may
/// see them. Settings come from the environment and a .env file; `stillage config` shows them.
#[derive(Parser)]
#[command(name = "stillage", version, after_help = "Example:\n  stillage serve")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    #[command(after_help = "Examples:\n  stillage serve\n  BIND_ADDRESS=0.0.0.0:8080 stillage serve")]
    Serve,
    /// Show the effective configuration, secrets hidden.
    Config(config::Args),
    /// Look for what is wrong with storage, database, scanner and addresses, and say what mends it.
    Doctor(doctor::Args),
    /// Ask the running server whether it can serve; exits 0 when it can, 1 when not.
    #[command(after_help = "Example:\n  stillage health || systemctl restart stillage")]
    Health,
    /// Bring the database up to date, or show its state.
    Migrate(migrate::Args),
    /// Manage accounts.
    #[command(
        subcommand,
        after_help = "Examples:\n  stillage user add ines --role staff\n  stillage user list"
    )]
    User(user::Command),
    /// The sealed trail of events.
    #[command(
        subcommand,
        after_help = "Examples:\n  stillage audit verify\n  stillage audit head >> /mnt/worm/stillage-heads.txt"
    )]
    Audit(audit::Command),
    /// Back up rows and files together, while the server runs or not.
    Backup(backup::Args),
    /// Find files without a living row, and move them aside.
    Cleanup(cleanup::Args),
    /// Bring a backup back into an empty place.
    Restore(restore::Args),
    /// Take over the files of an older system.
    Import(import::Args),
    /// What there is, how it grows and what it costs: the figures of the admin's overview.
    Stats(stats::Args),
    /// Fill an empty store with batches, photos and people to look at.
    Demo(demo::Args),
    /// Read copies again and check their SHA-256.
    Verify(verify::Args),
    /// Have stored files scanned for malware again and lock away what is bad.
    Rescan(rescan::Args),
    /// Copy to the bucket what has no copy there.
    Sync(sync::Args),
    /// Manage the homes of files.
    #[command(subcommand, after_help = "Example:\n  stillage storage move --to cloud --dry-run")]
    Storage(move_storage::Command),
    /// Add synthetic batches and small files, for measuring.
    BenchData(bench_data::Args),
}

/// What a command that ran found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Good,
    /// What was checked does not hold.
    Bad,
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    if let Some(media_type) = render::asked_for(arguments) {
        return crate::render::child::main(&media_type);
    }
    let Some(command) = Cli::parse().command else {
        return match Cli::command().print_long_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(2),
        };
    };
    allocator::tune();
    match run(command).and_then(out::all_said) {
        Ok(Finding::Good) => ExitCode::SUCCESS,
        Ok(Finding::Bad) => ExitCode::from(1),
        Err(error) => {
            eprintln!("stillage: {}", one_line(&error));
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<Finding> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    match command {
        Command::Serve => serve::run(config),
        Command::Config(args) => config::run(&config, &args),
        Command::Doctor(args) => doctor::run(config, &args),
        Command::Health => health::run(&config),
        Command::Migrate(args) => migrate::run(config, &args),
        Command::User(command) => user::run(config, command),
        Command::Audit(command) => audit::run(config, command),
        Command::Backup(args) => backup::run(config, args),
        Command::Cleanup(args) => cleanup::run(config, &args),
        Command::Restore(args) => restore::run(&config, &args),
        Command::Import(args) => import::run(config, args),
        Command::Stats(args) => stats::run(config, &args),
        Command::Demo(args) => demo::run(config, &args),
        Command::Verify(args) => verify::run(config, args),
        Command::Rescan(args) => rescan::run(config, args),
        Command::Sync(args) => sync::run(config, &args),
        Command::Storage(command) => move_storage::run(config, command),
        Command::BenchData(args) => bench_data::run(config, &args),
    }
}

/// The error with its causes, on one line.
fn one_line(error: &anyhow::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if causes.last().is_none_or(|last| !last.contains(&cause)) {
            causes.push(cause);
        }
    }
    causes.join(": ").replace('\n', " ")
}

/// A progress bar of unknown length; on anything but a terminal it shows nothing.
fn bar(template: &str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template(template);
    let bar = indicatif::ProgressBar::new(0);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The app for a command that ends.
fn app(config: Config) -> anyhow::Result<Arc<App>> {
    App::start(config, Owner::Command, Clock::default())
}

/// Runs a command's async part.
fn block_on<T>(work: impl Future<Output = crate::error::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(work).map_err(told)
}

/// Every problem of an input in one sentence, causes of internal errors.
fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Invalid(problems) => {
            anyhow::anyhow!(
                problems.iter().map(|problem| problem.message.as_ref()).collect::<Vec<_>>().join(" ")
            )
        }
        other => crate::app::with_cause(other),
    }
}

/// A bar that counts files; nothing where nobody watches.
fn file_bar() -> anyhow::Result<indicatif::ProgressBar> {
    let bar = indicatif::ProgressBar::new(0);
    bar.set_style(indicatif::ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} files {eta}")?);
    Ok(bar)
}
