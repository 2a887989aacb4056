//! What a folder is mounted on, from the kernel's own table (proc_pid_mountinfo(5)).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One mounted filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub point: PathBuf,
    /// Its type, such as `ext4` or `nfs4`.
    pub kind: String,
    pub source: String,
    pub is_read_only: bool,
}

/// What becomes of files on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Disk,
    Network,
    /// The writable layer of a container: gone with it.
    Layer,
    /// Gone at the next boot.
    Memory,
}

impl Mount {
    pub fn nature(&self) -> Nature {
        match self.kind.as_str() {
            "tmpfs" | "ramfs" => Nature::Memory,
            "overlay" | "aufs" => Nature::Layer,
            "nfs" | "nfs4" | "cifs" | "smb3" | "ceph" | "glusterfs" | "9p" | "lustre" | "fuse.glusterfs"
            | "fuse.sshfs" | "fuse.ceph" => Nature::Network,
            _ => Nature::Disk,
        }
    }
}

/// The filesystem that `path` is on; `None` where the kernel has no such table.
pub fn of(path: &Path) -> io::Result<Option<Mount>> {
    let path = fs::canonicalize(path)?;
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(find(&path, &table))
}

/// The deepest mount point above `path`; of several on one point the last, which hides the others.
fn find(path: &Path, table: &str) -> Option<Mount> {
    let above = table.lines().filter_map(parse).filter(|mount| path.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count())
}

fn parse(line: &str) -> Option<Mount> {
    let (own, device) = line.split_once(" - ")?;
    let mut own = own.split(' ').skip(4);
    let (point, options) = (own.next()?, own.next()?);
    let mut device = device.split(' ');
    let (kind, source, whole) = (device.next()?, device.next()?, device.next().unwrap_or_default());
    let is_read_only = [options, whole].iter().any(|list| list.split(',').any(|option| option == "ro"));
    Some(Mount {
        point: PathBuf::from(unescaped(point)),
        kind: kind.to_owned(),
        source: unescaped(source),
        is_read_only,
    })
}

/// The table writes a blank as `\040`.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/l
30 22 8:1 / /srv rw,relatime shared:1 - ext4 /dev/sda1 rw
31 30 0:40 / /srv/still\\040age rw,relatime - nfs4 files:/export rw,hard
32 22 0:41 / /tmp rw,nosuid - tmpfs tmpfs rw
33 32 0:42 / /tmp ro,nosuid - xfs /dev/sdb1 rw
34 22 0:43 / /media rw - iso9660 /dev/sr0 ro
";

    #[test]
    fn the_deepest_and_last_mount_counts() {
        let kind = |path: &str| {
            let mount = find(Path::new(path), TABLE).unwrap();
            (mount.kind, mount.is_read_only)
        };
        let cases = [
            ("/home/x", "overlay", false),
            ("/srv", "ext4", false),
            ("/srvother", "overlay", false),
            ("/srv/still age/batches", "nfs4", false),
            ("/tmp/x", "xfs", true),
            ("/media", "iso9660", true),
        ];
        for (path, expected, is_read_only) in cases {
            assert_eq!(kind(path), (expected.to_owned(), is_read_only), "{path}");
        }
    }

    #[test]
    fn what_becomes_of_files() {
        let nature = |path: &str| find(Path::new(path), TABLE).unwrap().nature();
        assert_eq!(nature("/"), Nature::Layer);
        assert_eq!(nature("/srv"), Nature::Disk);
        assert_eq!(nature("/srv/still age"), Nature::Network);
        let memory = parse("32 22 0:41 / /tmp rw - tmpfs tmpfs rw").unwrap();
        assert_eq!(memory.nature(), Nature::Memory);
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn this_machine_has_a_table() {
        assert!(of(Path::new("/proc")).unwrap().is_some());
        assert!(of(Path::new("/nowhere at all")).is_err());
    }
}
