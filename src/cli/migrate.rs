//! `stillage migrate`

use super::Finding;
use crate::{
    app::{open_database, with_cause},
    config::Config,
    db::{self, embedded::Owner},
};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  stillage migrate\n  stillage migrate --status")]
pub struct Args {
    /// Only show what is applied and what is pending; exits 1 while something is pending.
    #[arg(long)]
    status: bool,
}

pub fn run(config: Config, args: &Args) -> anyhow::Result<Finding> {
    let (url, _private) = open_database(&config, Owner::Command)?;
    if !args.status {
        let applied = db::migrate::run_at(&url).map_err(with_cause)?;
        say!("{applied} migrations applied; the database is up to date");
        return Ok(Finding::Good);
    }
    let mut conn = db::dedicated(&url).map_err(with_cause)?;
    let (applied, pending) = db::migrate::status(&mut conn).map_err(with_cause)?;
    for name in &applied {
        say!("applied  {name}");
    }
    for name in &pending {
        say!("pending  {name}");
    }
    Ok(if pending.is_empty() { Finding::Good } else { Finding::Bad })
}
