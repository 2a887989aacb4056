//! Disks that are full, break, hang, go away, or hold something else.

use std::{
    fs,
    os::unix,
    time::{Duration, Instant},
};

use nix::{sys::stat::Mode, unistd::mkfifo};

use crate::support::{
    Fault, Ledger, Load, Options, Person, Row, Scale, Site, Tally,
    disk::{Disk, cover, uncover},
    load::State,
    mounts_missing,
    site::{self, PASSWORD},
    strace::{self, Strace},
    within,
};

/// The storage is examined every five seconds; this is generous for slow machines.
const TOLD: Duration = Duration::from_secs(40);

pub fn faults() -> Vec<Fault> {
    vec![
        Fault::new("disk full", |scale| full(scale, "size=24m", "size=200m")),
        Fault::new("no inodes left", |scale| {
            full(scale, "size=200m,nr_inodes=120", "size=200m,nr_inodes=20000")
        }),
        Fault::new("read-only remount", read_only),
        Fault::new("disk frozen", frozen),
        Fault::new("mount replaced by an empty folder", |scale| replaced(scale, Other::Empty)),
        Fault::new("mount replaced by another store", |scale| replaced(scale, Other::Store)),
        Fault::new("file replaced by a folder, a symlink, a pipe", no_file),
        Fault::new("EIO on fsync", |scale| failing(scale, &["fsync:error=EIO", "fdatasync:error=EIO"])),
        Fault::new("EIO on write", write_fails),
        Fault::new("EIO on read", read_fails),
        Fault::new("fsync takes 2 s", slow),
    ]
}

fn on(disk: &Disk) -> Options {
    Options::default().uploads_in(disk.path().join("uploads"))
}

/// Waits until the server says it, in its log, in its readiness, and on the pages; and doctor with it.
async fn told(site: &Site, mark: usize, ready: (u16, &str), banner: &str, doctor: &str) {
    let told = within(TOLD, async || {
        let (status, text) = site.ready();
        status == ready.0 && text.contains(ready.1)
    })
    .await;
    assert!(told, "readiness says {:?} instead of {ready:?}", site.ready());
    site.must_log(mark, "to_do=");
    let page = site.page("/batches").await;
    assert!(page.contains(banner), "no banner says {banner:?}:\n{page}");
    let found = site.doctor();
    assert!(found.contains(doctor), "doctor does not say {doctor:?}:\n{found}");
}

/// Ready without any trouble, by itself.
async fn well_again(site: &Site, tally: &mut Tally, ledger: &Ledger) {
    let begun = Instant::now();
    let well = within(TOLD, async || site.ready() == (200, "ready\n".to_owned())).await;
    assert!(well, "not well again: {:?}", site.ready());
    tally.recovered(begun.elapsed());
    let person = site.person();
    let batch = ledger.new_batch(&person).await.expect("a batch");
    assert!(ledger.upload(&person, &batch).await.is_some(), "{:?}", ledger.refusals().last());
}

/// At least one upload is refused with 507, and none is acknowledged meanwhile.
async fn refuses(site: &Site, ledger: &Ledger) {
    let person = site.person();
    let batch = ledger.new_batch(&person).await.expect("a batch");
    assert_eq!(ledger.upload(&person, &batch).await, None, "an upload was acknowledged");
    let last = ledger.refusals().last().cloned().unwrap_or_default();
    assert!(last.starts_with("507 ") && last.contains("storage_unavailable"), "{last}");
}

async fn full(scale: Scale, small: &'static str, large: &'static str) -> Row {
    if let Some(why) = mounts_missing() {
        return Row::not_run(why);
    }
    let disk = match Disk::memory(large) {
        Ok(disk) => disk,
        Err(why) => return Row::not_run(why),
    };
    let site = Site::start_with(on(&disk));
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    for _ in 0..scale.pick(1, 5) {
        let mark = site.log_mark();
        let load = Load::start(&site, &ledger);
        tokio::time::sleep(Duration::from_secs(1)).await;
        // What is there may be more than the new limit: then the filler alone takes all that is left.
        let _ = disk.remount(small);
        let filler = fill(&disk);
        let refused = ledger.refusals().len();
        let is_full = within(TOLD, async || ledger.refusals().len() > refused).await;
        load.stop().await;
        assert!(is_full, "nothing was refused on a full disk");
        tally.injected();
        told(&site, mark, (200, "degraded: storage"), "disk of the storage is full", "free or add space")
            .await;
        tally.check_new(&site, &ledger).await;
        filler.into_iter().for_each(|path| fs::remove_file(path).unwrap());
        disk.remount(large).unwrap();
        well_again(&site, &mut tally, &ledger).await;
    }
    tally.check_all(&site, &ledger).await;
    let row = tally.row(&ledger);
    drop(site);
    row
}

/// Takes what room and inodes are left.
fn fill(disk: &Disk) -> Vec<std::path::PathBuf> {
    let mut made = Vec::new();
    loop {
        let path = disk.path().join(format!("filler-{}", made.len()));
        let Ok(mut file) = fs::File::create(&path) else { return made };
        made.push(path);
        let chunk = vec![0; 64 * 1024];
        while made.len() == 1 && std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    }
}

