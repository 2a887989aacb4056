//! `stillage rescan`

use super::{Finding, app, bar, block_on};
use crate::{
    config::Config,
    domain::{
        access::Actor,
        quarantine::{self, Rescanned, Scope},
    },
};

#[derive(clap::Args)]
#[command(
    after_help = "Scans the files that no scanner has called clean, unless told otherwise; those in the trash too. What is \
                  bad is locked away: nobody can open it until an admin releases it on /admin/quarantine. Exits 0 when \
                  every file is clean, 1 when something was found or a file could not be scanned, 2 without a scanner.\n\n\
                  Examples:\n  stillage rescan\n  stillage rescan --all --json\n  stillage rescan --batch B-2026-0142"
)]
pub struct Args {
    /// Scan every file, also those that were clean.
    #[arg(long, conflicts_with = "batch")]
    all: bool,
    /// Scan every file of the batches with this number.
    #[arg(long, value_name = "NUMBER")]
    batch: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(config: Config, args: Args) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let scope = match args.batch {
        Some(number) => Scope::Batch(number),
        None if args.all => Scope::All,
        None => Scope::Unscanned,
    };
    let (files, bytes) = block_on(quarantine::size_of(&app, scope.clone()))?;
    if files == 0 && matches!(scope, Scope::Batch(_)) {
        anyhow::bail!("there is no batch with this number, or it has no files");
    }
    let bar = bar("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    bar.set_length(bytes.unsigned_abs());
    let seen = block_on(quarantine::rescan(&app, &Actor::console(), scope, |bytes| bar.inc(bytes)))?;
    bar.finish_and_clear();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&seen)?);
    } else {
        print(&seen);
    }
    Ok(if seen.is_clean() { Finding::Good } else { Finding::Bad })
}

fn print(seen: &Rescanned) {
    for finding in &seen.findings {
        // A name may hold what would steer a terminal.
        let name = finding.filename.escape_debug();
        say!("{:9}  {}  {name}  {}", finding.state, finding.attachment, finding.reason.escape_debug());
    }
    let Rescanned { files, clean, infected, unscanned, .. } = seen;
    say!("{files} files scanned: {clean} clean, {infected} locked away, {unscanned} without a verdict");
}
