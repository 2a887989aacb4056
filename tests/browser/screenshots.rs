//! `make screenshots`: the pictures in `docs/screenshots/`, of a fresh server with demo data, on a phone, a
//! tablet and a desk, light and dark.

#[expect(dead_code, reason = "it has what the browser tests need, too")]
mod harness;
#[expect(dead_code, reason = "it has what the browser tests need, too")]
mod samples;

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use harness::{Browser, Stillage};

/// Width and height in CSS pixels.
const SCREENS: [(u32, u32); 3] = [(390, 844), (820, 1180), (1440, 900)];
/// All pictures together stay below this: they are cloned by everybody.
const MOST_BYTES: usize = 3 * 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    fs::create_dir_all(&folder).unwrap();
    let stillage = Stillage::start();
    let said = stillage.output(&["demo"]);
    let password = said.split_whitespace().find(|word| word.starts_with("demo-")).expect("a password");
    let browser = Browser::start().await;
    let base = &stillage.base;

    let mut total = take(&browser, &folder, "login", &format!("{base}/login")).await;
    browser.fill("input[name=username]", "priya.nair").await;
    browser.fill("input[name=password]", password).await;
    browser.click("main form button.btn-primary").await;
    browser.find("nav.side").await;
    total += take(&browser, &folder, "batches", &format!("{base}/batches")).await;
    // The largest has the most to show.
    browser.open(&format!("{base}/batches?sort=size")).await;
    let batch = href(&browser, "main a.row-a").await;
    total += take(&browser, &folder, "batch", &batch).await;
    browser.open(&batch).await;
    let file = href(&browser, "main a[href^='/attachments/']:has([title^='IMG'])").await;
    total += take(&browser, &folder, "file", &file).await;
    total += take_upload(&browser, &folder, &stillage).await;
    total += take(&browser, &folder, "new-batch", &format!("{base}/batches/new")).await;
    total += take(&browser, &folder, "trash", &format!("{base}/trash")).await;
    browser.driver.clone().quit().await.unwrap();
    println!("{} KB of pictures in {}", total / 1024, folder.display());
    assert!(total <= MOST_BYTES, "more than {MOST_BYTES} bytes");
}

async fn href(browser: &Browser, css: &str) -> String {
    browser.find(css).await.prop("href").await.unwrap().unwrap()
}

/// Takes a page on every screen in both themes and returns the size of the pictures.
async fn take(browser: &Browser, folder: &Path, name: &str, url: &str) -> usize {
    shoot(browser, folder, name, Some(url)).await
}

/// Files on their way over a slow line, beside some that are stored and some that cannot be taken.
async fn take_upload(browser: &Browser, folder: &Path, stillage: &Stillage) -> usize {
    browser.open(&format!("{}/batches?status=open", stillage.base)).await;
    let batch = href(browser, "main a.row-a").await;
    browser.open(&batch).await;
    let files = stillage.folder.path();
    let mut paths: Vec<_> = samples::good(files).into_iter().map(|file| file.path).collect();
    paths.extend(samples::bad(files).into_iter().map(|(file, _)| file.path));
    choose(browser, &paths).await;
    browser.sees("3 stored").await;
    let slow = json!({ "offline": false, "latency": 50, "downloadThroughput": -1, "uploadThroughput": 8192 });
    browser.driver.cdp().send_raw("Network.emulateNetworkConditions", slow).await.unwrap();
    let record = files.join("Batch record, signed.pdf");
    fs::write(&record, [b"%PDF-1.7\n".to_vec(), vec![b' '; 900 * 1024]].concat()).unwrap();
    choose(browser, &[record]).await;
    browser.sees("Batch record").await;
    let total = shoot(browser, folder, "upload", None).await;
    let fast = json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    browser.driver.cdp().send_raw("Network.emulateNetworkConditions", fast).await.unwrap();
    browser.sees("4 stored").await;
    total
}

async fn choose(browser: &Browser, paths: &[std::path::PathBuf]) {
    let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    browser.find("input[type=file][name=files]").await.send_keys(paths.join("\n")).await.unwrap();
}

/// Takes what the browser shows, after opening `url` for each picture if there is one.
async fn shoot(browser: &Browser, folder: &Path, name: &str, url: Option<&str>) -> usize {
    let mut total = 0;
    for screen in SCREENS {
        for theme in ["light", "dark"] {
            browser.dress(screen, theme).await;
            if let Some(url) = url {
                browser.open(url).await;
            }
            let parameters = json!({ "format": "webp", "quality": 75 });
            let shot = browser.driver.cdp().send_raw("Page.captureScreenshot", parameters).await.unwrap();
            let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
            fs::write(folder.join(format!("{name}-{}-{theme}.webp", screen.0)), &bytes).unwrap();
            total += bytes.len();
        }
    }
    total
}
