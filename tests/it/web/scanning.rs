//! Malware: found by a real clamd, refused, and nothing stored whenever there is no clear word from it.

use std::time::Duration;

use chrono::TimeDelta;

use crate::support::{
    TestApp, Tus,
    clamd::{Clamd, FOUND, LIMIT, eicar, settings},
    fake_clamd::FakeClamd,
    samples,
};

/// A JPEG with these bytes in a comment.
pub(super) fn jpeg_saying(comment: &[u8]) -> Vec<u8> {
    let mut bytes = samples::jpeg();
    let length = (comment.len() as u16 + 2).to_be_bytes();
    bytes.splice(2..2, [&[0xff, 0xfe], length.as_slice(), comment].concat());
    bytes
}

/// A PDF with these bytes in a comment, in the middle of it.
pub(super) fn pdf_saying(comment: &[u8]) -> Vec<u8> {
    let bytes = samples::pdf("invoice");
    let (begin, end) = bytes.split_at(bytes.len() - 60);
    let middle = end.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    [begin, &end[..middle], b"% ", comment, b"\n", &end[middle..]].concat()
}

#[tokio::test]
async fn malware_is_refused_and_kept_in_the_trail_only() {
    let clamd = Clamd::start();
    let app = TestApp::with(&[("CLAMAV_ADDRESS", &clamd.address()), ("MAX_UPLOAD_SIZE_MB", "5")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let clean = staff.store(&batch, "clean.pdf", &samples::pdf("clean")).await;
    assert_eq!(clean["scan"], "clean");
    staff.store(&batch, "clean.jpg", &jpeg_saying(b"a comment")).await;
    let kept = app.kept();

    let infected = [
        ("inside.pdf", pdf_saying(&eicar())),
        ("picture.jpg", jpeg_saying(&eicar())),
        ("end.pdf", [samples::pdf_of(400_000), eicar()].concat()),
    ];
    for (name, bytes) in &infected {
        let answer = staff.upload(&batch, &[(name, bytes)]).await.is(422);
        assert_eq!(answer.code(), "infected", "{name}");
        answer.shows(FOUND);
        assert_eq!(app.kept(), kept, "{name}");
    }
    // A bare EICAR under a PDF's name is no PDF to begin with.
    staff.upload(&batch, &[("bare.pdf", &eicar())]).await.is(415);
    let event = app.value(
        "SELECT jsonb_agg(details || jsonb_build_object('actor', actor) ORDER BY id) FROM audit_events
          WHERE action = 'attachment.infected'",
    );
    let events: serde_json::Value = serde_json::from_str(&event).unwrap();
    assert_eq!(events.as_array().unwrap().len(), 3);
    assert_eq!((&events[0]["filename"], &events[0]["found"]), (&"inside.pdf".into(), &FOUND.into()));
    assert_eq!(
        (&events[0]["sha256"], &events[0]["actor"]),
        (&samples::sha256(&infected[0].1).into(), &"stan".into())
    );
    staff.get_html(&format!("/batches/{batch}")).await.is(200).shows("because of malware");

    let page = app.admin().await.get_html("/admin/quarantine").await.is(200);
    page.shows("inside.pdf").shows("picture.jpg").shows(FOUND).shows("Nothing is locked away");

    // One bad file does not stop the others, and a page says what happened to each.
    let files = [("good.pdf", samples::pdf("good")), infected[0].clone()];
    staff.upload(&batch, &files.each_ref().map(|(name, bytes)| (*name, bytes.as_slice()))).await.is(207);
    staff.upload_form(&batch, &[("inside.pdf", &infected[0].1)]).await.is(303);
    staff.get_html(&format!("/batches/{batch}")).await.is(200).shows("Malware was found").shows(FOUND);
}

#[tokio::test]
async fn without_a_scanners_word_nothing_is_stored() {
    let mut clamd = Clamd::start();
    let app = TestApp::with(&[("CLAMAV_ADDRESS", &clamd.address()), ("MAX_UPLOAD_SIZE_MB", "5")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let empty = app.kept();
    let probe = app.stranger();
    probe.get("/health/ready").await.is(200).hides("degraded");

    // Above what clamd reads, though not above what the server takes.
    let large = samples::pdf_of(LIMIT + 1);
    let answer = staff.upload(&batch, &[("large.pdf", &large)]).await.is(503);
    assert_eq!(answer.code(), "scanner_unavailable");
    answer.shows("larger than the malware scanner takes");
    assert_eq!(app.kept(), empty);
    staff.store(&batch, "fits.pdf", &samples::pdf_of(LIMIT - 1000)).await;
    let kept = app.kept();

    clamd.stop();
    for bytes in [samples::pdf("clean"), pdf_saying(&eicar())] {
        let answer = staff.upload(&batch, &[("a.pdf", &bytes)]).await.is(503);
        assert_eq!(answer.code(), "scanner_unavailable");
        assert_eq!(app.kept(), kept);
    }
    app.advance(TimeDelta::seconds(1));
    probe.get("/health/ready").await.is(200).shows("degraded: scanner");
    // What is stored is still handed out.
    staff.get(&format!("/batches/{batch}")).await.is(200);
}

#[tokio::test]
async fn a_resumable_upload_waits_for_the_scanner_and_ends_with_malware() {
    let fake = FakeClamd::saying(&["", "stream: OK\0", "stream: Some.Thing FOUND\0"]);
    let app = TestApp::with(&[("CLAMAV_ADDRESS", fake.address())]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let bytes = samples::pdf("slip");

    let upload = tus.create(&batch, "slip.pdf", bytes.len()).await;
    assert_eq!(tus.append(&upload, 0, &bytes).await.is(503).code(), "scanner_unavailable");
    assert_eq!(app.kept().rows, "0");
    let offset = tus.offset(&upload).await;
    tus.append(&upload, offset, &bytes[offset..]).await.is(204).header("x-attachment-id");
    assert_eq!(app.value("SELECT scan FROM attachments"), "clean");

    let upload = tus.create(&batch, "bad.pdf", bytes.len()).await;
    assert_eq!(tus.append(&upload, 0, &bytes).await.is(422).code(), "infected");
    tus.look(&upload).await.is(404);
    assert_eq!((app.kept().rows.as_str(), app.kept().staged.len()), ("1", 0));
    assert_eq!(fake.left(), 0);
}

#[tokio::test]
async fn an_answer_that_is_no_verdict_stores_nothing() {
    let odd =
        ["", "stream: OK", "OK\0", "stream: ok\0", "HTTP/1.1 200 OK\r\n\r\n", "stream: no memory ERROR\0"];
    let fake = FakeClamd::saying(&odd);
    let app = TestApp::with(&[("CLAMAV_ADDRESS", fake.address())]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let empty = app.kept();
    for words in odd {
        let answer = staff.upload(&batch, &[("a.pdf", &samples::pdf("a"))]).await.is(503);
        assert_eq!(answer.code(), "scanner_unavailable", "{words:?}");
        assert_eq!(app.kept(), empty, "{words:?}");
    }
    assert_eq!(fake.left(), 0);
}

/// A PDF of two megabytes with malware at its end, above the limit of one that these tests set.
fn large_and_infected() -> Vec<u8> {
    [samples::pdf_of(2 * LIMIT_ONE), eicar()].concat()
}

const LIMIT_ONE: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_larger_than_the_scanner_looks_at_is_refused_until_the_scanner_is_set_right() {
    // As clamd is by default: it calls what exceeds a limit clean, without a look.
    let mut clamd = Clamd::with(&settings(LIMIT_ONE, false));
    let app = TestApp::with(&[("CLAMAV_ADDRESS", &clamd.address()), ("MAX_UPLOAD_SIZE_MB", "5")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "small.pdf", &samples::pdf("small")).await;
    staff.store(&batch, "fits.pdf", &samples::pdf_of(LIMIT_ONE - 10_000)).await;
    let kept = app.kept();
    for bytes in [samples::pdf_of(2 * LIMIT_ONE), large_and_infected()] {
        let answer = staff.upload(&batch, &[("large.pdf", &bytes)]).await.is(503);
        assert_eq!(answer.code(), "scanner_unavailable");
        answer.shows("larger than the malware scanner takes");
        assert_eq!(app.kept(), kept);
    }
    assert_eq!(staff.upload(&batch, &[("bad.pdf", &pdf_saying(&eicar()))]).await.is(422).code(), "infected");
    let ready = app.stranger().get("/health/ready").await.is(200);
    ready.shows("degraded: scanner (does not look at files of MAX_UPLOAD_SIZE_MB").shows("AlertExceedsMax");

    // Started again with room for all: what was proven of the old one counts no more, nor what was not.
    clamd.start_again(&settings(20 * LIMIT_ONE, true));
    // Its end is noticed on another thread.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        staff.upload(&batch, &[("large.pdf", &large_and_infected())]).await.is(422).code(),
        "infected"
    );
    staff.store(&batch, "large.pdf", &samples::pdf_of(2 * LIMIT_ONE)).await;
    app.advance(TimeDelta::seconds(2));
    app.stranger().get("/health/ready").await.is(200).hides("degraded");

    // And with smaller limits again.
    clamd.start_again(&settings(LIMIT_ONE, false));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let kept = app.kept();
    staff.upload(&batch, &[("large.pdf", &large_and_infected())]).await.is(503);
    assert_eq!(app.kept(), kept);
}

#[tokio::test]
async fn scanner_that_finds_nothing_at_all_lets_no_file_in() {
    let fake = FakeClamd::blind();
    let app = TestApp::with(&[("CLAMAV_ADDRESS", fake.address())]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let empty = app.kept();
    let answer = staff.upload(&batch, &[("a.pdf", &samples::pdf("a"))]).await.is(503);
    assert_eq!(answer.code(), "scanner_unavailable");
    assert_eq!(app.kept(), empty);
}

#[tokio::test]
async fn file_that_the_scanner_cannot_look_into_is_refused_and_not_called_malware() {
    let odd = [
        ("stream: Heuristics.Encrypted.PDF FOUND\0", "protected with a password"),
        ("stream: Heuristics.Broken.Media.JPEG.JFIFdupAppMarker FOUND\0", "damaged"),
    ];
    let fake = FakeClamd::saying(&odd.map(|(words, _)| words));
    let app = TestApp::with(&[("CLAMAV_ADDRESS", fake.address())]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let empty = app.kept();
    for (words, said) in odd {
        let answer = staff.upload(&batch, &[("protected.pdf", &samples::pdf("a"))]).await.is(422);
        assert_eq!(answer.code(), "unscannable", "{words:?}");
        answer.shows(said).hides("Malware");
        assert_eq!(app.kept(), empty, "{words:?}");
    }
    assert_eq!(
        app.value("SELECT count(*)::text FROM audit_events WHERE action = 'attachment.infected'"),
        "0"
    );
    app.admin().await.get_html("/admin/quarantine").await.is(200).hides("protected.pdf");
}
