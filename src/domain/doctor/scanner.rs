//! The malware scanner: there, with fresh signatures, and finding what every scanner must find.

use std::{fs::File, io::Write, os::fd::OwnedFd};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::{Finding, Patient};
use crate::scanner::{Patience, Scanner, Verdict};

/// Signatures older than this are told.
const STALE_DAYS: i64 = 7;

pub async fn check(patient: &Patient) -> Vec<Finding> {
    let Some(address) = &patient.config.scanner else {
        return vec![
            Finding::note("No malware scanner is set: files are stored unscanned.")
                .mend("CLAMAV_ADDRESS=tcp://127.0.0.1:3310"),
        ];
    };
    let scanner = Scanner::new(address.clone(), Patience::default());
    if let Err(error) = scanner.ping().await {
        return vec![
            Finding::failure(format!("clamd does not answer, so every upload is refused: {error}."))
                .mend("sudo systemctl start clamav-daemon  # or: docker compose --profile clamav up -d"),
        ];
    }
    let version = scanner.version().await.unwrap_or_default();
    vec![signatures(&version, patient.clock.now()), detects(&scanner).await]
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

async fn detects(scanner: &Scanner) -> Finding {
    let sample = match sample() {
        Ok(sample) => sample,
        Err(error) => return Finding::warning(format!("The test virus cannot be made: {error}.")),
    };
    match scanner.scan(sample).await {
        Ok(Verdict::Infected(found)) => Finding::ok(format!("It finds the EICAR test virus ({found}).")),
        Ok(Verdict::Clean) => Finding::failure("It calls the EICAR test virus clean: it finds nothing.")
            .mend("sudo freshclam && sudo systemctl restart clamav-daemon"),
        Err(error) => Finding::failure(format!("It does not scan: {error}."))
            .mend("sudo journalctl -u clamav-daemon -n 50"),
    }
}

/// The EICAR test virus through a pipe: it never is on a disk, nor in one piece in this program.
fn sample() -> std::io::Result<File> {
    let (reader, mut writer) = std::io::pipe()?;
    for part in [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-ANTIVIRUS", "-TEST-FILE!$H+H*"] {
        writer.write_all(part.as_bytes())?;
    }
    Ok(File::from(OwnedFd::from(reader)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

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

    #[test]
    fn the_sample_is_whole() {
        let mut text = String::new();
        sample().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 68);
        assert!(text.ends_with("H+H*"));
    }
}
