//! What can be made again is taken away: the child that draws, and the folders besides `batches/`.

use std::{fs, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{Fault, Ledger, Load, Row, Scale, Site, Tally, site::descendants, within};

pub fn faults() -> Vec<Fault> {
    vec![
        Fault::new("the child that draws killed", child),
        Fault::new("previews/, .staging/ and .cache/ removed", folders),
    ]
}

async fn child(scale: Scale) -> Row {
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let load = Load::start(&site, &ledger);
    let server = site.pid().as_raw();
    for _ in 0..scale.pick(5, 60) {
        let killed = within(Duration::from_secs(30), async || {
            let children = descendants(server).into_iter().skip(1);
            let drawing: Vec<i32> = children.filter(|&pid| is_drawing(pid)).collect();
            drawing.into_iter().any(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok())
        })
        .await;
        assert!(killed, "nothing is drawn");
        tally.injected();
        tokio::time::sleep(Duration::from_millis(150)).await;
        tally.check_new(&site, &ledger).await;
    }
    load.stop().await;
    assert_eq!(site.ready().0, 200);
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

fn is_drawing(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(6).any(|word| word == b"render"))
}

async fn folders(scale: Scale) -> Row {
    let mut site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let load = Load::start(&site, &ledger);
    for round in 0..scale.pick(9, 120) {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let folder = ["previews", ".staging", ".cache"][round % 3];
        // Somebody may be making it at this moment.
        let _ = fs::remove_dir_all(site.uploads().join(folder));
        tally.injected();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    load.stop().await;
    tally.recovered(site.wait_ready(Duration::from_secs(20)).expect("ready"));
    let person = site.person();
    let batch = ledger.new_batch(&person).await.expect("a batch");
    assert!(ledger.upload(&person, &batch).await.is_some(), "{:?}", ledger.refusals());
    assert!(ledger.upload_by_tus(&person, &batch).await.is_some(), "{:?}", ledger.refusals());
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}
