//! `stillage import`

use std::path::PathBuf;

use super::{Finding, app, block_on, file_bar};
use crate::{
    config::Config,
    domain::{
        access::Actor,
        import::{self, Report, Wanted},
    },
};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  stillage import /srv/old/files --map files.csv --dry-run\n  stillage import /srv/old/files --map files.csv --site Hamburg\n\n\
                  The CSV has a header: stored_name,batch_number and, if known, original_filename, uploaded_at and \
                  uploaded_by. Files are hard-linked where they are on the storage's filesystem and copied elsewhere; \
                  the folder itself stays as it is. A second run takes up where the first one ended. Run it as the \
                  user of the server. Exits 1 when something could not be placed."
)]
pub struct Args {
    /// The folder with files named {uuid}_{name}; the storage's own batches folder does, too.
    folder: PathBuf,
    /// Which file belongs to which batch.
    #[arg(long, value_name = "CSV")]
    map: Option<PathBuf>,
    /// The site for batches that are made; the first one if it is not said.
    #[arg(long)]
    site: Option<String>,
    /// The account to name where the uploader has none here; the first admin if it is not said.
    #[arg(long = "as", value_name = "NAME")]
    account: Option<String>,
    /// Check everything, change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(config: Config, args: Args) -> anyhow::Result<Finding> {
    let app = app(config)?;
    let bar = file_bar()?;
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let Args { folder, map, site, account, dry_run, json } = args;
    let wanted = Wanted { folder, map, site, account, dry_run };
    let report = block_on(import::run(&app, &Actor::console(), wanted, progress))?;
    bar.finish_and_clear();
    if json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        say_part!("{}", as_text(&report));
    }
    Ok(if report.unplaced.is_empty() { Finding::Good } else { Finding::Bad })
}

fn as_text(report: &Report) -> String {
    let mut text = String::new();
    for note in &report.notes {
        text += &format!("note: {note}\n");
    }
    for unplaced in &report.unplaced {
        text += &format!("not placed: {}: {}\n", unplaced.name, unplaced.reason);
    }
    let did = if report.dry_run { "would be imported" } else { "imported" };
    let made = if report.dry_run { "to make" } else { "made" };
    text += &format!(
        "{} files with {} bytes {did}, {} already there, {} batches {made}, {} not placed\n",
        report.imported,
        report.bytes,
        report.already_there,
        report.batches_made,
        report.unplaced.len()
    );
    text
}
