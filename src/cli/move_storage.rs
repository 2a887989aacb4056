//! `stillage storage move`

use std::ops::ControlFlow;

use super::{Finding, app, bar, block_on};
use crate::{
    config::Config,
    domain::{
        access::Actor,
        copies::{self, Move, Place},
    },
};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Give every file a verified copy in the cloud, or bring all files back.
    ///
    /// What is there already is left alone, so that a move can be broken off and taken up again; uploads may go
    /// on meanwhile. ATTACHMENT_STORAGE_MODE says where new files go: change it once the move is done.
    #[command(
        after_help = "Examples:\n  stillage storage move --to cloud --dry-run\n  stillage storage move --to cloud\n  \
                            stillage storage move --to cloud --evict\n  stillage storage move --to local"
    )]
    Move(Args),
}

#[derive(clap::Args)]
pub struct Args {
    /// cloud or local
    #[arg(long, value_parser = ["cloud", "local"])]
    to: String,
    /// Only count what would be done.
    #[arg(long)]
    dry_run: bool,
    /// With `--to cloud`: then remove local copies, each after its copy in the cloud was read and found good.
    #[arg(long)]
    evict: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(config: Config, command: Command) -> anyhow::Result<Finding> {
    let Command::Move(args) = command;
    let to = if args.to == "cloud" { Place::Cloud } else { Place::Local };
    let app = app(config)?;
    let what = Move { to, dry_run: args.dry_run, evict: args.evict };
    let bar = bar("{bar:40} {human_pos}/{human_len} files {eta} {msg}");
    let count = app.db.run(move |conn| crate::db::copies::count_lacking(conn, to.as_str()));
    bar.set_length(block_on(count)?.unsigned_abs());
    let moved = block_on(copies::relocate(&app, &Actor::console(), what, |name| {
        bar.set_message(name.to_owned());
        bar.inc(1);
        ControlFlow::Continue(())
    }))?;
    bar.finish_and_clear();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&moved)?);
    } else {
        for (name, why) in &moved.failed {
            say!("not moved  {name}: {why}");
        }
        let (verb, size) =
            (if args.dry_run { "to copy" } else { "copied" }, indicatif::HumanBytes(moved.bytes));
        say!(
            "{} files {verb} ({size}), {} local copies evicted, {} failed",
            moved.copied,
            moved.evicted,
            moved.failed.len()
        );
    }
    Ok(if moved.failed.is_empty() { Finding::Good } else { Finding::Bad })
}
