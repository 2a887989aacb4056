//! `kill -9` of the server at any moment.

use std::time::{Duration, Instant};

use crate::support::{Fault, Ledger, Load, Row, Scale, Site, Tally};

pub fn faults() -> Vec<Fault> {
    vec![Fault::new("kill -9 at random moments", at_random)]
}

async fn at_random(scale: Scale) -> Row {
    let mut site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let load = Load::start(&site, &ledger);
    for round in 0..scale.pick(20, 500) {
        // At a different moment of the requests' life each time.
        let moment = 40 + (round * 389) % 900;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        let begun = Instant::now();
        site.kill();
        site.start_again();
        tally.injected();
        tally.recovered(begun.elapsed());
        tally.check_new(&site, &ledger).await;
    }
    load.stop().await;
    tally.check_all(&site, &ledger).await;
    assert!(ledger.acknowledged() > 40, "only {} uploads came through", ledger.acknowledged());
    tally.row(&ledger)
}
