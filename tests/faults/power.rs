//! Power cuts: files and database on a disk that forgets what was not flushed.

use std::time::{Duration, Instant};

use crate::support::{Fault, Ledger, Load, Options, Row, Scale, Site, Tally, disk::Disk, mounts_missing};

pub fn faults() -> Vec<Fault> {
    vec![
        Fault::new("power cut under load", |scale| cut(scale, When::UnderLoad)),
        Fault::new("power cut right after the acknowledgement", |scale| cut(scale, When::Acknowledged)),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    UnderLoad,
    Acknowledged,
}

async fn cut(scale: Scale, when: When) -> Row {
    if let Some(why) = mounts_missing() {
        return Row::not_run(why);
    }
    let disk = match Disk::ext4(700) {
        Ok(disk) => disk,
        Err(why) => return Row::not_run(why),
    };
    let options =
        Options::default().uploads_in(disk.path().join("uploads")).data_in(disk.path().join("data"));
    let mut site = Site::start_with(options);
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    for round in 0..scale.pick(3, 30) {
        let person = site.person();
        if when == When::Acknowledged {
            let batch = ledger.new_batch(&person).await.expect("a batch");
            let stored = if round % 2 == 0 {
                ledger.upload(&person, &batch).await
            } else {
                ledger.upload_by_tus(&person, &batch).await
            };
            stored.unwrap_or_else(|| panic!("not stored: {:?}", ledger.refusals()));
        }
        let load = (when == When::UnderLoad).then(|| Load::start(&site, &ledger));
        if load.is_some() {
            tokio::time::sleep(Duration::from_millis(700 + (round * 389) % 1500)).await;
        }
        let postgres = site.postgres();
        disk.cut_power().unwrap();
        site.kill();
        site.kill_postgres(&postgres);
        let begun = Instant::now();
        disk.unmount().unwrap();
        disk.mount().unwrap();
        site.start_again();
        tally.injected();
        tally.recovered(begun.elapsed());
        if let Some(load) = load {
            load.stop().await;
        }
        tally.check_new(&site, &ledger).await;
    }
    tally.check_all(&site, &ledger).await;
    let row = tally.row(&ledger);
    drop(site);
    row
}
