//! What a bucket that fails is called, and that failures are noticed and forgotten.

use std::{fs, net::TcpListener, time::Duration};

use stillage::storage::{Home, Identity, ObjectStorage, Placing, StorageError, bytes_of};

use crate::support::s3::{Mood, S3};

/// SHA-256 of "hello".
const HELLO: Identity = Identity {
    size: 5,
    sha256: [
        0x2c, 0xf2, 0x4d, 0xba, 0x5f, 0xb0, 0xa3, 0x0e, 0x26, 0xe8, 0x3b, 0x2a, 0xc5, 0xb9, 0xe2, 0x9e, 0x1b,
        0x16, 0x1e, 0x5c, 0x1f, 0xa7, 0x42, 0x5e, 0x73, 0x04, 0x33, 0x62, 0x93, 0x8b, 0x98, 0x24,
    ],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_tested_with_a_put_a_get_and_a_delete() {
    let s3 = S3::start();
    let client = s3.client();
    client.probe().await.unwrap();
    client.check().await.unwrap();
    assert_eq!(client.trouble(), None);
    assert!(client.place().starts_with("files at 127.0.0.1:"));
    assert!(
        fs::read_dir(s3.object("x").parent().unwrap().parent().unwrap()).unwrap().all(|entry| !entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("probe"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_in_one_line() {
    let s3 = S3::start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let right = s3.bucket();
    let cases = [
        ("bucket", "There is no bucket \"other\""),
        ("key", "does not know the access key"),
        ("secret", "The secret key does not belong to the access key"),
        ("endpoint", "cannot be reached"),
    ];
    for (what, expected) in cases {
        let mut bucket = right.clone();
        match what {
            "bucket" => bucket.name = "other".to_owned(),
            "key" => bucket.access_key_id = "unknown".to_owned(),
            "secret" => bucket.secret_access_key = "wrong".into(),
            _ => bucket.endpoint = Some(format!("http://{free}")),
        }
        let client = ObjectStorage::new(&bucket, s3.patience).unwrap();
        let reason = client.probe().await.unwrap_err().to_string();
        assert!(reason.contains(expected) && !reason.contains('\n'), "{what}: {reason}");
        assert_eq!(client.trouble(), Some(reason));
        // A bucket that is not there must not look like a file that is not there.
        assert!(matches!(client.size("a").await, Err(StorageError::Cloud(_))), "{what}");
        assert!(matches!(client.read("a", None).await, Err(StorageError::Cloud(_))), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_is_not_waited_for_and_trouble_passes() {
    let s3 = S3::start_for_the_impatient();
    let client = s3.client();
    let table = [
        (Mood::Refusing, "The connection to"),
        (Mood::Stalling, "does not answer in time"),
        (Mood::Overloaded, "is not able to serve right now (503)"),
    ];
    for (mood, expected) in table {
        s3.set(mood);
        let put = client.put("a", HELLO, bytes_of("hello"), Placing::New);
        let failed = tokio::time::timeout(Duration::from_secs(15), put).await.expect("a limit").unwrap_err();
        assert!(failed.to_string().contains(expected), "{mood:?}: {failed}");
        assert_eq!(client.trouble(), Some(failed.to_string()));
    }
    s3.set(Mood::Well);
    client.put("a", HELLO, bytes_of("hello"), Placing::New).await.unwrap();
    assert_eq!(client.trouble(), None);
    assert_eq!(client.identify("a").await.unwrap(), Some(HELLO));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_changed_in_the_bucket_do_not_pass_for_the_file() {
    let s3 = S3::start();
    let client = s3.client();
    client.put("a", HELLO, bytes_of("hello"), Placing::New).await.unwrap();
    fs::write(s3.object("a"), b"hallo").unwrap();
    let again = client.put("a", HELLO, bytes_of("hello"), Placing::New).await;
    assert!(matches!(again, Err(StorageError::Taken)), "{again:?}");
    client.put("a", HELLO, bytes_of("hello"), Placing::Over).await.unwrap();
    assert_eq!(fs::read(s3.object("a")).unwrap(), b"hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_address_serves_one_file_for_a_while_to_anybody() {
    let s3 = S3::start();
    let client = s3.client();
    client.put("a b+c.pdf", HELLO, bytes_of("hello"), Placing::New).await.unwrap();
    let disposition = "attachment; filename=\"a.pdf\"; filename*=UTF-8''%C3%A4.pdf";
    let life = Duration::from_secs(2);
    let url = client.signed_url("a b+c.pdf", life, disposition, "application/pdf").await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap(), "hello");
    // The engine in tests does not act on these two; that they are signed is what matters here.
    assert!(url.contains("response-content-type=application%2Fpdf"), "{url}");
    assert!(url.contains("response-content-disposition=attachment%3B%20filename%3D%22a.pdf%22"), "{url}");
    let forged = url.replace("a.pdf%22", "b.pdf%22");
    assert_ne!(http.get(forged).send().await.unwrap().status(), 200, "with another name");
    let (base, query) = url.split_once('?').unwrap();
    assert_ne!(http.get(base).send().await.unwrap().status(), 200, "without its signature");
    let other = format!("{}?{query}", base.replace("c.pdf", "d.pdf"));
    assert_ne!(http.get(other).send().await.unwrap().status(), 200, "for another file");
}
