//! `stillage doctor`: does not start the app, since it is wanted most where that cannot start.

use std::{path::Path, sync::Arc};

use super::Finding as Outcome;
use crate::{
    app::open_database,
    clock::Clock,
    config::{Config, DatabaseSource},
    db::embedded::{Embedded, Owner},
    domain::doctor::{self, Area, Database, Level, Patient},
};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  stillage doctor\n  stillage doctor --deep\n  stillage doctor --json | jq '.findings[] | select(.level == \"failure\")'\n\n\
                  Run it as the user of the server, with its settings. Exits 0 when nothing failed (there may be \
                  warnings), 1 when something did, 2 when the settings cannot be read. It changes nothing."
)]
pub struct Args {
    /// Also open every file.
    #[arg(long)]
    deep: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(config: Config, args: &Args) -> anyhow::Result<Outcome> {
    let (database, _private) = database(&config);
    let patient = Patient {
        config: Arc::new(config),
        database,
        clock: Clock::default(),
        deep: args.deep,
        scanner: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let areas = runtime.block_on(doctor::examine(&patient));
    // A disk that hangs must not hold up the report.
    runtime.shutdown_background();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&as_json(&areas))?);
    } else {
        say_part!("{}", as_text(&areas));
    }
    Ok(if doctor::count(&areas, Level::Failure) == 0 { Outcome::Good } else { Outcome::Bad })
}

/// How to reach the database; one that was never made is not made for this.
fn database(config: &Config) -> (Database, Option<Embedded>) {
    let is_made =
        |folder: &Path| ["postgres", "postgres.place"].iter().any(|name| folder.join(name).exists());
    if matches!(config.database, DatabaseSource::Private) && !is_made(&config.data_path) {
        return (Database::Unmade, None);
    }
    match open_database(config, Owner::Command) {
        Ok((url, private)) => (Database::Url(url), private),
        Err(error) => (Database::Down(super::one_line(&error)), None),
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Failure => "FAILURE",
    }
}

fn as_text(areas: &[Area]) -> String {
    let mut text = String::new();
    for area in areas {
        text += &format!("{}\n", area.title);
        for finding in &area.findings {
            text += &format!("  {:<8} {}\n", word(finding.level), finding.what);
            if let Some(line) = &finding.mend {
                text += &format!("           mend: {line}\n");
            }
        }
    }
    let [failures, warnings] = [Level::Failure, Level::Warning].map(|level| doctor::count(areas, level));
    text += &format!("{failures} failed, {warnings} to look at\n");
    text
}

/// The shape that `docs/operations.md` promises to scripts.
fn as_json(areas: &[Area]) -> serde_json::Value {
    let findings: Vec<_> = areas
        .iter()
        .flat_map(|area| area.findings.iter().map(move |finding| (area.area, finding)))
        .map(|(area, finding)| {
            serde_json::json!({
                "area": area, "level": finding.level, "what": finding.what, "mend": finding.mend,
            })
        })
        .collect();
    let [failures, warnings] = [Level::Failure, Level::Warning].map(|level| doctor::count(areas, level));
    serde_json::json!({ "failures": failures, "warnings": warnings, "findings": findings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::doctor::Finding;

    #[test]
    fn scripts_and_people_read_the_same() {
        let findings = vec![Finding::ok("Fine."), Finding::failure("Broken.").mend("mend it")];
        let areas = [Area { area: "storage", title: "Storage", findings }];
        let expected = "Storage\n  ok       Fine.\n  FAILURE  Broken.\n           mend: mend it\n1 failed, 0 to look at\n";
        assert_eq!(as_text(&areas), expected);
        let json = as_json(&areas);
        assert_eq!((&json["failures"], &json["warnings"]), (&1.into(), &0.into()));
        assert_eq!(
            json["findings"][0],
            serde_json::json!({"area": "storage", "level": "ok", "what": "Fine.", "mend": null})
        );
        assert_eq!(json["findings"][1]["level"], "failure");
    }
}
