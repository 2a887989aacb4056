//! `stillage sync`

use std::{sync::Arc, time::Duration};

use super::{Finding, app, bar, block_on};
use crate::{
    app::App,
    config::Config,
    domain::{access::Actor, storage},
    error::Result,
    jobs::Worker,
};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  stillage sync\n  stillage sync --wait")]
pub struct Args {
    /// Copy until no file waits any more, here and in a running server; exits 1 when copies were given up.
    #[arg(long)]
    wait: bool,
}

/// How often the backlog is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The jobs in hand get this long to end.
const STOP: Duration = Duration::from_secs(20);

pub fn run(config: Config, args: &Args) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let enqueued = block_on(storage::sync(&app, &Actor::console()))?;
    say!("{enqueued} copies to make");
    if !args.wait {
        return Ok(Finding::Good);
    }
    let left = block_on(wait(&app))?;
    if left == 0 {
        say!("every file has its copy in the bucket");
        return Ok(Finding::Good);
    }
    say!("{left} copies could not be made; the log says why");
    Ok(Finding::Bad)
}

/// Works on the backlog until only what was given up is left, and returns how much that is.
async fn wait(app: &Arc<App>) -> Result<i64> {
    let worker = Worker::start(app);
    let (actor, mut total, mut told) = (Actor::console(), 0, None);
    let bar = bar("{bar:40} {human_pos}/{human_len} copies {eta}");
    let left = loop {
        let backlog = storage::backlog(app, &actor).await?;
        total = total.max(backlog.pending);
        bar.set_length(total.unsigned_abs());
        bar.set_position((total - backlog.pending).unsigned_abs());
        if backlog.pending == 0 {
            break backlog.failed;
        }
        let trouble = app.cloud.as_ref().and_then(|cloud| cloud.trouble());
        if let Some(trouble) = trouble.as_ref().filter(|_| trouble != told) {
            bar.suspend(|| eprintln!("{trouble}"));
        }
        told = trouble;
        tokio::time::sleep(LOOK).await;
    };
    bar.finish_and_clear();
    worker.stop(STOP).await;
    Ok(left)
}
