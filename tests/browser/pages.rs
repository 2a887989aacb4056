//! Every page on a phone, a tablet and a desk, light and dark: axe finds nothing (WCAG 2.2 A and AA), nothing
//! scrolls sideways, and the console stays silent.

use std::path::Path;

use thirtyfour::By;

use crate::{
    harness::{Browser, Stillage},
    journeys::{PASSWORD, choose, make_batch, set_up, sign_in},
    samples,
};

/// Width and height of the screens, in CSS pixels.
const SCREENS: [(u32, u32); 3] = [(390, 844), (820, 1180), (1440, 900)];
const THEMES: [&str; 2] = ["light", "dark"];

/// What does not fit its column may scroll within a frame of its own; the page may not.
const LOOK: &str = "
    const done = arguments[0];
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const found = wide > 0 ? ['the page is ' + wide + ' pixels too wide'] : [];
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
    axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] }).then(
        result => {
            for (const rule of result.violations)
                for (const node of rule.nodes)
                    found.push(rule.id + ': ' + node.target.join(' ') + ': ' + node.failureSummary);
            done(found);
        },
        error => done(['axe: ' + error]),
    );";

fn axe() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(path).expect("`.ci/setup axe` installs axe-core; `make test` calls it")
}

/// What was found on the pages so far.
struct Inspection<'a> {
    browser: &'a Browser,
    axe: String,
    found: Vec<String>,
}

impl Inspection<'_> {
    /// Looks at the page that is open, on each screen and in each theme.
    async fn look(&mut self, name: &str) {
        let driver = &self.browser.driver;
        driver.execute(self.axe.as_str(), Vec::new()).await.unwrap();
        for screen in SCREENS {
            for theme in THEMES {
                self.browser.dress(screen, theme).await;
                let found = driver.execute_async(LOOK, Vec::new()).await.unwrap();
                let found: Vec<String> = found.convert().unwrap();
                self.found
                    .extend(found.into_iter().map(|what| format!("{name}, {}, {theme}: {what}", screen.0)));
            }
        }
    }

    async fn open(&mut self, name: &str, url: &str) {
        self.browser.open(url).await;
        self.look(name).await;
    }

    /// Follows the first link whose address begins so.
    async fn follow(&mut self, name: &str, begin: &str) {
        let link = self.browser.find(&format!("main a[href^='{begin}']")).await;
        let href = link.prop("href").await.unwrap().unwrap();
        self.open(name, &href).await;
    }
}

