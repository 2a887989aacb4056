//! `stillage audit`

use std::io::ErrorKind;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use clap::Subcommand;

use super::{Finding, app, block_on, out};
use crate::{
    config::Config,
    domain::{
        access::Actor,
        audit::{export, verify},
    },
    error::Error,
};

#[derive(Subcommand)]
pub enum Command {
    /// Prove that no event was changed, removed or inserted; exits 1 and names it otherwise.
    #[command(
        after_help = "Examples:\n  stillage audit verify\n  stillage audit verify --head \"$(tail -n 1 stillage-heads.txt)\""
    )]
    Verify {
        /// A head that was written down earlier, its hash or its whole line: it must still be in the chain.
        #[arg(long, value_name = "HEAD", value_parser = head)]
        head: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the last seal, to be kept where nobody who runs the server can change it.
    #[command(after_help = "Example:\n  stillage audit head >> /mnt/worm/stillage-heads.txt")]
    Head {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print events as JSON, one to a line, oldest first.
    #[command(
        after_help = "Examples:\n  stillage audit export > trail.jsonl\n  stillage audit export --since 2026-01-01"
    )]
    Export {
        /// Only from this day or moment on (2026-01-31 or 2026-01-31T08:00:00Z, UTC).
        #[arg(long, value_parser = moment)]
        since: Option<DateTime<Utc>>,
    },
}

pub fn run(config: Config, command: Command) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let actor = Actor::console();
    match command {
        Command::Verify { head, json } => {
            let bar = indicatif::ProgressBar::new_spinner();
            bar.set_style(indicatif::ProgressStyle::with_template("{spinner} {human_pos} seals verified")?);
            let report = block_on(verify::verify(&app, &actor, head.as_deref(), |done| {
                bar.set_position(done as u64)
            }))?;
            bar.finish_and_clear();
            if json {
                say!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                for problem in &report.problems {
                    say!("{problem}");
                }
                say!(
                    "{} events under {} seals, {} waiting to be sealed; {}",
                    report.events,
                    report.seals,
                    report.unsealed,
                    if report.problems.is_empty() { "unchanged" } else { "CHANGED" }
                );
            }
            Ok(if report.problems.is_empty() { Finding::Good } else { Finding::Bad })
        }
        Command::Head { json } => {
            let head = block_on(verify::head(&app, &actor))?;
            match head {
                _ if json => say!("{}", serde_json::to_string(&head)?),
                Some(head) => say!("{} {} {}", head.seal, head.sealed_at.to_rfc3339(), head.hash),
                None => say!("nothing is sealed yet"),
            }
            Ok(Finding::Good)
        }
        Command::Export { since } => {
            let mut reader_left = false;
            let exported = block_on(export::export(&app, &actor, since, |event| {
                out::write(format_args!("{event}\n")).map_err(|error| {
                    reader_left = error.kind() == ErrorKind::BrokenPipe;
                    Error::internal(error)
                })
            }));
            if !reader_left {
                exported?;
            }
            Ok(Finding::Good)
        }
    }
}

fn head(text: &str) -> Result<String, String> {
    verify::head_of(text)
        .ok_or_else(|| "a head is 64 hex digits, or a line as `stillage audit head` prints it".to_owned())
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let day = text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let moment = day.or_else(|| DateTime::parse_from_rfc3339(text).ok().map(Into::into));
    // The database knows fewer years than can be written.
    moment
        .filter(|at| (1..=9999).contains(&at.year()))
        .ok_or_else(|| "a day such as 2026-01-31, or a moment such as 2026-01-31T08:00:00Z".to_owned())
}
