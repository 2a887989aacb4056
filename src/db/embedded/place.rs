//! Where the cluster lives and as whom it runs.
//!
//! PostgreSQL refuses to run as root. So root runs it as the one who owns the existing cluster,
//! else the data folder, else as `postgres`, else as `nobody` (`initdb` wants an entry in the
//! password database); anyone else runs it as oneself. Where that user cannot get through to the
//! data folder, such as one in a home of mode 0700, the cluster goes to `/var/lib/stillage-<hash of
//! the data folder's path>`; `postgres.place` in the data folder remembers it.
//!
//! The socket is in a folder of mode 0700, so that only that user and root reach it; everyone who
//! does is trusted. Whoever is that user could change the files anyhow, so a password would guard
//! nothing.
//!
//! Limits: access granted by ACLs is not seen (the fallback is taken then). With a data path too
//! long for a socket, an ordinary user's socket goes to `/run/user/UID` or `/tmp`; a service with a
//! private `/tmp` hides it from commands outside.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::OFlag,
    unistd::{Gid, Uid, User, geteuid},
};

use super::{
    SOCKET,
    error::{Doing, Error},
};

/// `sockaddr_un` holds 107 bytes on Linux, 103 on macOS and BSD.
const LONGEST_SOCKET: usize = 103;
const PERMISSIONS: u32 = 0o7777;

/// As whom root runs the programs.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub uid: Uid,
    pub gid: Gid,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self { name: user.name, uid: user.uid, gid: user.gid }
    }
}

#[derive(Debug, Clone)]
pub struct Place {
    /// `STILLAGE_DATA_PATH`, canonical.
    data_path: PathBuf,
    /// Where `postgres` and `run` are: the data folder unless the account cannot get there.
    home: PathBuf,
    /// `None`: as oneself.
    pub account: Option<Account>,
}

impl Place {
    /// Finds the place, making the data folder if need be.
    pub fn find(data_path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(data_path).doing("make", data_path)?;
        let data_path = data_path.canonicalize().doing("find", data_path)?;
        let noted = note(&data_path)?;
        let mut place =
            Self { home: noted.clone().unwrap_or_else(|| data_path.clone()), account: None, data_path };
        if geteuid().is_root() {
            let account = account(&[&place.cluster(), &place.data_path])?;
            if noted.is_none() && !passes(&account, &place.home) {
                if place.holds_cluster() {
                    return Err(Error::Barred { path: place.cluster(), account: account.name });
                }
                place.home = fallback(&place.data_path);
            }
            place.account = Some(account);
        }
        if noted.is_some() && !place.holds_cluster() {
            return Err(Error::Lost { path: place.cluster(), note: place.note_file() });
        }
        Ok(place)
    }

    pub fn cluster(&self) -> PathBuf {
        self.home.join("postgres")
    }

    /// Where a cluster is made before it is renamed into place whole.
    pub fn unfinished(&self) -> PathBuf {
        self.home.join("postgres.new")
    }

    pub fn holds_cluster(&self) -> bool {
        self.cluster().join("PG_VERSION").is_file()
    }

    /// Makes the folder above the cluster when it is not the data folder.
    pub fn prepare_home(&self) -> Result<(), Error> {
        if self.home == self.data_path {
            return Ok(());
        }
        tracing::warn!(
            data_path = %self.data_path.display(), home = %self.home.display(),
            "the user that PostgreSQL runs as cannot get through to the data folder: \
             the database is kept elsewhere; a backup of the data folder does not hold it",
        );
        match DirBuilder::new().mode(0o755).create(&self.home) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.doing("make", &self.home)?,
        }
        let found = self.home.symlink_metadata().doing("look at", &self.home)?;
        if !found.is_dir() || found.uid() != geteuid().as_raw() {
            return Err(Error::Foreign(self.home.clone()));
        }
        Ok(())
    }

    /// Remembers where the cluster is; to be called once it is there, at every start: the first may
    /// have been cut short.
    pub fn remember(&self) -> Result<(), Error> {
        let file = self.note_file();
        if self.home == self.data_path || file.exists() {
            return Ok(());
        }
        let draft = file.with_extension("place.new");
        let open = file_options().write(true).create(true).truncate(true).open(&draft);
        let written = open.and_then(|mut note| {
            writeln!(note, "{}", self.home.display())?;
            note.sync_all()?;
            fs::rename(&draft, &file)
        });
        written.doing("write", &file)?;
        sync_folder(&self.data_path)
    }

    /// A folder for the socket that only the account and root can enter, its path short enough for
    /// one: the one in use before, if any.
    pub fn socket_folder(&self, before: Option<&Path>) -> Result<PathBuf, Error> {
        let beside = self.home.join("run");
        let folder = match before {
            Some(before) => before.to_owned(),
            None if fits_socket(&beside) => beside,
            None => short_folder(&self.data_path),
        };
        self.private_folder(&folder)?;
        Ok(folder)
    }

    /// Makes a folder of mode 0700 that belongs to the account, or makes sure that it is one.
    pub fn private_folder(&self, folder: &Path) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.doing("make", folder)?,
        }
        let (owner, ours) = (self.owner().as_raw(), geteuid().as_raw());
        let unsafe_folder = || Error::Unsafe { path: folder.to_owned(), uid: owner };
        // What is looked at through one open file cannot be swapped in between.
        let open = file_options()
            .read(true)
            .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
            .open(folder)
            .map_err(|_| unsafe_folder())?;
        let found = open.metadata().doing("look at", folder)?;
        // One of ours: made just now, or before a crash that kept us from handing it over.
        if ![owner, ours].contains(&found.uid()) {
            return Err(unsafe_folder());
        }
        if found.mode() & PERMISSIONS != 0o700 {
            open.set_permissions(Permissions::from_mode(0o700)).doing("close to others", folder)?;
        }
        if let Some(Account { uid, gid, .. }) = &self.account {
            fchown(&open, Some(uid.as_raw()), Some(gid.as_raw())).doing("hand over", folder)?;
        }
        Ok(())
    }

    /// The user as whom PostgreSQL runs.
    fn owner(&self) -> Uid {
        self.account.as_ref().map_or_else(geteuid, |account| account.uid)
    }

    // The three lock files and the log are in the data folder, wherever the cluster is.

    pub fn server_lock(&self) -> PathBuf {
        self.data_path.join("postgres.server")
    }

    pub fn users_lock(&self) -> PathBuf {
        self.data_path.join("postgres.users")
    }

    pub fn keeper_lock(&self) -> PathBuf {
        self.data_path.join("postgres.lock")
    }

    pub fn log(&self) -> PathBuf {
        self.data_path.join("postgres.log")
    }

    pub fn data_path(&self) -> &Path {
        &self.data_path
    }

    fn note_file(&self) -> PathBuf {
        note_file(&self.data_path)
    }

    /// Makes sure that what root leaves in a data folder of someone else is theirs, so that a
    /// server run by them later is not barred by what one command run by root has made.
    pub fn share(&self) -> Result<(), Error> {
        let owner = self.data_path.metadata().doing("look at", &self.data_path)?;
        if !geteuid().is_root() || owner.uid() == 0 {
            return Ok(());
        }
        let files = [self.server_lock(), self.users_lock(), self.keeper_lock(), self.log()];
        for file in files.iter().filter(|file| file.exists()) {
            lchown(file, Some(owner.uid()), Some(owner.gid())).doing("hand over", file)?;
        }
        Ok(())
    }
}

