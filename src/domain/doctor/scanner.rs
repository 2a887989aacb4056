//! The malware scanner: there, with fresh signatures, and finding what every scanner must find.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::{Finding, Patient};
use crate::config::MB;
use crate::scanner::{Patience, Scanner, required_settings};

/// Signatures older than this are told.
const STALE_DAYS: i64 = 7;

pub async fn check(patient: &Patient) -> Vec<Finding> {
    let Some(address) = &patient.config.scanner else {
        return vec![
            Finding::note("No malware scanner is set: files are stored unscanned.")
                .mend("CLAMAV_ADDRESS=tcp://127.0.0.1:3310"),
        ];
    };
    let largest = patient.config.max_upload_size;
    let scanner = patient
        .scanner
        .clone()
        .unwrap_or_else(|| Scanner::new(address.clone(), Patience::default(), largest));
    if let Err(error) = scanner.ping().await {
        return vec![
            Finding::failure(format!("clamd does not answer, so every upload is refused: {error}."))
                .mend("sudo systemctl start clamav-daemon  # or: docker compose --profile clamav up -d"),
        ];
    }
    let version = scanner.version().await.unwrap_or_default();
    let mut findings = vec![signatures(&version, patient.clock.now())];
    findings.extend(coverage(&scanner, largest).await);
    findings
}

/// clamd says `ClamAV 1.0.7/27450/Mon Nov 23 09:27:12 2026`, without signatures only the first part.
fn signatures(version: &str, now: DateTime<Utc>) -> Finding {
    let mut parts = version.split('/');
    let (name, date) = (parts.next().unwrap_or_default(), parts.nth(1));
    let name = if name.is_empty() { "A scanner" } else { name };
    let made = date.and_then(|date| NaiveDateTime::parse_from_str(date.trim(), "%a %b %e %H:%M:%S %Y").ok());
    match made.map(|made| now - made.and_utc()) {
        None => Finding::note(format!("{name} answers; how old its signatures are it does not say.")),
        Some(age) if age > TimeDelta::days(STALE_DAYS) => {
            Finding::warning(format!("{name} answers, but its signatures are {} days old.", age.num_days()))
                .mend("sudo systemctl enable --now clamav-freshclam")
        }
        Some(_) => Finding::ok(format!("{name} answers with fresh signatures.")),
    }
}

/// Whether it finds the EICAR test virus, and how large a file it looks at to its end.
async fn coverage(scanner: &Scanner, largest: u64) -> Vec<Finding> {
    let coverage = match scanner.coverage(largest).await {
        Ok(coverage) => coverage,
        Err(error) => {
            return vec![
                Finding::failure(format!("It does not scan: {error}."))
                    .mend("sudo journalctl -u clamav-daemon -n 50"),
            ];
        }
    };
    let size = mb(coverage.looks_up_to);
    let settings = required_settings(largest);
    let mut findings = vec![match coverage.looks_up_to {
        0 => {
            return vec![
                Finding::failure(
                    "It calls the EICAR test virus clean: it finds nothing, so every upload is refused.",
                )
                .mend("sudo freshclam && sudo systemctl restart clamav-daemon"),
            ];
        }
        looked if looked >= largest => {
            Finding::ok(format!("It finds the EICAR test virus at the end of a file of {size}."))
        }
        _ => Finding::failure(format!(
            "It finds the EICAR test virus at the end of a file of {size}, but not of one of {} (MAX_UPLOAD_SIZE_MB): \
             larger files than it looks at are refused.",
            mb(largest)
        ))
        .mend(format!("{settings}  # one setting per line in clamd.conf, then restart clamd")),
    }];
    if !coverage.tells_limits {
        findings.push(
            Finding::warning(
                "It does not say when it leaves out a part of an archive or document that exceeds its limits.",
            )
            .mend("AlertExceedsMax yes  # in clamd.conf, then restart clamd"),
        );
    }
    findings
}

fn mb(bytes: u64) -> String {
    match bytes / MB {
        0 => format!("{} KB", bytes / 1024),
        whole => format!("{whole} MB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::doctor::Level;

    #[test]
    fn the_age_of_signatures_is_told() {
        let now =
            NaiveDateTime::parse_from_str("2026-11-25 01:00:00", "%Y-%m-%d %H:%M:%S").unwrap().and_utc();
        let level = |version: &str| signatures(version, now).level;
        assert_eq!(level("ClamAV 1.0.7/27450/Mon Nov 23 09:27:12 2026"), Level::Ok);
        assert_eq!(level("ClamAV 1.0.7/27450/Sun Nov  1 09:27:12 2026"), Level::Warning);
        for odd in ["ClamAV 1.0.7", "", "a/b/c/d", "UNKNOWN COMMAND"] {
            assert_eq!(level(odd), Level::Note, "{odd}");
        }
    }
}
