//! `stillage backup`

use std::path::PathBuf;

use super::{Finding, app, block_on, file_bar};
use crate::{
    app::open_database,
    config::Config,
    db::embedded::Owner,
    domain::{
        access::Actor,
        backup::{self, Report},
    },
};

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  stillage backup /mnt/backup/stillage\n  stillage backup check /mnt/backup/stillage\n\n\
                  A second backup into the same folder copies only files that are new. Exits 1 when the store could \
                  not give a file whole, or when what was checked does not hold."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The folder; made if it is not there.
    #[arg(required = true)]
    folder: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prove a backup: read every byte, compare every SHA-256, load the rows and take them back again.
    #[command(after_help = "Example:\n  stillage backup check /mnt/backup/stillage")]
    Check {
        /// The folder of the backup.
        folder: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Only the files: no database is needed.
        #[arg(long)]
        files_only: bool,
    },
}

pub fn run(config: Config, args: Args) -> anyhow::Result<Finding> {
    let bar = file_bar()?;
    let shown = bar.clone();
    let progress = move |done: usize, total: usize| {
        shown.set_length(total as u64);
        shown.set_position(done as u64);
    };
    let (report, json, done) = match args {
        Args { command: Some(Command::Check { folder, json, files_only }), .. } => {
            let database = if files_only { None } else { Some(open_database(&config, Owner::Command)?) };
            let url = database.as_ref().map(|(url, _)| url.clone());
            (block_on(backup::check(&folder, url, progress))?, json, "sound")
        }
        Args { folder: Some(folder), json, .. } => {
            let app = app(config)?;
            (
                block_on(async { backup::make(&app, &Actor::console(), &folder, progress).await })?,
                json,
                "backed up",
            )
        }
        Args { folder: None, .. } => anyhow::bail!("name the backup's folder"),
    };
    bar.finish_and_clear();
    told(&report, json, done)
}

/// Prints what a backup or restore came to.
pub(super) fn told(report: &Report, json: bool, done: &str) -> anyhow::Result<Finding> {
    if json {
        say!("{}", serde_json::to_string_pretty(report)?);
    } else {
        for problem in &report.problems {
            say!("{problem}");
        }
        let problems = match report.problems.len() {
            0 => "no problem".to_owned(),
            1 => "1 problem".to_owned(),
            many => format!("{many} problems"),
        };
        if let Some(ended) = &report.ended {
            say!(
                "ended so that nothing comes back that was revoked since the backup: {} share links, {} API tokens, \
                 every session and password link; passwords, roles and second factors are those of the backup",
                ended.shares,
                ended.tokens
            );
            say!(
                "accounts, passwords and roles are those of {}: disable again whoever was disabled since then",
                ended.as_of.to_rfc3339()
            );
        }
        say!(
            "{} files with {} bytes {done} ({} copied), {problems}",
            report.files,
            report.bytes,
            report.copied
        );
    }
    Ok(if report.problems.is_empty() { Finding::Good } else { Finding::Bad })
}
