//! Several servers: two on one data folder, two on one database, and a load that goes on and on.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{
    Fault, Ledger, Load, Options, Row, Scale, Site, Tally, outage,
    postgres::Postgres,
    proxy::{Proxy, Upstream},
    s3::{self, S3},
    within,
};

const BACK: Duration = Duration::from_secs(60);

pub fn faults() -> Vec<Fault> {
    vec![
        Fault::new("two servers on one data folder", one_folder),
        Fault::new("two servers on one database and bucket, one killed", one_database),
        Fault::new("mixed load for ten minutes", for_long),
    ]
}

async fn one_folder(_: Scale) -> Row {
    let mut site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let load = Load::start(&site, &ledger);
    let second = Options::default().data_in(site.data()).uploads_in(site.uploads()).without_template();
    let mut other = Site::prepare(second);
    other.begin();
    assert!(other.wait_ready(BACK).is_none(), "the second one serves");
    other.must_log(0, "another Stillage server");
    assert!(other.log_text().contains("set another STILLAGE_DATA_PATH"), "{}", other.log_text());
    tally.injected();
    // Its drop would wait for a PostgreSQL that is not its own.
    other.options = Options::default();
    drop(other);
    let took = outage::is_over(&mut site, BACK).await;
    tally.recovered(took);
    assert!(within(BACK, async || ledger.acknowledged() > 5).await, "nothing is stored");
    load.stop().await;
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

async fn one_database(scale: Scale) -> Row {
    let s3 = S3::start();
    let way = Proxy::to(Upstream::Tcp(s3.address));
    let mut options = Options::default().env("AWS_ENDPOINT_URL", format!("http://{}", way.address));
    for (name, value) in s3::environment(&s3.bucket(), "cloud") {
        options = options.env(name, value);
    }
    let (postgres, mut first) = Postgres::with_site(options.clone());
    first.start_again();
    let mut second = Site::prepare(options.env("DATABASE_URL", postgres.address()));
    second.start_again();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let loads = [Load::start(&first, &ledger), Load::start(&second, &ledger)];
    for round in 0..scale.pick(3, 50) {
        tokio::time::sleep(Duration::from_millis(600 + 137 * round % 900)).await;
        let begun = Instant::now();
        second.kill();
        assert_eq!(first.person().get("/batches").await.status(), 200, "the other one goes on");
        second.start_again();
        tally.injected();
        tally.recovered(begun.elapsed());
        tally.check_new(&first, &ledger).await;
    }
    for load in loads {
        load.stop().await;
    }
    tally.check_all(&first, &ledger).await;
    tally.row(&ledger)
}

/// Memory in kB, and open descriptors, of a server.
fn usage(site: &Site) -> (u64, usize) {
    let pid = site.pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = line.trim().trim_end_matches(" kB").parse().unwrap();
    (memory, fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
}

async fn for_long(scale: Scale) -> Row {
    let mut site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let load = Load::start(&site, &ledger);
    let length = Duration::from_secs(scale.pick(20, 600));
    tokio::time::sleep(length / 4).await;
    let (memory, descriptors) = usage(&site);
    tokio::time::sleep(length * 3 / 4).await;
    let (memory_later, descriptors_later) = usage(&site);
    // Room for caches, and for what an allocator keeps.
    assert!(memory_later < memory * 3 / 2 + 64 * 1024, "{memory} kB became {memory_later} kB");
    assert!(descriptors_later < descriptors + 40, "{descriptors} descriptors became {descriptors_later}");
    load.stop().await;
    tally.injected();
    let took = outage::is_over(&mut site, BACK).await;
    tally.recovered(took);
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}
