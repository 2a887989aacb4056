//! Clients that are slow, break off, or come in crowds; a server with few descriptors or little memory.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Fault, Ledger, Load, Options, Row, Scale, Site, Tally, outage, within};

const BACK: Duration = Duration::from_secs(60);
/// Who is signed in gets a page within this time, throughout.
const PAGE: Duration = Duration::from_secs(10);

pub fn faults() -> Vec<Fault> {
    vec![
        Fault::new("200 slow uploaders", slow),
        Fault::new("500 uploads broken off", broken_off),
        Fault::new("2,000 idle connections", idle),
        Fault::new("300 connections at 256 descriptors", few_descriptors),
        Fault::new("little memory", little_memory),
    ]
}

struct Scene {
    site: Site,
    ledger: Ledger,
    tally: Tally,
    load: Load,
}

impl Scene {
    async fn start(options: Options) -> Self {
        let site = Site::start_with(options);
        let ledger = Ledger::default();
        let load = Load::start(&site, &ledger);
        let scene = Self { site, ledger, tally: Tally::default(), load };
        assert!(within(BACK, async || scene.ledger.acknowledged() > 5).await, "nothing is stored");
        scene
    }

    async fn answers(&self) {
        let begun = Instant::now();
        let (live, page) =
            (self.site.person().get("/health/live").await, self.site.person().get("/login").await);
        assert_eq!(live.status(), 200, "{live:?}");
        assert_eq!(page.status(), 200, "{page:?}");
        assert!(begun.elapsed() < PAGE, "two pages took {:?}", begun.elapsed());
    }

    async fn end(mut self) -> Row {
        let took = outage::is_over(&mut self.site, BACK).await;
        self.tally.recovered(took);
        let before = self.ledger.acknowledged();
        let more = within(BACK, async || self.ledger.acknowledged() > before + 3).await;
        assert!(more, "nothing more is stored: {:?}", self.ledger.refusals().last());
        self.load.stop().await;
        self.tally.check_all(&self.site, &self.ledger).await;
        self.tally.row(&self.ledger)
    }
}

/// The head and a first piece of an upload of 200 kB; the connection, to go on with.
async fn begin_upload(site: &Site, batch: &str) -> std::io::Result<TcpStream> {
    let (cookie, token) = site.person().session();
    let base = site.base();
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await?;
    let head = format!(
        "POST /batches/{batch}/attachments HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nX-CSRF-Token: {token}\r\n\
         Accept: application/json\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 200000\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"slow.pdf\"\r\n\r\n%PDF-1.7\n"
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

async fn slow(scale: Scale) -> Row {
    let mut scene = Scene::start(Options::default()).await;
    let batch = scene.ledger.new_batch(&scene.site.person()).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(begin_upload(&scene.site, &batch).await.unwrap());
    }
    let until = Instant::now() + Duration::from_secs(scale.pick(5, 60));
    while Instant::now() < until {
        for stream in &mut open {
            // It may have been refused and closed.
            let _ = stream.write_all(b"x").await;
        }
        scene.answers().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    scene.tally.injected();
    drop(open);
    scene.end().await
}

async fn broken_off(_: Scale) -> Row {
    let mut scene = Scene::start(Options::default()).await;
    let batch = scene.ledger.new_batch(&scene.site.person()).await.unwrap();
    for at in 0..500_u64 {
        let mut stream = begin_upload(&scene.site, &batch).await.unwrap();
        let _ = stream.write_all(&vec![7; (at * 397 % 150_000) as usize]).await;
        if at % 2 == 0 {
            stream.set_zero_linger().unwrap();
        }
        drop(stream);
        scene.tally.injected();
    }
    scene.answers().await;
    scene.end().await
}

async fn idle(scale: Scale) -> Row {
    let count = 2000;
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    if limit.1 < count + 500 {
        return Row::not_run(format!("this user may open {} files", limit.1));
    }
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, limit.1.min(8192), limit.1)
        .unwrap();
    let mut scene = Scene::start(Options::default()).await;
    let base = scene.site.base();
    let host = base.trim_start_matches("http://");
    let mut open = Vec::new();
    for _ in 0..count {
        // Beyond what a server takes, the kernel keeps them waiting.
        if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(host)).await {
            open.push(stream);
        }
    }
    let until = Instant::now() + Duration::from_secs(scale.pick(3, 60));
    while Instant::now() < until {
        scene.answers().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    scene.tally.injected();
    drop(open);
    scene.end().await
}

async fn few_descriptors(scale: Scale) -> Row {
    let options = Options::default().wrapped(&["sh", "-c", "ulimit -n 256; exec \"$0\" \"$@\""]);
    let mut scene = Scene::start(options).await;
    let base = scene.site.base();
    let host = base.trim_start_matches("http://");
    let mut open = Vec::new();
    for _ in 0..300 {
        if let Ok(Ok(mut stream)) =
            tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(host)).await
        {
            let _ = stream.write_all(b"GET /login HTTP/1.1\r\n").await;
            open.push(stream);
        }
    }
    tokio::time::sleep(Duration::from_secs(scale.pick(3, 20))).await;
    scene.answers().await;
    scene.tally.injected();
    for stream in &mut open {
        // Whatever came, or nothing.
        let _ = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut [0; 64])).await;
    }
    drop(open);
    scene.end().await
}

async fn little_memory(scale: Scale) -> Row {
    let options = Options::default().wrapped(&["sh", "-c", "ulimit -v 1500000; exec \"$0\" \"$@\""]);
    let mut scene = Scene::start(options).await;
    let person = scene.site.person();
    let more = Load::with(&person, &scene.ledger, 24);
    tokio::time::sleep(Duration::from_secs(scale.pick(5, 60))).await;
    scene.answers().await;
    more.stop().await;
    scene.tally.injected();
    scene.end().await
}
