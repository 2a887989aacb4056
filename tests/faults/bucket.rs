//! A bucket that refuses, stalls, breaks off, lies, or is gone: a real S3 server behind a proxy, in both modes that
//! use one. With `.ci/with-garage` around the tests it is a Garage.

use std::time::{Duration, Instant};

use crate::support::{
    Fault, Ledger, Load, Options, Row, Scale, Site, Tally, outage,
    proxy::{Proxy, Upstream, Way},
    s3::{self, S3},
    within,
};

const BACK: Duration = Duration::from_secs(90);

const REVOKED: &str =
    "<?xml version=\"1.0\"?><Error><Code>InvalidAccessKeyId</Code><Message>no</Message></Error>";
const GONE: &str = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>no</Message></Error>";
const DOWN: &str = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>no</Message></Error>";

/// What happens to the way to the bucket, and what the log says of it; `None` where nothing need be said.
type Case = (&'static str, &'static str, Way, Option<&'static str>);

fn cases() -> Vec<Case> {
    let late = Way::Late(Duration::from_secs(Scale::chosen().pick(2, 10)));
    vec![
        ("bucket refuses connections (hybrid)", "hybrid", Way::Reset, Some("the bucket fails")),
        ("bucket refuses connections (cloud)", "cloud", Way::Reset, Some("the bucket fails")),
        (
            "bucket answers 503 (hybrid)",
            "hybrid",
            Way::Answers(503, DOWN),
            Some("is not able to serve right now"),
        ),
        (
            "bucket answers 503 (cloud)",
            "cloud",
            Way::Answers(503, DOWN),
            Some("is not able to serve right now"),
        ),
        ("bucket stalls (hybrid)", "hybrid", Way::Silent, None),
        ("bucket stalls (cloud)", "cloud", Way::Silent, None),
        ("bucket resets after the body (hybrid)", "hybrid", Way::AnswerCut(0), Some("the bucket fails")),
        ("bucket resets after the body (cloud)", "cloud", Way::AnswerCut(0), Some("the bucket fails")),
        ("bucket hands out wrong bytes (hybrid)", "hybrid", Way::Corrupt, None),
        ("bucket hands out wrong bytes (cloud)", "cloud", Way::Corrupt, None),
        ("bucket slow by 10 s (hybrid)", "hybrid", late.clone(), None),
        ("bucket slow by 10 s (cloud)", "cloud", late, None),
        (
            "credentials revoked (hybrid)",
            "hybrid",
            Way::Answers(403, REVOKED),
            Some("does not know the access key"),
        ),
        (
            "credentials revoked (cloud)",
            "cloud",
            Way::Answers(403, REVOKED),
            Some("does not know the access key"),
        ),
        ("bucket gone (hybrid)", "hybrid", Way::Answers(404, GONE), Some("There is no bucket")),
        ("bucket gone (cloud)", "cloud", Way::Answers(404, GONE), Some("There is no bucket")),
    ]
}

pub fn faults() -> Vec<Fault> {
    let in_this_scale = |case: &Case| {
        // Hybrid mode hides the bucket from people: two of its rows say so in the short form.
        Scale::chosen() == Scale::Full
            || case.1 == "cloud"
            || case.0.contains("503")
            || case.0.contains("wrong")
    };
    let fault = |case: Case| Fault::new(case.0, move |scale| one(scale, case.clone()));
    cases().into_iter().filter(in_this_scale).map(fault).collect()
}

async fn one(scale: Scale, (_, mode, way, line): Case) -> Row {
    let s3 = S3::start();
    let proxy = Proxy::to(Upstream::Tcp(s3::engine_address().unwrap_or(s3.address)));
    let mut options = Options::default();
    for (name, value) in s3::environment(&s3::engine().unwrap_or_else(|| s3.bucket()), mode) {
        options = options.env(name, value);
    }
    options = options.env("AWS_ENDPOINT_URL", format!("http://{}", proxy.address));
    let mut site = Site::start_with(options);
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let load = Load::start(&site, &ledger);
    assert!(
        within(BACK, async || ledger.acknowledged() > 5).await,
        "nothing is stored: {:?}",
        ledger.refusals()
    );

    for _ in 0..scale.pick(1, 3) {
        let (mark, begun) = (site.log_mark(), Instant::now());
        proxy.set(way.clone());
        let length = if way == Way::Silent { scale.pick(8, 70) } else { scale.pick(4, 30) };
        while begun.elapsed() < Duration::from_secs(length) {
            let asked = Instant::now();
            assert_eq!(site.person().get("/batches").await.status(), 200, "pages do not need the bucket");
            assert!(asked.elapsed() < Duration::from_secs(10), "a page took {:?}", asked.elapsed());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if let Some(line) = line {
            site.must_log(mark, line);
            assert!(site.ready().1.contains("degraded: cloud"), "{:?}", site.ready());
        }
        proxy.set(Way::Open);
        tally.injected();
        let begun = Instant::now();
        outage::is_over(&mut site, BACK).await;
        let before = ledger.acknowledged();
        let works = async || ledger.acknowledged() > before + 3 && !site.ready().1.contains("cloud");
        assert!(
            within(BACK, works).await,
            "not as before: {:?} {:?}",
            site.ready(),
            ledger.refusals().last()
        );
        tally.recovered(begun.elapsed());
        tally.check_new(&site, &ledger).await;
    }
    load.stop().await;
    // Every file that was acknowledged gets its copy; what came out wrong is read again.
    let person = site.person();
    let copied = async || {
        let mut all_are = true;
        for batch in ledger.batches() {
            let files = person.batch(&batch).await.json();
            let files = files["attachments"].as_array().cloned().unwrap_or_default();
            all_are &= files.iter().all(|file| file["copies"]["cloud"] == "present");
        }
        all_are
    };
    assert!(within(BACK, copied).await, "copies are missing:\n{}", site.log_text());
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}
