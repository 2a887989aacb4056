//! Uploads that do not go smoothly: the server dies, the session ends, the person changes their mind.

use std::{collections::BTreeMap, fs, time::Duration};

use sha2::{Digest, Sha256};
use thirtyfour::By;

use crate::{
    harness::{Browser, Stillage},
    journeys::{PASSWORD, choose, make_batch, set_up, sign_in},
    samples,
};

/// How often each content is in the store.
fn stored(stillage: &Stillage) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(stillage.folder.path().join("uploads/batches")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        *found.entry(hex::encode(Sha256::digest(bytes))).or_insert(0) += 1;
    }
    found
}

/// Waits until the queue says that so many are stored, or more.
async fn until_stored(browser: &Browser, count: usize) {
    for _ in 0..400 {
        let words = browser.text("#queue-words").await;
        let stored = words.split_once(" stored").and_then(|(before, _)| before.parse().ok());
        if stored.is_some_and(|stored: usize| stored >= count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("fewer than {count} were stored");
}

#[tokio::test]
async fn fifty_files_arrive_once_each_though_the_server_is_killed_in_the_middle() {
    let mut stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;
    make_batch(&browser, &stillage, "B-50").await;
    let files = samples::many(stillage.folder.path(), 50);
    browser.limit_uploads(2_000_000).await;
    choose(&browser, &files).await;
    until_stored(&browser, 12).await;
    stillage.kill();
    browser.sees("trying again").await;
    stillage.start_again();
    browser.limit_uploads(-1).await;
    browser.sees_within(Duration::from_secs(60), "50 files stored").await;

    let expected: BTreeMap<String, usize> = files.iter().map(|file| (file.sha256(), 1)).collect();
    assert_eq!(expected.len(), 50);
    assert_eq!(stored(&stillage), expected);
    let staged = fs::read_dir(stillage.folder.path().join("uploads/.staging")).unwrap();
    assert_eq!(staged.count(), 0);
    browser.forgive_the_network().await;
    browser.open(&format!("{}/batches", stillage.base)).await;
    let row = browser.text(".rows-link tbody tr").await;
    assert!(row.contains("33") && row.contains("17"), "pictures and documents: {row}");
    browser.finish().await;
}

#[tokio::test]
async fn signing_in_again_in_another_tab_is_enough() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;
    make_batch(&browser, &stillage, "B-6").await;
    let batch = browser.driver.window().await.unwrap();
    browser.driver.delete_all_cookies().await.unwrap();
    choose(&browser, &samples::good(stillage.folder.path())).await;
    browser.sees("You are signed out").await;

    let login = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(login).await.unwrap();
    sign_in(&browser, &stillage, "priya.nair", PASSWORD).await;
    browser.driver.switch_to_window(batch).await.unwrap();
    browser.sees("3 files stored").await;
    assert_eq!(stored(&stillage).len(), 3);
    browser.forgive_the_network().await;
    browser.finish().await;
}

#[tokio::test]
async fn a_file_can_be_paused_resumed_and_removed() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;
    make_batch(&browser, &stillage, "B-7").await;
    let files = samples::many(stillage.folder.path(), 4);
    browser.limit_uploads(50_000).await;
    choose(&browser, &files[2..]).await;
    browser.sees("Uploading 2 files").await;
    browser.click("#queue-pause").await;
    browser.sees("2 files paused").await;
    let rows = browser.driver.find_all(By::Css("#queue-rows .q-remove")).await.unwrap();
    rows[1].click().await.unwrap();
    browser.sees("1 file paused").await;
    browser.limit_uploads(-1).await;
    browser.click("#queue-rows .q-resume").await;
    browser.sees("1 file stored").await;
    browser.find("#queue-receipt:not([hidden])").await;
    assert_eq!(stored(&stillage).into_keys().collect::<Vec<_>>(), [files[2].sha256()]);
    browser.forgive_the_network().await;
    browser.finish().await;
}

#[tokio::test]
async fn files_can_be_dropped_and_pasted_anywhere() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;
    make_batch(&browser, &stillage, "B-8").await;
    // No driver can drag from outside the browser; these are the events that it would cause.
    let script = "
        const [name, base64, type] = arguments;
        const transfer = new DataTransfer();
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type: 'application/pdf' }));
        const options = { bubbles: true, cancelable: true };
        if (type === 'paste') {
            document.body.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: transfer }));
        } else {
            document.body.dispatchEvent(new DragEvent('dragenter', { ...options, dataTransfer: transfer }));
            document.body.dispatchEvent(new DragEvent('drop', { ...options, dataTransfer: transfer }));
        }";
    for (file, way) in samples::many(stillage.folder.path(), 4).iter().step_by(3).zip(["drop", "paste"]) {
        let base64 = base64(&file.bytes);
        browser
            .driver
            .execute(script, vec![file.name.as_str().into(), base64.into(), way.into()])
            .await
            .unwrap();
    }
    browser.sees("2 files stored").await;
    assert_eq!(stored(&stillage).len(), 2);
    browser.finish().await;
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}
