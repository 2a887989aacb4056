//! `stillage bench-data`

use super::{Finding, app, block_on};
use crate::{
    config::Config,
    domain::{access::Actor, bench},
};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  stillage bench-data --attachments 1000000")]
pub struct Args {
    /// How many files to add, in batches of 20.
    #[arg(long)]
    attachments: usize,
}

pub fn run(config: Config, args: &Args) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let bar = indicatif::ProgressBar::new(args.attachments as u64);
    bar.set_style(indicatif::ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {eta}")?);
    block_on(bench::fill(&app, &Actor::console(), args.attachments, |done| bar.set_position(done as u64)))?;
    bar.finish_and_clear();
    say!("added {} files", args.attachments);
    Ok(Finding::Good)
}
