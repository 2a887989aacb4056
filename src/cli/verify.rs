//! `stillage verify`

use chrono::TimeDelta;

use super::{Finding, app, bar, block_on};
use crate::{
    config::Config,
    db,
    domain::copies::{self, Checked, Scope},
};

#[derive(clap::Args)]
#[command(
    after_help = "Reads the copies that were not read within SCRUB_EVERY_DAYS, unless told otherwise. Exits 0 when every \
                  copy is good (or was healed), 1 when one is not or could not be read.\n\n\
                  Examples:\n  stillage verify\n  stillage verify --all --heal\n  \
                  stillage verify --batch B-2026-0142 --json"
)]
pub struct Args {
    /// Read every copy.
    #[arg(long, conflicts_with = "batch")]
    all: bool,
    /// Read the copies of the batches with this number.
    #[arg(long, value_name = "NUMBER")]
    batch: Option<String>,
    /// Replace what is bad from a good copy.
    #[arg(long)]
    heal: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(config: Config, args: Args) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let scope = match args.batch {
        Some(number) => Scope::Batch(number),
        None if args.all => Scope::All,
        None => {
            let every = TimeDelta::from_std(app.config.scrub_every).unwrap_or(TimeDelta::MAX);
            Scope::Stale(app.clock.now() - every)
        }
    };
    let counted = scope.clone();
    let (files, bytes) = block_on(app.db.run(move |conn| db::copies::size_of(conn, &counted)))?;
    if files == 0 && matches!(scope, Scope::Batch(_)) {
        anyhow::bail!("there is no batch with this number, or it has no files");
    }
    let bar = bar("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    bar.set_length(bytes.unsigned_abs());
    let checked = block_on(copies::check(&app, scope, args.heal, |bytes| bar.inc(bytes)))?;
    bar.finish_and_clear();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&checked)?);
    } else {
        print(&checked, args.heal);
    }
    Ok(if checked.is_sound() { Finding::Good } else { Finding::Bad })
}

fn print(checked: &Checked, healing: bool) {
    for finding in &checked.findings {
        let why = finding.reason.as_deref().unwrap_or_default();
        let line = format!(
            "{:11}  {:5}  {}  {}  {why}",
            finding.state,
            finding.place.as_str(),
            finding.attachment,
            finding.filename
        );
        say!("{}", line.trim_end());
    }
    let Checked { files, copies, healed, missing, corrupt, unreachable, .. } = checked;
    say!(
        "{copies} copies of {files} files read: {healed} healed, {missing} missing, {corrupt} corrupt, {unreachable} not reachable"
    );
    if !healing && missing + corrupt > 0 {
        say!("stillage verify --heal replaces what is bad wherever another copy is good");
    }
}
