//! The bucket as the home of files, local storage as spool and cache.

use std::fs;

use stillage::{
    app::App,
    clock::Clock,
    config::Config,
    domain::{access::Actor, attachments, audit::reads::Reading},
};
use tempfile::TempDir;

use super::{COPIES, download, text};
use crate::support::{
    Answer, TestApp,
    s3::{Mood, S3},
    samples,
};

fn cached(app: &TestApp) -> Vec<String> {
    let entries = fs::read_dir(app.store().join(".cache")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_stored_when_the_bucket_has_it() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "cloud", &[("MAX_UPLOAD_SIZE_MB", "40")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for bytes in [samples::pdf("small"), samples::pdf_of(20 << 20)] {
        let file = staff.store(&batch, "slip.pdf", &bytes).await;
        let name = text(&file, "stored_name");
        assert_eq!(file["copies"], serde_json::json!({ "local": "none", "cloud": "present" }));
        assert!(fs::read(s3.object(name)).unwrap() == bytes);
        assert!(cached(&app).contains(&name.to_owned()), "who uploads a file looks at it next");
        for _ in 0..2 {
            assert!(staff.get(&download(&file)).await.is(200).body == bytes);
            // Again from the bucket: the cache may vanish at any time.
            fs::remove_dir_all(app.store().join(".cache")).unwrap();
        }
        assert!(staff.get(&download(&file)).await.is(200).body == bytes);
        let asked = s3.connections.load(std::sync::atomic::Ordering::Relaxed);
        let part = staff.get_with(&download(&file), &[("Range", "bytes=-4")]).await.is(206);
        assert!(part.body == bytes[bytes.len() - 4..]);
        assert_eq!(s3.connections.load(std::sync::atomic::Ordering::Relaxed), asked, "from the cache");
    }
    assert_eq!(app.kept().published, Vec::<String>::new());
    assert_eq!(app.value(COPIES), "cloud present");
    assert_eq!(app.value("SELECT count(*) FROM jobs WHERE kind LIKE 'copy%'"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_bucket_nothing_is_stored_and_nothing_is_left() {
    let s3 = S3::start_for_the_impatient();
    let app = TestApp::with_cloud(&s3, "cloud", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for mood in [Mood::Refusing, Mood::Stalling, Mood::Overloaded] {
        s3.set(mood);
        let refused = staff.upload(&batch, &[("slip.pdf", &samples::pdf("x"))]).await.is(507);
        assert_eq!(refused.json()["results"][0]["error"]["code"], "storage_unavailable", "{mood:?}");
    }
    s3.set(Mood::Well);
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0));
    assert_eq!(s3.objects(), Vec::<String>::new());
    // A bucket that was silent is tried again every few seconds only.
    app.app.cloud.as_ref().unwrap().probe().await.unwrap();
    staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upload_leaves_no_object() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "cloud", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.upload(&batch, &[("photo.png", &samples::pdf("x"))]).await.is(415);
    app.execute("ALTER TABLE audit_events ADD CONSTRAINT no_uploads CHECK (action <> 'attachment.upload')");
    staff.upload(&batch, &[("slip.pdf", &samples::pdf("x"))]).await.is(500);
    assert_eq!(s3.objects(), Vec::<String>::new(), "a commit that is rolled back takes its object with it");
    assert_eq!(app.kept().rows, "0");
    app.execute("ALTER TABLE audit_events DROP CONSTRAINT no_uploads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_instance_with_a_disk_of_its_own_serves_the_same_files() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "cloud", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bytes = samples::pdf("x");
    let file = staff.store(&batch, "slip.pdf", &bytes).await;

    let disk = TempDir::with_prefix("stillage-it-other-").unwrap();
    let environment = s3.environment("cloud");
    let config = Config::from_lookup(|name| match name {
        "DATABASE_URL" => Some(app.database.url.clone()),
        "UPLOAD_STORAGE_PATH" => Some(disk.path().display().to_string()),
        _ => environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),
    })
    .unwrap();
    let other = App::assemble(config, app.database.url.clone(), None, Clock::default(), 2).unwrap();
    assert_eq!(other.store.trouble(), None, "an empty disk is a new one, since no file is at home there");
    let id = text(&file, "id").parse().unwrap();
    let opened =
        attachments::open(&other, &Actor::console(), attachments::Name::Id(id), |_| Reading::Nothing)
            .await
            .unwrap();
    assert_eq!(opened.first, bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_leads_to_an_address_for_this_request_only() {
    let s3 = S3::start();
    let more = [("DOWNLOAD_MODE", "redirect"), ("SIGNED_URL_TTL_SECONDS", "60")];
    let app = TestApp::with_cloud(&s3, "cloud", &more);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bytes = samples::pdf("x");
    let file = staff.store(&batch, "März.pdf", &bytes).await;
    let by_name = text(&file, "url").to_owned();
    for path in [download(&file), by_name] {
        let answer = staff.get(&path).await.is(307);
        assert_eq!(answer.header("cache-control"), "private, no-store");
        staff.head(&path).await.is(307);
        let url = answer.location().to_owned();
        assert!(url.contains("X-Amz-Expires=60"), "{url}");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let signed = Answer::to(http.get(&url)).await.is(200);
        assert!(signed.body == bytes);
        assert!(url.contains("response-content-type=application%2Fpdf"), "{url}");
        assert!(url.contains("UTF-8%27%27M%25C3%25A4rz.pdf"), "{url}");
    }
    app.stranger().get(&download(&file)).await.is(401);
    app.add_site("Elsewhere");
    let outsider = app.new_user("otto", stillage::domain::access::Role::Viewer, &["Elsewhere"]).await;
    outsider.get(&download(&file)).await.is(404);
    // What is shown in a page comes from here: a browser would not follow across sites under our policy.
    staff.get(&format!("/attachments/{}/preview", text(&file, "id"))).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cdn_gets_a_token_that_expires() {
    let s3 = S3::start();
    let more = [
        ("DOWNLOAD_MODE", "redirect"),
        ("ATTACHMENT_CDN_BASE_URL", "https://cdn.example.com/"),
        ("ATTACHMENT_CDN_SIGNING_KEY", "a key"),
    ];
    let app = TestApp::with_cloud(&s3, "cloud", &more);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    let answer = staff.get(&download(&file)).await.is(307);
    let expected = format!("https://cdn.example.com/batches/{}?verify=", text(&file, "stored_name"));
    assert!(answer.location().starts_with(&expected), "{}", answer.location());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_copy_is_served_from_here_even_in_redirect_mode() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[("DOWNLOAD_MODE", "redirect")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    app.work_off().await;
    staff.get(&download(&file)).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_file_in_the_cache_is_fetched_again() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "cloud", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for (name, bytes) in [("large.pdf", samples::pdf_of(700_000)), ("small.pdf", samples::pdf("small"))] {
        let file = staff.store(&batch, name, &bytes).await;
        let path = app.store().join(".cache").join(text(&file, "stored_name"));
        let mut flipped = fs::read(&path).unwrap();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let request = staff.request(reqwest::Method::GET, &download(&file)).header("Accept", "*/*");
        let sent = request.send().await.unwrap().bytes().await;
        assert!(sent.is_err() || sent.unwrap() == bytes, "{name}: changed bytes are handed out as whole");
        assert!(staff.get(&download(&file)).await.is(200).body == bytes, "{name}");
        assert!(fs::read(&path).unwrap() == bytes, "{name}");
    }
}