#[tokio::test]
async fn every_page_is_there_for_everybody_on_every_screen() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    let base = stillage.base.clone();
    let mut inspection = Inspection { browser: &browser, axe: axe(), found: Vec::new() };

    inspection.open("setup", &stillage.setup_link).await;
    inspection.open("login", &format!("{base}/login")).await;
    set_up(&browser, &stillage).await;
    inspection.look("batches, none").await;
    inspection.open("trash, empty", &format!("{base}/trash")).await;
    inspection.open("new batch", &format!("{base}/batches/new")).await;
    make_batch(&browser, &stillage, "B-2026-0142 with quite a long number, as some have").await;
    let batch = browser.driver.current_url().await.unwrap().to_string();
    inspection.look("batch, empty").await;
    let files = samples::good(stillage.folder.path());
    choose(&browser, &files).await;
    browser.sees("3 files stored").await;
    inspection.look("batch, queue done").await;
    inspection.open("batch", &batch).await;
    inspection.open("batch, table", &format!("{batch}?view=table")).await;
    inspection.open("edit", &format!("{batch}/edit")).await;
    inspection.open("batch", &format!("{batch}?view=gallery")).await;
    inspection.follow("file", "/attachments/").await;
    browser.click("button[popovertarget=ask-delete]").await;
    inspection.look("file, asked").await;
    browser.click("#ask-delete button.btn-destroy").await;
    browser.sees("to the trash").await;
    inspection.look("batch, file deleted").await;
    inspection.open("trash", &format!("{base}/trash")).await;
    inspection.open("admin trash", &format!("{base}/admin/trash")).await;
    browser.click("button[popovertarget^=ask-][title]").await;
    inspection.look("admin trash, asked").await;

    stillage.output(&["bench-data", "--attachments", "20000"]);
    inspection.open("batches, 1,000", &format!("{base}/batches")).await;
    browser.find("a[rel=next]").await;
    inspection.open("batches, found", &format!("{base}/batches?q=lavender&status=open&sort=size")).await;
    inspection.open("batches, nothing found", &format!("{base}/batches?q=nowhere")).await;
    inspection.follow("batches, all again", "/batches").await;

    inspection.open("account", &format!("{base}/account")).await;
    inspection.open("overview", &format!("{base}/admin")).await;
    inspection.open("prices", &format!("{base}/admin/prices")).await;
    for page in ["storage", "audit", "jobs", "settings", "doctor"] {
        inspection.open(page, &format!("{base}/admin/{page}")).await;
    }
    inspection.open("tokens", &format!("{base}/account/tokens")).await;
    browser.fill("#name", "ERP, with quite a long name, as some have").await;
    browser.click("main form button.btn-primary").await;
    browser.sees("stl_").await;
    inspection.look("token, made").await;
    inspection.open("two-factor, off", &format!("{base}/account/two-factor")).await;
    browser.click("main form button.btn-primary").await;
    browser.sees("Scan this").await;
    inspection.look("two-factor, enrolling").await;
    inspection.open("share links, none", &format!("{batch}/shares")).await;
    browser.click("main form button.btn-primary").await;
    browser.sees("Here is your link").await;
    inspection.look("share link, made").await;
    let shared = browser.text(".secret").await;
    inspection.open("shared", &shared).await;
    inspection.open("all share links", &format!("{base}/admin/shares")).await;
    inspection.open("quarantine, empty", &format!("{base}/admin/quarantine")).await;
    inspection.open("users", &format!("{base}/admin/users")).await;
    inspection.open("users, nobody found", &format!("{base}/admin/users?q=nobody")).await;
    browser.fill("#username", "wanda").await;
    browser.click("main form button.btn-primary").await;
    browser.sees("A link for wanda").await;
    inspection.look("link").await;
    let link = browser.text("#link").await;
    browser.click("main a.btn-primary").await;
    browser.click("button[popovertarget=ask-disable]").await;
    inspection.look("user, asked").await;
    inspection.open("sites", &format!("{base}/admin/sites")).await;
    browser.fill("#name", "A second site with quite a long name, as some have").await;
    browser.click("main form button.btn-primary").await;
    browser.sees("0 people").await;
    inspection.follow("site", "/admin/sites/").await;
    inspection.open("users, many sites", &format!("{base}/admin/users")).await;
    inspection.follow("user, many sites", "/admin/users/").await;
    inspection.open("choose a password", &link).await;

    stillage
        .command(&["user", "add", "vic", "--role", "viewer", "--password-stdin"], &format!("{PASSWORD}\n"));
    sign_in(&browser, &stillage, "vic", PASSWORD).await;
    inspection.open("batch, for a viewer", &batch).await;
    assert!(inspection.found.is_empty(), "{}", inspection.found.join("\n"));
    // A page that says no is noted on the console by Chromium itself, and only that.
    let log = browser.driver.browser_log().await.unwrap();
    assert!(log.is_empty(), "the console says: {log:?}");
    inspection.open("error", &format!("{base}/batches/none")).await;
    inspection.open("forbidden", &format!("{base}/batches/new")).await;
    assert!(inspection.found.is_empty(), "{}", inspection.found.join("\n"));
    assert!(browser.driver.find_all(By::Css("main")).await.unwrap().len() == 1);
    let log = browser.driver.browser_log().await.unwrap();
    assert!(log.iter().all(|entry| entry.source.as_deref() == Some("network")), "{log:?}");
    browser.finish().await;
}
