//! `stillage config`

use serde_json::json;

use super::Finding;
use crate::config::Config;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  stillage config\n  stillage config --json | jq .MAX_UPLOAD_SIZE_MB.value"
)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Config, args: &Args) -> anyhow::Result<Finding> {
    if args.json {
        let entries: serde_json::Map<_, _> = config
            .entries()
            .iter()
            .map(|entry| {
                let from = if entry.from_environment { "environment" } else { "default" };
                (entry.name.to_owned(), json!({ "value": entry.value, "from": from }))
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&entries)?);
        return Ok(Finding::Good);
    }
    let width = config.entries().iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    for entry in config.entries() {
        let from = if entry.from_environment { "" } else { "  (default)" };
        say!("{:width$}  {}{from}", entry.name, entry.value);
    }
    Ok(Finding::Good)
}
