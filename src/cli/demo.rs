//! `stillage demo`

use super::{Finding, app, block_on};
use crate::{
    config::Config,
    domain::{access::Actor, demo},
};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  stillage demo && stillage serve")]
pub struct Args {
    /// Add to a store that has batches already.
    #[arg(long)]
    force: bool,
    /// How many batches to make.
    #[arg(long, default_value_t = demo::Size::default().batches)]
    batches: usize,
}

pub fn run(config: Config, args: &Args) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let password = format!("demo-{}", hex::encode(rand::random::<[u8; 8]>()));
    let size = demo::Size { batches: args.batches, ..demo::Size::default() };
    let bar = indicatif::ProgressBar::new(1000);
    bar.set_style(indicatif::ProgressStyle::with_template("{bar:40} {percent} % {eta}")?);
    let progress = |share: f64| bar.set_position((share * 1000.0) as u64);
    block_on(demo::fill(&app, &Actor::console(), &password.clone().into(), size, args.force, progress))?;
    bar.finish_and_clear();
    say!("Made {} batches. Sign in as one of these with the password {password}", args.batches);
    for person in demo::PEOPLE {
        say!("  {:<18} {}", person.username, person.role);
    }
    say!("Whoever was there before keeps their password.");
    Ok(Finding::Good)
}
