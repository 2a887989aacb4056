//! `stillage cleanup`

use chrono::TimeDelta;

use super::{Finding, app, block_on};
use crate::{
    config::Config,
    domain::{
        access::Actor,
        orphans::{self, Part, Report, Wanted},
    },
};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  stillage cleanup\n  stillage cleanup --apply\n  \
                  stillage cleanup --apply --older-than 7 --expect 137\n\n\
                  Without --apply nothing is touched. What goes is moved to .trash/ in the storage first and stays \
                  there for TRASH_RETENTION_DAYS; previews, which can be made again, go at once. If it would be more \
                  than 20 files and more than 1 % of all, nothing goes unless --expect names the number. Files that \
                  Stillage did not publish are counted and never moved. Exits 2 when the storage is not there or is \
                  another one, and when it refused.")]
pub struct Args {
    /// Only say what would go; the default.
    #[arg(long, conflicts_with = "apply")]
    dry_run: bool,
    /// Move it aside.
    #[arg(long)]
    apply: bool,
    /// Only files at least so many days old; never less than an hour.
    #[arg(long, value_name = "DAYS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=36_500))]
    older_than: u32,
    /// Move aside exactly so many files, however many that are.
    #[arg(long, value_name = "NUMBER", requires = "apply")]
    expect: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(config: Config, args: &Args) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let wanted = Wanted {
        older_than: TimeDelta::days(args.older_than.into()),
        apply: args.apply,
        expect: args.expect,
    };
    let report = block_on(async { orphans::clean_up(&app, &Actor::console(), wanted).await })?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report);
    }
    Ok(Finding::Good)
}

fn tell(report: &Report) {
    let line = |part: &Part, what: &str| {
        say!("{:>9} {what}, {} bytes", part.files, part.bytes);
        for name in &part.names {
            say!("          {name}");
        }
        if part.files > part.names.len() {
            say!("          and {} more", part.files - part.names.len());
        }
    };
    line(&report.published, "published files without a row");
    line(&report.staged, "files of uploads that are over");
    say!("{:>9} folders of previews without a file", report.previews);
    line(&report.objects, "objects of the bucket without a row");
    if let Some(trouble) = &report.bucket_trouble {
        say!("          the bucket could not be looked through: {trouble}");
    }
    if report.aside.files + report.over.files > 0 {
        line(&report.aside, "files in .trash/ that still wait there");
        line(&report.over, "files in .trash/ that go for good within the hour");
    }
    if report.wanted_back.files > 0 {
        line(&report.wanted_back, "files in .trash/ that a row misses: put them back into batches/");
    }
    say!("{:>9} files to import: not published by Stillage, left where they are", report.to_import);
    say!("{:>9} rows without their file", report.rows_without_file);
    let going = report.going();
    if report.applied {
        say!("Moved {} of {going} aside.", report.moved);
    } else if report.is_too_much() {
        say!(
            "{going} would go with --apply --expect {going}. That is much of {}: is this the right storage?",
            report.known
        );
    } else if going > 0 {
        say!("Nothing was touched. {going} would go with --apply.");
    } else {
        say!("There is nothing to clean up.");
    }
}