async fn read_only(scale: Scale) -> Row {
    if let Some(why) = mounts_missing() {
        return Row::not_run(why);
    }
    let disk = match Disk::ext4(200) {
        Ok(disk) => disk,
        Err(why) => return Row::not_run(why),
    };
    let site = Site::start_with(on(&disk));
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    for _ in 0..scale.pick(1, 5) {
        let mark = site.log_mark();
        let load = Load::start(&site, &ledger);
        tokio::time::sleep(Duration::from_secs(1)).await;
        // The kernel refuses while a file is open for writing.
        let remounted = within(TOLD, async || disk.remount("ro").is_ok()).await;
        load.stop().await;
        if !remounted {
            disk.remount("ro").unwrap();
        }
        tally.injected();
        refuses(&site, &ledger).await;
        told(&site, mark, (200, "degraded: storage"), "mounted read-only", "remount,rw").await;
        tally.check_new(&site, &ledger).await;
        disk.remount("rw").unwrap();
        well_again(&site, &mut tally, &ledger).await;
    }
    tally.check_all(&site, &ledger).await;
    let row = tally.row(&ledger);
    drop(site);
    row
}

async fn frozen(scale: Scale) -> Row {
    if let Some(why) = mounts_missing() {
        return Row::not_run(why);
    }
    let disk = match Disk::ext4(200) {
        Ok(disk) => disk,
        Err(why) => return Row::not_run(why),
    };
    let site = Site::start_with(on(&disk));
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    for round in 0..scale.pick(1, 3) {
        let mark = site.log_mark();
        let load = Load::start(&site, &ledger);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Err(why) = disk.freeze() {
            load.stop().await;
            return Row::not_run(why);
        }
        tally.injected();
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            let begun = Instant::now();
            assert_eq!(site.ask("/health/live", Duration::from_secs(4)).0, 200);
            assert_ne!(site.ask("/health/ready", Duration::from_secs(4)).0, 0, "readiness does not answer");
            assert!(begun.elapsed() < Duration::from_secs(6));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // Sign-in is slowed down for who does it often.
        if round == 0 {
            let begun = Instant::now();
            let signed_in = Person::sign_in(&site.base(), "ann", PASSWORD).await;
            assert!(signed_in.is_some(), "nobody can sign in");
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        }
        let (status, text) = site.ready();
        site.must_log(mark, "The storage does not answer.");
        disk.thaw().unwrap();
        assert_eq!((status, text.as_str()), (503, "not ready: storage\n"));
        load.stop().await;
        well_again(&site, &mut tally, &ledger).await;
        tally.check_new(&site, &ledger).await;
    }
    tally.check_all(&site, &ledger).await;
    let row = tally.row(&ledger);
    drop(site);
    row
}

#[derive(Clone, Copy)]
enum Other {
    Empty,
    Store,
}