fn note_file(data_path: &Path) -> PathBuf {
    data_path.join("postgres.place")
}

fn note(data_path: &Path) -> Result<Option<PathBuf>, Error> {
    let file = note_file(data_path);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some(PathBuf::from(text.trim_end_matches('\n')))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing("read", &file),
    }
}

/// As whom root runs PostgreSQL: the owner of the first of the folders that is someone's, else
/// `postgres` or `nobody`.
fn account(folders: &[&Path]) -> Result<Account, Error> {
    let owners = folders.iter().filter_map(|folder| {
        let uid = folder.metadata().ok()?.uid();
        (uid != 0).then(|| User::from_uid(Uid::from_raw(uid)))
    });
    let usual = ["postgres", "nobody"].into_iter().map(User::from_name);
    owners.chain(usual).find_map(|found| found.ok().flatten()).map(Account::from).ok_or(Error::NoAccount)
}

/// Whether the mode bits of a folder and of all above it let the account pass.
fn passes(account: &Account, folder: &Path) -> bool {
    folder.ancestors().all(|folder| {
        folder.metadata().is_ok_and(|found| {
            let passage = if found.uid() == account.uid.as_raw() {
                0o100
            } else if found.gid() == account.gid.as_raw() {
                0o010
            } else {
                0o001
            };
            found.mode() & passage != 0
        })
    })
}

fn fallback(data_path: &Path) -> PathBuf {
    PathBuf::from(format!("/var/lib/{}", short_name(data_path)))
}

fn short_folder(data_path: &Path) -> PathBuf {
    let user = format!("/run/user/{}", geteuid());
    let parents = if geteuid().is_root() { ["/run", "/tmp"] } else { [user.as_str(), "/tmp"] };
    let parent = parents.into_iter().find(|folder| Path::new(folder).is_dir());
    Path::new(parent.unwrap_or("/tmp")).join(short_name(data_path))
}

/// The same for the same path in every version of Stillage: FNV-1a, 64 bits.
fn short_name(data_path: &Path) -> String {
    let bytes = data_path.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("stillage-{hash:016x}")
}

/// Whether a folder's path is short enough, and plain enough to be written unquoted in a setting
/// and in a URL.
fn fits_socket(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_encoded_bytes();
    bytes.len() + "/".len() + SOCKET.len() <= LONGEST_SOCKET
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte))
}

/// For files that only we read, never through a symbolic link: root must not be led from a data
/// folder of someone else's to files elsewhere.
pub fn file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    options
}

/// Makes renames in a folder durable.
pub fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).doing("write to disk", folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_paths() {
        assert!(fits_socket(Path::new("/srv/stillage-1/run")));
        assert!(!fits_socket(Path::new("/srv/Lager Süd/run")));
        assert!(!fits_socket(Path::new("/srv/a,b/run")));
        assert!(fits_socket(Path::new(&format!("/{}", "x".repeat(88)))));
        assert!(!fits_socket(Path::new(&format!("/{}", "x".repeat(89)))));
        assert!(fits_socket(&short_folder(Path::new("/srv"))));
    }

    #[test]
    fn names_never_change() {
        // On disk since the first release: another hash would lose databases.
        assert_eq!(short_name(Path::new("")), "stillage-cbf29ce484222325");
        assert_eq!(short_name(Path::new("a")), "stillage-af63dc4c8601ec8c");
    }
}
