//! One suite for every home of files: a folder, a bucket of a server in this process, and, when
//! `STILLAGE_TEST_S3` names one, a bucket of a real engine (`make test-garage`).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use stillage::config::Patience;
use stillage::storage::{
    ByteStream, Home, Identity, LocalStore, MarkerPolicy, ObjectStorage, Placing, StorageError, bytes_of,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::s3::{self, S3};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder() {
    let folder = TempDir::with_prefix("stillage-it-home-").unwrap();
    let store = LocalStore::open(folder.path(), Uuid::new_v4(), MarkerPolicy::CreateIfMissing).unwrap();
    conforms(&Arc::new(store)).await;
    let staged = std::fs::read_dir(folder.path().join(".staging")).unwrap().count();
    assert_eq!(staged, 0, "failures leave nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket() {
    let s3 = S3::start();
    conforms(&s3.client()).await;
    assert_eq!(s3.parts(), 0, "failures leave nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_a_real_engine() {
    if let Some(bucket) = s3::engine() {
        conforms(&ObjectStorage::new(&bucket, Patience::default()).unwrap()).await;
    }
}

/// Everything that callers rely on.
async fn conforms(home: &impl Home) {
    for length in [1, 4096, 3 * MIB + 1, 16 * MIB, 16 * MIB + 1, 40 * MIB + 7] {
        comes_back_whole(home, length).await;
    }
    odd_names(home).await;
    missing_files(home).await;
    parts_of_files(home).await;
    wrong_bytes_never_stay(home).await;
    names_are_not_taken_over(home).await;
    listing(home).await;
}

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8 ^ (n / 65_536) as u8).collect()
}

fn identity(bytes: &[u8]) -> Identity {
    Identity { size: bytes.len() as u64, sha256: Sha256::digest(bytes).into() }
}

/// In pieces of an odd size, as they come from a network.
fn pieces(bytes: &[u8]) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(100_003).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

fn name() -> String {
    format!("{}_file.pdf", Uuid::new_v4())
}

async fn put(home: &impl Home, name: &str, bytes: &[u8]) {
    home.put(name, identity(bytes), pieces(bytes), Placing::New).await.unwrap();
}

async fn read(home: &impl Home, name: &str, part: Option<std::ops::Range<u64>>) -> Option<Vec<u8>> {
    let bytes = home.read(name, part).await.unwrap()?;
    Some(bytes.try_collect::<Vec<_>>().await.unwrap().concat())
}

async fn comes_back_whole(home: &impl Home, length: usize) {
    let (name, bytes) = (name(), sample(length));
    put(home, &name, &bytes).await;
    assert_eq!(home.size(&name).await.unwrap(), Some(length as u64));
    assert!(read(home, &name, None).await.unwrap() == bytes, "{length} bytes");
    assert_eq!(home.identify(&name).await.unwrap(), Some(identity(&bytes)));
    // Again: a job that runs twice.
    put(home, &name, &bytes).await;
    home.remove(&name).await.unwrap();
    assert_eq!(home.size(&name).await.unwrap(), None);
}

async fn odd_names(home: &impl Home) {
    let names = [
        "Zertifikat März 2026 (1).pdf",
        "50% & more+plus #7.pdf",
        "a%20b.pdf",
        "\"quoted\" 'name';=,@!~.png",
        "日本語 👩‍🔬.jpg",
        "..hidden..",
        "trailing dot.",
    ];
    for original in names {
        let name = stillage::storage::key::stored_name(Uuid::new_v4(), original);
        put(home, &name, b"odd").await;
        assert_eq!(read(home, &name, None).await.as_deref(), Some(&b"odd"[..]), "{name}");
        let listed = home.list().await.unwrap();
        assert!(listed.iter().any(|held| held.name == name && held.size == 3), "{name}");
        home.remove(&name).await.unwrap();
    }
}

async fn missing_files(home: &impl Home) {
    let name = name();
    assert_eq!(home.size(&name).await.unwrap(), None);
    assert!(home.read(&name, None).await.unwrap().is_none());
    assert!(home.read(&name, Some(0..5)).await.unwrap().is_none());
    assert_eq!(home.identify(&name).await.unwrap(), None);
    home.remove(&name).await.unwrap();
}

async fn parts_of_files(home: &impl Home) {
    let (name, bytes) = (name(), sample(3 * MIB));
    put(home, &name, &bytes).await;
    let length = bytes.len() as u64;
    for part in [0..1, 0..length, 5..10, MIB as u64 - 1..MIB as u64 + 1, length - 1..length] {
        let expected = &bytes[part.start as usize..part.end as usize];
        assert!(read(home, &name, Some(part.clone())).await.unwrap() == expected, "{part:?}");
    }
    home.remove(&name).await.unwrap();
}

async fn wrong_bytes_never_stay(home: &impl Home) {
    for length in [1000, 17 * MIB] {
        let (name, bytes) = (name(), sample(length));
        let right = identity(&bytes);
        let mut flipped = bytes.clone();
        flipped[length / 2] ^= 1;
        let longer = [&bytes[..], b"x"].concat();
        for (what, wrong) in [("flipped", &flipped[..]), ("short", &bytes[1..]), ("long", &longer)] {
            let refused = home.put(&name, right, pieces(wrong), Placing::New).await;
            assert!(matches!(refused, Err(StorageError::Mismatch)), "{what}: {refused:?}");
            assert_eq!(home.size(&name).await.unwrap(), None, "{what}");
        }
        let broken = pieces(&bytes[..length / 2]).chain(stream::iter([Err(StorageError::Full)])).boxed();
        assert!(matches!(home.put(&name, right, broken, Placing::New).await, Err(StorageError::Full)));
        assert_eq!(home.size(&name).await.unwrap(), None, "a source that breaks off");
    }
}

async fn names_are_not_taken_over(home: &impl Home) {
    for length in [1000, 17 * MIB] {
        let (name, first) = (name(), sample(length));
        let second: Vec<u8> = first.iter().map(|byte| byte ^ 0xFF).collect();
        put(home, &name, &first).await;
        // An engine that ignores put-if-absent may replace a small object; keys are never given twice.
        if home.put(&name, identity(&second), pieces(&second), Placing::New).await.is_err() {
            assert_eq!(home.identify(&name).await.unwrap(), Some(identity(&first)));
        }
        home.put(&name, identity(&second), pieces(&second), Placing::Over).await.unwrap();
        assert_eq!(home.identify(&name).await.unwrap(), Some(identity(&second)));
        home.remove(&name).await.unwrap();
    }
}

async fn listing(home: &impl Home) {
    let mut names: Vec<String> = (0..20).map(|_| name()).collect();
    names.sort();
    for (n, name) in names.iter().enumerate() {
        home.put(name, identity(&sample(n + 1)), bytes_of(sample(n + 1)), Placing::New).await.unwrap();
    }
    let mut listed = home.list().await.unwrap();
    listed.retain(|held| names.contains(&held.name));
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let expected: Vec<_> = names.iter().enumerate().map(|(n, name)| (name.clone(), n as u64 + 1)).collect();
    assert_eq!(listed.into_iter().map(|held| (held.name, held.size)).collect::<Vec<_>>(), expected);
    for name in names {
        home.remove(&name).await.unwrap();
    }
}
