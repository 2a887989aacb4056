//! The storage folder: there, ours, writable, on something that lasts, with room.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use indicatif::HumanCount;
use uuid::Uuid;

use super::{Finding, Patient, database::Known, in_container, mounts, on_disk, owner, quoted};
use crate::storage::{MARKER_FILE, key, open_regular};

/// The folders that files are renamed between.
const FOLDERS: [&str; 3] = [key::BATCHES, key::STAGING, key::TRASH];
/// Less free than this is a warning, in bytes.
const LOW_BYTES: u64 = 1024 * 1024 * 1024;

pub async fn check(patient: &Patient, known: Option<Known>) -> Vec<Finding> {
    on_disk(patient, move |patient| look(patient, known)).await
}

fn look(patient: &Patient, known: Option<Known>) -> Vec<Finding> {
    let root = &patient.config.upload_storage_path;
    let shown = std::path::absolute(root).unwrap_or_else(|_| root.clone());
    match fs::metadata(&shown) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => {
            let line = format!("mv {0} {0}.aside && mkdir -p {0}", quoted(&shown));
            return vec![
                Finding::failure(format!("UPLOAD_STORAGE_PATH {} is not a folder.", shown.display()))
                    .mend(line),
            ];
        }
        Err(error) => return vec![not_there(&shown, known, &error)],
    }
    let mut findings = vec![writable(&shown), mounted(&shown)];
    findings.extend(marked(&shown, known));
    findings.extend(one_filesystem(&shown));
    findings.extend(room(&shown, patient.config.max_upload_size));
    if patient.deep {
        findings.push(readable(&shown));
    }
    findings
}

fn not_there(root: &Path, known: Option<Known>, error: &io::Error) -> Finding {
    let path = root.display();
    if error.kind() != io::ErrorKind::NotFound {
        let parent = root.parent().unwrap_or(root);
        return Finding::failure(format!("UPLOAD_STORAGE_PATH {path} cannot be looked at: {error}."))
            .mend(give(parent));
    }
    let finding = Finding::failure(format!("UPLOAD_STORAGE_PATH {path} is not there."));
    if known.is_some_and(|known| known.has_files) {
        return finding
            .mend(format!("sudo mount {}  # the database knows files that are in it", quoted(root)));
    }
    finding.mend(format!("sudo mkdir -p {0} && sudo chown {1} {0}", quoted(root), owner()))
}

/// The line that gives a folder to the user that this runs as.
fn give(folder: &Path) -> String {
    if in_container() {
        format!(
            "sudo chown -R {} ./uploads  # on the host: the folder mounted at {}",
            owner(),
            quoted(folder)
        )
    } else {
        format!("sudo chown -R {0} {1} && sudo chmod -R u+rwX {1}", owner(), quoted(folder))
    }
}

/// Writes for real: mode bits say nothing to root, of a read-only mount, or of an NFS server that maps users.
fn writable(root: &Path) -> Finding {
    let folders = [None, Some(key::BATCHES), Some(key::STAGING), Some(key::TRASH)];
    for folder in folders {
        let path = folder.map_or_else(|| root.to_owned(), |folder| root.join(folder));
        if folder.is_some() && !path.exists() {
            continue;
        }
        if let Err(error) = probe(&path) {
            let what = format!("{} cannot be written as user {}: {error}.", path.display(), owner());
            let line = match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem => format!("sudo mount -o remount,rw {}", quoted(root)),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    format!("df -h {0}; df -i {0}  # the disk is full: free or add space", quoted(root))
                }
                io::ErrorKind::NotADirectory => {
                    format!("mv {0} {0}.aside  # a folder belongs here, and is made again", quoted(&path))
                }
                _ => give(root),
            };
            return Finding::failure(what).mend(line);
        }
    }
    Finding::ok(format!("{} is there and can be written as user {}.", root.display(), owner()))
}

/// A file without a name, so that nothing is left even if this process is killed.
fn probe(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(b"probe")?;
    file.sync_all()
}

fn mounted(root: &Path) -> Finding {
    let mount = match mounts::of(root) {
        Ok(Some(mount)) => mount,
        Ok(None) => return Finding::note("What the storage is mounted on is not known."),
        Err(error) => {
            return Finding::note(format!("What the storage is mounted on cannot be read: {error}."));
        }
    };
    let place = format!("{} at {}", mount.kind, mount.point.display());
    let volume =
        format!("docker run -v stillage-uploads:{} …  # or `volumes:` in compose.yaml", quoted(root));
    match mount.nature() {
        _ if mount.is_read_only => Finding::failure(format!("The storage is mounted read-only ({place})."))
            .mend(format!("sudo mount -o remount,rw {}", quoted(&mount.point))),
        mounts::Nature::Memory => {
            let line = format!("sudo umount {}  # and mount a disk there", quoted(&mount.point));
            Finding::failure(format!("The storage is in memory ({place}): every file is gone at the next boot."))
                .mend(if in_container() { volume } else { line })
        }
        mounts::Nature::Layer => Finding::warning(format!(
            "The storage is not a volume but the layer of a container ({place}): its files go with the container."
        ))
        .mend(volume),
        mounts::Nature::Network => {
            Finding::ok(format!("The storage is on a network mount ({place}, from {}).", mount.source))
        }
        mounts::Nature::Disk if mount.point == Path::new("/") => {
            Finding::note(format!("The storage shares the system's disk ({place}): when one is full, so is the other."))
        }
        mounts::Nature::Disk => Finding::ok(format!("The storage is on a disk of its own ({place}).")),
    }
}

