//! PostgreSQL that restarts, dies, falls silent, becomes slow or full, or whose answers are lost.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{
    Fault, Ledger, Load, Options, Row, Scale, Site, Tally, outage, postgres::Postgres, proxy::Way, within,
};

/// Until the server is as before, on a machine that does other things.
const BACK: Duration = Duration::from_secs(60);
/// What people read.
const WORDS: &str = "The database does not answer";

pub fn faults() -> Vec<Fault> {
    vec![
        Fault::new("PostgreSQL restarted", restarted),
        Fault::new("PostgreSQL killed (kill -9)", killed),
        Fault::new("database connections terminated", terminated),
        Fault::new("answer to COMMIT lost", commit_unanswered),
        Fault::new("COMMIT lost on its way", commit_lost),
        Fault::new("database silent for 25 s", silent),
        Fault::new("database answers 1 s later", late),
        Fault::new("database down at the start", down_at_start),
        Fault::new("disk of the database full", disk_full),
        Fault::new("PostgreSQL stopped (SIGSTOP)", postgres_stopped),
        Fault::new("server stopped (SIGSTOP)", server_stopped),
    ]
}

/// A site under load, its database behind a proxy.
struct Scene {
    postgres: Postgres,
    site: Site,
    ledger: Ledger,
    tally: Tally,
    load: Load,
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    async fn start_with(options: Options) -> Self {
        let (postgres, mut site) = Postgres::with_site(options);
        site.start_again();
        let ledger = Ledger::default();
        let load = Load::start(&site, &ledger);
        let scene = Self { postgres, site, ledger, tally: Tally::default(), load };
        assert!(within(BACK, async || scene.ledger.acknowledged() > 5).await, "nothing is stored");
        scene
    }

    async fn recovers(&mut self) {
        let took = outage::is_over(&mut self.site, BACK).await;
        self.tally.recovered(took);
        self.tally.check_new(&self.site, &self.ledger).await;
    }

    async fn end(mut self) -> Row {
        // Files come in again as before.
        let before = self.ledger.acknowledged();
        let more = within(BACK, async || self.ledger.acknowledged() > before + 3).await;
        assert!(more, "nothing more is stored: {:?}", self.ledger.refusals().last());
        self.load.stop().await;
        self.tally.check_all(&self.site, &self.ledger).await;
        self.tally.row(&self.ledger)
    }
}

async fn restarted(scale: Scale) -> Row {
    let mut scene = Scene::start().await;
    for round in 0..scale.pick(2, 10) {
        let mark = scene.site.log_mark();
        scene.postgres.stop();
        if round == 0 {
            outage::is_told_to_people(&scene.site, WORDS).await;
            scene
                .site
                .must_log(mark, "the database cannot be reached; start PostgreSQL or correct DATABASE_URL");
            let doctor = scene.site.doctor();
            assert!(doctor.contains("does not answer"), "{doctor}");
            assert_eq!(scene.site.ready().0, 503);
        }
        scene.postgres.start_again();
        scene.tally.injected();
        scene.recovers().await;
        if round == 0 {
            scene.site.must_log(mark, "the database can be reached again");
        }
    }
    scene.end().await
}

async fn killed(scale: Scale) -> Row {
    let mut scene = Scene::start().await;
    for round in 0..scale.pick(3, 30) {
        tokio::time::sleep(Duration::from_millis(100 + 97 * round % 700)).await;
        scene.postgres.kill();
        scene.tally.injected();
        // Its keeper notices, and starts it again.
        tokio::time::sleep(Duration::from_millis(300)).await;
        scene.recovers().await;
    }
    scene.end().await
}

async fn terminated(scale: Scale) -> Row {
    let mut scene = Scene::start().await;
    for round in 0..scale.pick(10, 200) {
        tokio::time::sleep(Duration::from_millis(37 * round % 300)).await;
        scene.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stillage'",
        );
        scene.tally.injected();
    }
    scene.recovers().await;
    scene.end().await
}

async fn commit_unanswered(scale: Scale) -> Row {
    commits(scale, Way::CommitUnanswered).await
}

async fn commit_lost(scale: Scale) -> Row {
    commits(scale, Way::CommitLost).await
}

