//! `stillage restore`

use std::path::PathBuf;

use super::{Finding, backup::told, block_on, file_bar};
use crate::{app::open_database, config::Config, db::embedded::Owner, domain::backup};

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  UPLOAD_STORAGE_PATH=/srv/stillage stillage restore /mnt/backup/stillage\n\n\
                  The database and the upload folder must be empty. Every file's SHA-256 is verified on the way.\n\
                  All share links and API tokens end, and everybody signs in again."
)]
pub struct Args {
    /// The backup's folder.
    folder: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Config, args: &Args) -> anyhow::Result<Finding> {
    let (url, _private) = open_database(config, Owner::Command)?;
    let bar = file_bar()?;
    let shown = bar.clone();
    let report = block_on(backup::restore(
        &args.folder,
        url,
        config.upload_storage_path.clone(),
        move |done, total| {
            shown.set_length(total as u64);
            shown.set_position(done as u64);
        },
    ))?;
    bar.finish_and_clear();
    told(&report, args.json, "restored")
}