/// Whether the folder belongs to the database.
fn marked(root: &Path, known: Option<Known>) -> Vec<Finding> {
    let path = root.join(MARKER_FILE);
    let marker = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse::<Uuid>().ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return vec![match known {
                Some(known) if known.has_files => Finding::failure(
                    "The storage has no marker, but the database knows files: it is not mounted.",
                )
                .mend(format!("sudo mount {}", quoted(root))),
                Some(_) => Finding::note("The storage has no marker yet; the first start makes it."),
                None => {
                    Finding::note("The storage has no marker, and the database cannot say whether it should.")
                }
            }];
        }
        Err(error) => {
            return vec![
                Finding::failure(format!("The marker {} cannot be read: {error}.", path.display()))
                    .mend(give(root)),
            ];
        }
    };
    let expected = known.and_then(|known| known.store_id);
    vec![match (marker, expected) {
        (Some(marker), Some(expected)) if marker == expected => {
            Finding::ok("The marker says that the storage belongs to this database.")
        }
        (_, Some(expected)) => {
            let said = marker.map_or_else(|| "nothing".to_owned(), |marker| marker.to_string());
            Finding::failure(format!(
                "The storage belongs to another database (its marker says {said}, the database {expected})."
            ))
            .mend("stillage config | grep -e UPLOAD_STORAGE_PATH -e DATABASE_URL  # name folder and database of one installation")
        }
        (Some(_), None) => {
            Finding::note("The storage has a marker; without the database it cannot be compared.")
        }
        (None, None) => Finding::warning(format!("The marker {} is damaged.", path.display()))
            .mend("stillage restore DIR  # or put the marker back from a backup"),
    }]
}

fn one_filesystem(root: &Path) -> Option<Finding> {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    let own = device(root)?;
    let astray = FOLDERS.iter().find(|folder| device(&root.join(folder)).is_some_and(|other| other != own));
    Some(match astray {
        Some(folder) => Finding::failure(format!(
            "{folder} is on another filesystem than the folder it stands in: files cannot be published safely."
        ))
        .mend(format!("sudo umount {}  # mount the disk at {} instead", quoted(&root.join(folder)), quoted(root))),
        None => Finding::ok("Its folders are on one filesystem."),
    })
}

fn room(root: &Path, largest: u64) -> Vec<Finding> {
    let stat = match nix::sys::statvfs::statvfs(root) {
        Ok(stat) => stat,
        Err(errno) => {
            return vec![Finding::warning(format!("The space that is left cannot be measured: {errno}."))];
        }
    };
    let (free, all) =
        (stat.blocks_available() * stat.fragment_size(), (stat.blocks() * stat.fragment_size()).max(1));
    let (inodes, all_inodes) = (stat.files_available(), stat.files());
    let line = format!("df -h {0}; df -i {0}  # free or add space", quoted(root));
    let space = format!("{} of {} are free.", gigabytes(free), gigabytes(all));
    let space = if free < largest.saturating_mul(2) {
        Finding::failure(format!("{space} A file of MAX_UPLOAD_SIZE_MB does not fit safely."))
            .mend(line.clone())
    } else if free < LOW_BYTES.min(all) || free < all / 20 {
        Finding::warning(space).mend(line.clone())
    } else {
        Finding::ok(space)
    };
    // Some filesystems make inodes as they go, and say 0.
    let is_short = all_inodes > 0 && inodes < all_inodes / 50;
    let inodes = match inodes {
        0 if all_inodes > 0 => Finding::failure("No inode is free: no further file can be made.").mend(line),
        some if is_short => Finding::warning(format!(
            "Only {} of {} inodes are free.",
            HumanCount(some),
            HumanCount(all_inodes)
        ))
        .mend(line),
        _ if all_inodes == 0 => return vec![space],
        some => Finding::ok(format!("{} inodes are free.", HumanCount(some))),
    };
    vec![space, inodes]
}

/// As the pages count them: 1 GB is 1,073,741,824 bytes.
fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / f64::from(1 << 30))
}

/// Opens every published file.
fn readable(root: &Path) -> Finding {
    let folder = root.join(key::BATCHES);
    let (mut whole, mut closed, mut example) = (0_u64, 0_u64, None);
    let mut is_no_file = false;
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::note("There are no files yet.");
        }
        Err(error) => {
            return Finding::failure(format!("{} cannot be listed: {error}.", folder.display()))
                .mend(give(root));
        }
    };
    for entry in entries {
        match entry.and_then(|entry| open_regular(&entry.path()).map_err(|error| named(&entry, &error))) {
            Ok(_) => whole += 1,
            Err(error) => {
                closed += 1;
                is_no_file |= error.kind() == io::ErrorKind::NotFound;
                example.get_or_insert_with(|| error.to_string());
            }
        }
    }
    match example {
        None => Finding::ok(format!("Every one of {whole} files can be opened.")),
        Some(example) => {
            let line = if is_no_file {
                format!(
                    "find {} -mindepth 1 ! -type f  # move these away, then: stillage verify --all --heal",
                    quoted(&folder)
                )
            } else {
                give(root)
            };
            Finding::failure(format!("{closed} files cannot be opened, such as {example}.")).mend(line)
        }
    }
}

fn named(entry: &fs::DirEntry, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", entry.file_name().display()))
}
