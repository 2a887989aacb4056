//! A malware scanner that is down, hangs, or says what nobody understands: a real clamd behind a proxy.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{
    Fault, Ledger, Load, Options, Row, Scale, Site, Tally, outage,
    proxy::{Proxy, Upstream, Way},
    within,
};

const BACK: Duration = Duration::from_secs(60);

pub fn faults() -> Vec<Fault> {
    let fault = |name, way: Way| Fault::new(name, move |scale| one(scale, way.clone()));
    vec![
        fault("scanner down", Way::Reset),
        fault("scanner hangs", Way::Silent),
        fault("scanner answers garbage", Way::Garbage(b"<html>stream: OK</html>\0")),
    ]
}

struct Clamd {
    process: Child,
    folder: TempDir,
}

impl Clamd {
    /// `None` where there is no clamd.
    fn start() -> Option<Self> {
        let known =
            ["/usr/sbin/clamd", "/usr/bin/clamd", "/usr/local/sbin/clamd", "/opt/homebrew/sbin/clamd"];
        let program = known.into_iter().find(|path| Path::new(path).exists())?;
        let folder = TempDir::with_prefix("stillage-faults-clamd-").unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("signatures")).unwrap();
        // One signature that finds nothing here; without any, clamd does not start. Above the largest upload, as
        // the server asks of it.
        let bytes = hex::encode("a text that no test sends");
        fs::write(path("signatures/test.ndb"), format!("Stillage.Test.Never:0:*:{bytes}\n")).unwrap();
        let settings = format!(
            "Foreground yes\nDatabaseDirectory {}\nLocalSocket {}\nTemporaryDirectory {}\nStreamMaxLength 100M\n\
             MaxFileSize 100M\nMaxScanSize 400M\nAlertExceedsMax yes\nMaxThreads 4\n",
            path("signatures").display(),
            path("clamd.sock").display(),
            folder.path().display(),
        );
        fs::write(path("clamd.conf"), settings).unwrap();
        let process = Command::new(program)
            .arg("--config-file")
            .arg(path("clamd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let clamd = Self { process, folder };
        let until = Instant::now() + BACK;
        while std::os::unix::net::UnixStream::connect(clamd.folder.path().join("clamd.sock")).is_err() {
            assert!(Instant::now() < until, "clamd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(clamd)
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn one(scale: Scale, way: Way) -> Row {
    let Some(clamd) = Clamd::start() else { return Row::not_run("clamd is not installed") };
    let proxy = Proxy::to(Upstream::Unix(clamd.folder.path().join("clamd.sock")));
    let mut site =
        Site::start_with(Options::default().env("CLAMAV_ADDRESS", format!("tcp://{}", proxy.address)));
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let load = Load::start(&site, &ledger);
    assert!(
        within(BACK, async || ledger.acknowledged() > 5).await,
        "nothing is stored: {:?}",
        ledger.refusals()
    );
    for _ in 0..scale.pick(1, 10) {
        let (mark, begun) = (site.log_mark(), Instant::now());
        proxy.set(way.clone());
        while begun.elapsed() < Duration::from_secs(scale.pick(8, 20)) {
            assert_eq!(site.person().get("/batches").await.status(), 200, "pages do not need the scanner");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(
            within(BACK, async || site.ready().1.contains("degraded: scanner")).await,
            "{:?}",
            site.ready()
        );
        site.must_log(mark, "scanner");
        proxy.set(Way::Open);
        tally.injected();
        outage::is_over(&mut site, BACK).await;
        let (before, begun) = (ledger.acknowledged(), Instant::now());
        let works = async || ledger.acknowledged() > before + 3 && !site.ready().1.contains("scanner");
        assert!(within(BACK, works).await, "not as before: {:?}", ledger.refusals().last());
        tally.recovered(begun.elapsed());
    }
    load.stop().await;
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}
