//! What people do, from the first start on.

use sha2::{Digest, Sha256};
use thirtyfour::{By, Key};

use crate::{
    harness::{Browser, Stillage},
    samples::{self, Sample},
};

pub const PASSWORD: &str = "three words in a row";

/// Makes the first admin through the one-time link.
pub async fn set_up(browser: &Browser, stillage: &Stillage) {
    browser.open(&stillage.setup_link).await;
    browser.fill("input[name=username]", "priya.nair").await;
    browser.fill("input[name=password]", PASSWORD).await;
    browser.click("main form button.btn-primary").await;
    browser.sees("No batches yet").await;
}

pub async fn sign_in(browser: &Browser, stillage: &Stillage, name: &str, password: &str) {
    browser.open(&format!("{}/login", stillage.base)).await;
    browser.fill("input[name=username]", name).await;
    browser.fill("input[name=password]", password).await;
    browser.click("main form button.btn-primary").await;
    browser.find("nav.side").await;
}

pub async fn make_batch(browser: &Browser, stillage: &Stillage, number: &str) {
    browser.open(&format!("{}/batches/new", stillage.base)).await;
    browser.fill("input[name=number]", number).await;
    browser.fill("input[name=product]", "Olive & bay soap bar 100 g").await;
    browser.click("main form button.btn-primary").await;
    browser.sees("Drop files").await;
}

/// Chooses files as the file dialog would hand them over.
pub async fn choose<'a>(browser: &Browser, files: impl IntoIterator<Item = &'a Sample>) {
    let paths: Vec<String> = files.into_iter().map(|file| file.path.to_str().unwrap().to_owned()).collect();
    browser.find("input[type=file][name=files]").await.send_keys(paths.join("\n")).await.unwrap();
}

#[tokio::test]
async fn from_the_first_start_to_a_restored_file() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;

    browser.click("a[href='/batches/new']").await;
    browser.fill("input[name=number]", "B-2026-0142").await;
    browser.fill("input[name=product]", "Olive & bay soap bar 100 g").await;
    browser.click("main form button.btn-primary").await;
    browser.sees("B-2026-0142 is ready for files").await;

    let files = samples::good(stillage.folder.path());
    choose(&browser, &files).await;
    browser.sees("3 files stored").await;

    // What comes back is what went in, byte for byte.
    let cookie = browser.cookie().await;
    let batch = browser.driver.current_url().await.unwrap().to_string();
    browser.open(&batch).await;
    for file in &files {
        let link =
            browser.driver.find(By::XPath(format!("//a[.//*[@title={:?}]]", file.name))).await.unwrap();
        let href = link.attr("href").await.unwrap().unwrap();
        let answer = reqwest::Client::new()
            .get(format!("{}{href}/download", stillage.base))
            .header("Cookie", &cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(hex::encode(Sha256::digest(&bytes)), file.sha256(), "{}", file.name);
    }

    // A file: looked at, deleted, found in the trash, brought back.
    browser.click("a[href^='/attachments/']").await;
    browser.sees("SHA-256").await;
    let name = browser.text("h1").await;
    browser.click("button[popovertarget=ask-delete]").await;
    browser.click("#ask-delete button.btn-destroy").await;
    browser.sees("to the trash").await;
    browser.click("nav.side a[href='/trash']").await;
    browser.sees(&name).await;
    browser.click("main form[action$='/restore'] button").await;
    browser.sees("Restored").await;

    // Out and in again.
    browser.click("summary[aria-label*='your menu']").await;
    browser.click("form[action='/logout'] button").await;
    browser.sees("Sign in").await;
    sign_in(&browser, &stillage, "priya.nair", PASSWORD).await;
    browser.sees("B-2026-0142").await;
    browser.finish().await;
}

#[tokio::test]
async fn refused_files_are_named_with_the_reason() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;
    make_batch(&browser, &stillage, "B-2").await;
    let (good, bad) = (samples::good(stillage.folder.path()), samples::bad(stillage.folder.path()));
    choose(&browser, good.iter().take(1).chain(bad.iter().map(|(file, _)| file))).await;
    browser.sees("1 stored, 4 not stored").await;
    for (file, reason) in &bad {
        browser.sees(&file.name).await;
        browser.sees(reason).await;
    }
    // One answer of the server was a refusal, and Chromium notes every such answer on the console.
    let log = browser.driver.browser_log().await.unwrap();
    assert!(log.iter().all(|entry| entry.source.as_deref() == Some("network")), "{log:?}");
    browser.finish().await;
}

#[tokio::test]
async fn everything_works_without_scripts() {
    let stillage = Stillage::start();
    let browser = Browser::without_scripts().await;
    set_up(&browser, &stillage).await;
    browser.open(&format!("{}/batches/new", stillage.base)).await;
    browser.fill("input[name=number]", "B-3").await;
    browser.fill("input[name=product]", "Soap").await;
    browser.click("main form button.btn-primary").await;
    browser.sees("B-3 is ready for files").await;
    let (good, bad) = (samples::good(stillage.folder.path()), samples::bad(stillage.folder.path()));
    choose(&browser, good.iter().chain(bad.iter().map(|(file, _)| file))).await;
    browser.click("form[enctype='multipart/form-data'] button[type=submit], form[enctype='multipart/form-data'] button:not([type])").await;
    browser.sees("3 of 7 files stored").await;
    for (file, reason) in &bad {
        browser.sees(&file.name).await;
        browser.sees(reason).await;
    }
    browser.finish().await;
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;
    browser.open(&format!("{}/batches/new", stillage.base)).await;
    let number = browser.find("input[name=number]").await;
    number.send_keys("B-4").await.unwrap();
    number.send_keys(Key::Enter).await.unwrap();
    browser.sees("B-4 is ready for files").await;
    // The file input takes focus and shows it; what the dialog would do follows.
    let chosen = samples::good(stillage.folder.path());
    choose(&browser, &chosen[..1]).await;
    browser.sees("1 file stored").await;
    let batch = browser.driver.current_url().await.unwrap().to_string();
    browser.open(&batch).await;
    let file = browser.find("main a[href^='/attachments/']").await;
    file.send_keys(Key::Enter).await.unwrap();
    browser.sees("SHA-256").await;
    browser.find("body").await.send_keys("/").await.unwrap();
    let focused = browser.driver.active_element().await.unwrap();
    assert_eq!(focused.attr("type").await.unwrap().as_deref(), Some("search"));
    focused.send_keys("B-4").await.unwrap();
    focused.send_keys(Key::Enter).await.unwrap();
    browser.find("a[href^='/batches/'].row-a").await;
    browser.finish().await;
}

#[tokio::test]
async fn a_viewer_sees_and_cannot_change() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;
    make_batch(&browser, &stillage, "B-5").await;
    let batch = browser.path().await;
    stillage
        .command(&["user", "add", "vic", "--role", "viewer", "--password-stdin"], &format!("{PASSWORD}\n"));
    sign_in(&browser, &stillage, "vic", PASSWORD).await;
    browser.open(&format!("{}{batch}", stillage.base)).await;
    browser.sees("B-5").await;
    for css in ["input[type=file]", "button[popovertarget]", "main form[method=post]"] {
        assert!(browser.driver.find_all(By::Css(css)).await.unwrap().is_empty(), "a viewer sees {css}");
    }
    browser.finish().await;
}
