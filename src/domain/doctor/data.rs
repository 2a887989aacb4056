//! What else is on the disk: the private database's folder, and the file that holds secrets.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Finding, Patient, in_container, mounts, owner, quoted};
use crate::config::DatabaseSource;

pub fn check(patient: &Patient) -> Vec<Finding> {
    let mut findings = Vec::new();
    if matches!(patient.config.database, DatabaseSource::Private) {
        findings.push(data_folder(&patient.config.data_path));
    }
    findings.push(match env_file() {
        Some(path) => secrets(&path),
        None => Finding::ok("No .env file is read; settings come from the environment."),
    });
    findings
}

/// The private PostgreSQL needs a disk that lasts and keeps locks.
fn data_folder(path: &Path) -> Finding {
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !shown.exists() {
        return Finding::note(format!("STILLAGE_DATA_PATH {} is made at the first start.", shown.display()));
    }
    if !shown.is_dir() {
        return Finding::failure(format!("STILLAGE_DATA_PATH {} is not a folder.", shown.display()))
            .mend(format!("mv {0} {0}.aside", quoted(&shown)));
    }
    let Ok(Some(mount)) = mounts::of(&shown) else {
        return Finding::note("What STILLAGE_DATA_PATH is mounted on is not known.");
    };
    let place = format!("STILLAGE_DATA_PATH {} is on {}", shown.display(), mount.kind);
    match mount.nature() {
        _ if mount.is_read_only => Finding::failure(format!("{place}, mounted read-only."))
            .mend(format!("sudo mount -o remount,rw {}", quoted(&mount.point))),
        mounts::Nature::Memory => {
            Finding::failure(format!("{place}, in memory: the database is gone at the next boot."))
                .mend("STILLAGE_DATA_PATH=/var/lib/stillage/data")
        }
        mounts::Nature::Network => Finding::failure(format!(
            "{place}, a network mount: locks and process ids of the private database mean nothing on another machine."
        ))
        .mend("STILLAGE_DATA_PATH=/var/lib/stillage/data"),
        mounts::Nature::Layer => {
            Finding::warning(format!("{place}, the layer of a container: the database goes with the container."))
                .mend(format!("docker run -v stillage-data:{} …", quoted(&shown)))
        }
        mounts::Nature::Disk => Finding::ok(format!("{place}.")),
    }
}

/// The `.env` that the configuration reads: here or above.
fn env_file() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(".env")).find(|path| path.is_file())
}

fn secrets(path: &Path) -> Finding {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) => return Finding::warning(format!("{} cannot be looked at: {error}.", path.display())),
    };
    let mode = meta.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Finding::ok(format!("{} is for its owner only ({mode:04o}).", path.display()));
    }
    let finding =
        Finding::warning(format!("{} holds secrets, and others may read it ({mode:04o}).", path.display()));
    if in_container() {
        finding.mend(format!("chmod 600 {}  # on the host", quoted(path)))
    } else {
        finding.mend(format!("sudo chown {0} {1} && sudo chmod 600 {1}", owner(), quoted(path)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::domain::doctor::Level;

    #[test]
    fn secrets_are_for_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        fs::write(&path, "METRICS_TOKEN=x\n").unwrap();
        for (mode, level) in
            [(0o600, Level::Ok), (0o400, Level::Ok), (0o640, Level::Warning), (0o644, Level::Warning)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let finding = secrets(&path);
            assert_eq!(finding.level, level, "{mode:o}");
            assert_eq!(finding.mend.is_some(), level == Level::Warning);
        }
    }

    #[test]
    fn a_file_in_place_of_the_data_folder_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(data_folder(file.path()).level, Level::Failure);
        assert_eq!(data_folder(&file.path().with_extension("none")).level, Level::Note);
    }
}