async fn replaced(scale: Scale, other: Other) -> Row {
    if let Some(why) = mounts_missing() {
        return Row::not_run(why);
    }
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let astray = site.folder().join("astray");
    fs::create_dir(&astray).unwrap();
    if matches!(other, Other::Store) {
        site::copy(&site.uploads(), &astray);
        fs::write(astray.join(".stillage-store"), format!("{}\n", uuid::Uuid::new_v4())).unwrap();
    }
    let (ready, banner, doctor) = match other {
        Other::Empty => ("not ready: storage", "is it mounted?", "sudo mount"),
        Other::Store => ("not ready: storage", "belongs to another database", "another database"),
    };
    let count = || fs::read_dir(astray.join("batches")).map_or(0, Iterator::count);
    let before = count();
    for _ in 0..scale.pick(1, 10) {
        let mark = site.log_mark();
        let load = Load::start(&site, &ledger);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Err(why) = cover(&astray, &site.uploads()) {
            load.stop().await;
            return Row::not_run(why);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        tally.injected();
        load.stop().await;
        refuses(&site, &ledger).await;
        told(&site, mark, (503, ready), banner, doctor).await;
        uncover(&site.uploads()).unwrap();
        well_again(&site, &mut tally, &ledger).await;
        tally.check_new(&site, &ledger).await;
    }
    assert_eq!(count(), before, "something was written into the wrong folder");
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

async fn no_file(scale: Scale) -> Row {
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let person = site.person();
    let batch = ledger.new_batch(&person).await.expect("a batch");
    ledger.upload(&person, &batch).await.expect("an upload");
    let (_, entry) = ledger.stored().remove(0);
    let id = entry.id.unwrap();
    let folder = site.uploads().join("batches");
    let path = fs::read_dir(&folder).unwrap().flatten().next().unwrap().path();
    let kept = site.folder().join("kept");
    for _ in 0..scale.pick(1, 5) {
        for kind in ["folder", "symlink", "pipe"] {
            fs::rename(&path, &kept).unwrap();
            match kind {
                "folder" => fs::create_dir(&path).unwrap(),
                "symlink" => unix::fs::symlink(&kept, &path).unwrap(),
                _ => mkfifo(&path, Mode::S_IRWXU).unwrap(),
            }
            let mark = site.log_mark();
            tally.injected();
            let begun = Instant::now();
            let answer = person.download(&id).await;
            assert_eq!(answer.status(), 409, "{kind}: {}", answer.text());
            let deep = String::from_utf8_lossy(&site.run(&["doctor", "--deep"]).stdout).into_owned();
            assert!(deep.contains("cannot be opened") && deep.contains("! -type f"), "{kind}: {deep}");
            let verified = site.run(&["verify", "--all"]);
            assert_eq!(verified.status.code(), Some(1), "{kind}: verify finds nothing");
            assert!(begun.elapsed() < Duration::from_secs(30), "{kind}: something waited for it");
            site.must_log(mark, "not a regular file");
            if kind == "folder" {
                fs::remove_dir(&path).unwrap()
            } else {
                fs::remove_file(&path).unwrap()
            }
            fs::rename(&kept, &path).unwrap();
            let verified = site.run(&["verify", "--all"]);
            assert_eq!(verified.status.code(), Some(0), "{kind}: {verified:?}");
            tally.check_all(&site, &ledger).await;
        }
    }
    tally.row(&ledger)
}

/// Every call of these kinds fails while it lasts.
async fn failing(scale: Scale, rules: &'static [&'static str]) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let person = site.person();
    for _ in 0..scale.pick(1, 5) {
        for rule in rules {
            let mark = site.log_mark();
            let batch = ledger.new_batch(&person).await.expect("a batch");
            let load = Load::start(&site, &ledger);
            tokio::time::sleep(Duration::from_millis(500)).await;
            let strace = Strace::attach(site.pid(), rule, &[]);
            tally.injected();
            load.stop().await;
            if rule.starts_with("fsync") {
                assert_eq!(ledger.upload(&person, &batch).await, None, "acknowledged without fsync");
                assert_eq!(
                    ledger.upload_by_tus_once(&person, &batch).await,
                    None,
                    "acknowledged without fsync"
                );
                told(&site, mark, (200, "degraded: storage"), "disk of the storage failed", "").await;
            } else {
                drop(ledger.upload_by_tus_once(&person, &batch).await);
            }
            drop(strace);
            well_again(&site, &mut tally, &ledger).await;
            ledger.resolve(&person).await;
            tally.check_new(&site, &ledger).await;
        }
    }
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

/// The staged file of a resumable upload has a name that can be known, so that strace fails its writes and no others.
async fn write_fails(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let person = site.person();
    let batch = ledger.new_batch(&person).await.expect("a batch");
    for round in 0..scale.pick(3, 20) {
        let (name, bytes) = ledger.begin(&batch, "tus");
        let created = person.tus_create(&batch, &name, bytes.len()).await;
        let upload = created.header("location").expect("an upload").to_owned();
        let id = upload.rsplit('/').next().unwrap().to_owned();
        let half = bytes.len() / 2;
        assert_eq!(person.tus_append(&upload, 0, &bytes[..half]).await.status(), 204);
        let staged = site.uploads().join(".staging").join(format!("{id}.upload"));
        assert!(staged.exists(), "{}", staged.display());
        let rule = format!("write:error=EIO:when={}+", 1 + round % 2);
        let strace = Strace::attach(site.pid(), &rule, &["-P", staged.to_str().unwrap()]);
        let answer = person.tus_append(&upload, half, &bytes[half..]).await;
        drop(strace);
        tally.injected();
        if round % 2 == 0 {
            assert_eq!(answer.status(), 507, "{}", answer.text());
        }
        // It goes on from what the server has.
        let finished = ledger.finish_tus(&person, &name, &upload, &bytes, 10).await;
        assert!(finished.is_some(), "{:?}", ledger.refusals());
        tally.check_new(&site, &ledger).await;
    }
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

async fn read_fails(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let person = site.person();
    let batch = ledger.new_batch(&person).await.expect("a batch");
    for _ in 0..scale.pick(2, 10) {
        let name = ledger.upload(&person, &batch).await.expect("an upload");
        let entry = ledger.entries()[&name].clone();
        let mark = site.log_mark();
        let strace = Strace::attach(site.pid(), "pread64:error=EIO", &[]);
        let answer = person.download(entry.id.as_deref().unwrap()).await;
        drop(strace);
        tally.injected();
        assert_ne!(answer.status(), 200, "bytes that were not read");
        site.must_log(mark, "ERROR");
        tally.check_new(&site, &ledger).await;
    }
    assert!(ledger.stored().iter().all(|(_, entry)| entry.state == State::Stored));
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

async fn slow(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let strace = Strace::attach(site.pid(), "fsync:delay_enter=2000000", &[]);
    let load = Load::start(&site, &ledger);
    let until = Instant::now() + Duration::from_secs(scale.pick(10, 60));
    while Instant::now() < until {
        tally.injected();
        let begun = Instant::now();
        assert_eq!(site.ready().0, 200);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    load.stop().await;
    drop(strace);
    assert!(ledger.acknowledged() > 2, "nothing came through");
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}
