//! A clock that is a day ahead and set back again (libfaketime for the server's process).

use std::{fs, path::PathBuf, time::Duration};

use crate::support::{
    Fault, Ledger, Load, Options, Person, Row, Scale, Site, Tally, outage, site::PASSWORD, within,
};

const BACK: Duration = Duration::from_secs(60);

pub fn faults() -> Vec<Fault> {
    vec![Fault::new("clock a day ahead and set back", ahead)]
}

fn library() -> Option<PathBuf> {
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
        .map(|folder| PathBuf::from(folder).join("faketime/libfaketimeMT.so.1"))
        .into_iter()
        .find(|path| path.exists())
}

async fn ahead(scale: Scale) -> Row {
    let Some(library) = library() else { return Row::not_run("faketime is not installed") };
    let folder = tempfile::tempdir().unwrap();
    let shift = folder.path().join("shift");
    fs::write(&shift, "+0").unwrap();
    let options = Options::default()
        .env("LD_PRELOAD", library.display().to_string())
        .env("FAKETIME_TIMESTAMP_FILE", shift.display().to_string())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut site = Site::start_with(options);
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let load = Load::start(&site, &ledger);
    assert!(within(BACK, async || ledger.acknowledged() > 5).await, "nothing is stored");
    load.stop().await;
    for _ in 0..scale.pick(1, 5) {
        fs::write(&shift, "+1d").unwrap();
        // Sessions are over; who signs in goes on.
        assert!(within(BACK, async || site.person().get("/batches").await.status() == 303).await);
        let person = Person::sign_in(&site.base(), "ann", PASSWORD).await.expect("signing in a day later");
        let load = Load::with(&person, &ledger, 2);
        tokio::time::sleep(Duration::from_secs(scale.pick(2, 20))).await;
        load.stop().await;
        fs::write(&shift, "+0").unwrap();
        tally.injected();
        // The session of the day ahead is still good, and so is signing in.
        assert_eq!(person.get("/batches").await.status(), 200);
        let person = Person::sign_in(&site.base(), "ann", PASSWORD).await.expect("signing in afterwards");
        site.is_used_by(&person);
        let load = Load::with(&person, &ledger, 2);
        tokio::time::sleep(Duration::from_secs(scale.pick(2, 20))).await;
        load.stop().await;
        tally.recovered(outage::is_over(&mut site, BACK).await);
    }
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}