async fn commits(scale: Scale, way: Way) -> Row {
    let mut scene = Scene::start().await;
    for _ in 0..scale.pick(5, 100) {
        let hits = scene.postgres.proxy.hits();
        scene.postgres.proxy.set(way.clone());
        assert!(within(BACK, async || scene.postgres.proxy.hits() > hits).await, "no commit came");
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.postgres.proxy.set(Way::Open);
        scene.tally.injected();
        scene.recovers().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    scene.end().await
}

async fn silent(scale: Scale) -> Row {
    let mut scene = Scene::start().await;
    for _ in 0..scale.pick(1, 3) {
        let (mark, begun) = (scene.site.log_mark(), Instant::now());
        scene.postgres.proxy.set(Way::Silent);
        outage::is_told_to_people(&scene.site, WORDS).await;
        assert_eq!(scene.site.ready().0, 503);
        tokio::time::sleep(Duration::from_secs(25).saturating_sub(begun.elapsed())).await;
        // No connection is waited for without end.
        scene.site.must_log(mark, "PostgreSQL was silent for too long");
        scene.postgres.proxy.set(Way::Open);
        scene.tally.injected();
        scene.recovers().await;
    }
    scene.end().await
}

async fn late(scale: Scale) -> Row {
    let mut scene = Scene::start().await;
    scene.postgres.proxy.set(Way::Late(Duration::from_secs(1)));
    let until = Instant::now() + Duration::from_secs(scale.pick(10, 60));
    while Instant::now() < until {
        let begun = Instant::now();
        assert_eq!(scene.site.person().get("/health/live").await.status(), 200);
        assert!(begun.elapsed() < Duration::from_secs(2), "live took {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    scene.postgres.proxy.set(Way::Open);
    scene.tally.injected();
    scene.recovers().await;
    scene.end().await
}

async fn down_at_start(_: Scale) -> Row {
    let (mut postgres, mut site) = Postgres::with_site(Options::default());
    postgres.stop();
    site.begin();
    site.must_log(0, "the database does not answer; trying for 60 s");
    assert!(!site.has_ended());
    let command = site.run(&["stats"]);
    let said = String::from_utf8_lossy(&command.stderr).into_owned();
    assert!(
        said.contains("does not answer") && said.contains("start PostgreSQL or correct DATABASE_URL"),
        "{said}"
    );
    postgres.start_again();
    let mut tally = Tally::default();
    tally.injected();
    let took = outage::is_over(&mut site, BACK).await;
    tally.recovered(took);
    let ledger = Ledger::default();
    let batch = ledger.new_batch(&site.person()).await.unwrap();
    ledger.upload(&site.person(), &batch).await.unwrap();
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

/// A filesystem of a size, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let options = format!("size={size},mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "stillage-faults"])
            .arg(folder)
            .output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What still uses it keeps it until then.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

async fn disk_full(scale: Scale) -> Row {
    let outside = TempDir::with_prefix("stillage-faults-disk-").unwrap();
    let folder = outside.path().join("data");
    fs::set_permissions(outside.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let Some(disk) = Small::mount(&folder, "160m") else {
        return Row::not_run("mounting a tmpfs needs root");
    };
    let mut scene = Scene::start_with(Options::default().data_in(&folder)).await;
    let filler = folder.join("filler");
    for _ in 0..scale.pick(1, 3) {
        let mark = scene.site.log_mark();
        // It fails at the end of the disk, as it is to.
        let _ = Command::new("dd")
            .args(["if=/dev/zero", "bs=64k", "count=4000"])
            .arg(format!("of={}", filler.display()))
            .output();
        let is_told = async || {
            scene.site.logged_since(mark, "the disk of PostgreSQL is full")
                || scene.site.logged_since(mark, "the database cannot be reached")
        };
        assert!(within(BACK, is_told).await, "nobody is told:\n{}", scene.site.log_text());
        assert_eq!(scene.site.person().get("/health/live").await.status(), 200);
        tokio::time::sleep(Duration::from_secs(2)).await;
        fs::remove_file(&filler).unwrap();
        scene.tally.injected();
        scene.recovers().await;
    }
    let row = scene.end().await;
    drop(disk);
    row
}

async fn postgres_stopped(scale: Scale) -> Row {
    let mut scene = Scene::start().await;
    let begun = Instant::now();
    scene.postgres.signal_all(Signal::SIGSTOP);
    outage::is_told_to_people(&scene.site, WORDS).await;
    tokio::time::sleep(Duration::from_secs(scale.pick(5, 30)).saturating_sub(begun.elapsed())).await;
    scene.postgres.signal_all(Signal::SIGCONT);
    scene.tally.injected();
    scene.recovers().await;
    scene.end().await
}

async fn server_stopped(scale: Scale) -> Row {
    let mut scene = Scene::start().await;
    for _ in 0..scale.pick(1, 3) {
        scene.site.signal(Signal::SIGSTOP);
        tokio::time::sleep(Duration::from_secs(scale.pick(5, 30))).await;
        let mark = scene.site.log_mark();
        scene.site.signal(Signal::SIGCONT);
        scene.tally.injected();
        scene.recovers().await;
        assert!(
            !scene.site.logged_since(mark, "was silent for too long"),
            "connections are blamed for the stop"
        );
    }
    scene.end().await
}
