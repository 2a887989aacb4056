//! The admin's figures: the ledger says what the tables say, and downloads are counted as they are sent.

use chrono::TimeDelta;
use reqwest::{Method, header::AUTHORIZATION};
use serde_json::Value;
use stillage::domain::{access::Actor, bench, tally};

use crate::support::{Answer, Client, TestApp, samples};

async fn figures(by: &Client, query: &str) -> Value {
    by.get_json(&format!("/api/stats{query}")).await.is(200).json()
}

/// Files and bytes as `files bytes`.
fn pair(amount: &Value) -> String {
    format!("{} {}", amount["files"], amount["bytes"])
}

const STORED: &str = "SELECT concat(count(*), ' ', coalesce(sum(size_bytes), 0)) FROM attachments a
    JOIN batches b ON b.id = a.batch_id WHERE a.trashed_at IS NULL AND b.trashed_at IS NULL";
const TRASH: &str = "SELECT concat(count(*), ' ', coalesce(sum(size_bytes), 0)) FROM attachments a
    JOIN batches b ON b.id = a.batch_id WHERE a.state <> 'purged'
     AND (a.trashed_at IS NOT NULL OR b.trashed_at IS NOT NULL)";

async fn agree(app: &TestApp, by: &Client) {
    let stats = figures(by, "").await;
    assert_eq!(pair(&stats["stored"]), app.value(STORED));
    assert_eq!(pair(&stats["trash"]), app.value(TRASH));
}

#[tokio::test]
async fn the_ledger_says_what_the_tables_say() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    agree(&app, &admin).await;
    let batch = staff.make_batch("B-1").await;
    let first = staff.store_id(&batch, "a.pdf", &samples::pdf("a")).await;
    let second = staff.store_id(&batch, "b.png", &samples::png()).await;
    staff.store_id(&batch, "c.pdf", &samples::pdf("c")).await;
    agree(&app, &admin).await;
    let acts = [
        format!("/attachments/{first}/delete"),
        // Twice is once.
        format!("/attachments/{first}/delete"),
        format!("/batches/{batch}/delete"),
        format!("/batches/{batch}/delete"),
        format!("/batches/{batch}/restore"),
        format!("/attachments/{first}/restore"),
    ];
    for act in acts {
        staff.post_form(&act, &[]).await.is(303);
        agree(&app, &admin).await;
        // Summed up or not, the sums are the same.
        tally::fold(&app.app).await.unwrap();
        agree(&app, &admin).await;
    }
    let both = [("ids", first.as_str()), ("ids", second.as_str())];
    staff.post_form(&format!("/batches/{batch}/files/delete"), &both).await.is(303);
    agree(&app, &admin).await;
    staff.post_form(&format!("/batches/{batch}/files/restore"), &both).await.is(303);
    agree(&app, &admin).await;

    let stats = figures(&admin, "?step=day").await;
    assert_eq!(stats["types"].as_array().unwrap().len(), 2);
    assert_eq!(stats["largest_batches"][0]["number"], "B-1");
    assert_eq!(stats["uploaders"][0]["files"], 3);
    assert_eq!(stats["spans"].as_array().unwrap().len(), 30);
    assert_eq!(stats["spans"][29]["stored"], stats["stored"]);
    assert_eq!(stats["ever"]["uploaded"]["files"], 3);
    assert_eq!(stats["costs"][0]["cost"], Value::Null, "nobody has said what the disk costs");
}

#[tokio::test]
async fn a_refused_upload_leaves_no_trace_in_the_ledger() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.post_form(&format!("/batches/{batch}/close"), &[]).await.is(303);
    assert_ne!(staff.upload(&batch, &[("a.pdf", &samples::pdf("a"))]).await.status, 201);
    assert_eq!(app.value("SELECT count(*) FROM usage_ledger"), "0");
}

#[tokio::test]
async fn figures_are_of_the_chosen_site() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let other = app.add_site("Elsewhere");
    let batch = staff.make_batch("B-1").await;
    staff.store_id(&batch, "a.pdf", &samples::pdf("a")).await;
    assert_eq!(figures(&admin, &format!("?site={other}")).await["stored"]["files"], 0);
    let main = app.value("SELECT id FROM sites WHERE is_default");
    let own = figures(&admin, &format!("?site={main}")).await;
    assert_eq!((&own["stored"]["files"], &own["sites"][0]["files"]), (&1.into(), &1.into()));
    admin.get_html(&format!("/admin?site={main}&step=week")).await.is(200).shows("Elsewhere");
    for site in ["nonsense", "00000000-0000-4000-8000-000000000000"] {
        admin.get(&format!("/admin?site={site}")).await.is(404);
    }
}

#[tokio::test]
async fn downloads_are_counted_as_they_are_sent() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "a.pdf", &samples::pdf_of(1000)).await;
    let size = file["size"].as_i64().unwrap();
    let path = format!("/attachments/{}/download", file["id"].as_str().unwrap());
    let stored = format!("/api/production/attachment/{}", file["stored_name"].as_str().unwrap());
    let counted = async || {
        let ever = figures(&admin, "").await["ever"].clone();
        ["downloaded", "parts", "viewed"].map(|what| pair(&ever[what])).join(", ")
    };
    // What carries no bytes is no download.
    staff.head(&path).await.is(200);
    staff.get_with(&path, &[("Range", "bytes=9999999-")]).await.is(416);
    let etag = format!("\"{}\"", file["sha256"].as_str().unwrap());
    staff.get_with(&path, &[("If-None-Match", &etag)]).await.is(304);
    staff.head(&format!("/batches/{batch}/archive.zip")).await.is(200);
    assert_eq!(counted().await, "0 0, 0 0, 0 0");
    staff.get(&path).await.is(200);
    assert_eq!(counted().await, format!("1 {size}, 0 0, 0 0"));
    // Resumed: one download more, and every byte once.
    staff.get_with(&stored, &[("Range", "bytes=0-99")]).await.is(206);
    staff.get_with(&stored, &[("Range", "bytes=100-")]).await.is(206);
    assert_eq!(counted().await, format!("2 {}, 1 {}, 0 0", size + 100, size - 100));
    let view = format!("/attachments/{}/preview", file["id"].as_str().unwrap());
    staff.get(&view).await.is(200);
    staff.get(&format!("/batches/{batch}/archive.zip")).await.is(200);
    assert_eq!(counted().await, format!("3 {}, 1 {}, 1 {size}", 2 * size + 100, size - 100));
    let link = [("expires_in_hours", "24")];
    let made = staff.post_for_json(&format!("/batches/{batch}/shares"), &link).await.is(201).json();
    let token = made["share"]["url"].as_str().unwrap().rsplit_once("/s/").unwrap().1.to_owned();
    let chosen = [("file", file["id"].as_str().unwrap())];
    app.stranger().post_form(&format!("/s/{token}/download"), &chosen).await.is(200);
    assert_eq!(counted().await, format!("4 {}, 1 {}, 1 {size}", 3 * size + 100, size - 100));
}

#[tokio::test]
async fn old_days_are_kept_by_the_month() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("B-1").await;
    for name in ["a.pdf", "b.pdf"] {
        staff.store_id(&batch, name, &samples::pdf(name)).await;
    }
    app.execute(
        "UPDATE usage_ledger SET day = day - 800; INSERT INTO usage_ledger
        (day, op, site, content_type, files, bytes) SELECT day + 1, 'download', site, content_type, 1, 1
        FROM usage_ledger LIMIT 1",
    );
    tally::fold(&app.app).await.unwrap();
    tally::fold(&app.app).await.unwrap();
    assert_eq!(
        app.value("SELECT string_agg(DISTINCT extract(day FROM day)::text, ' ') FROM usage_ledger"),
        "1"
    );
    assert_eq!(app.value("SELECT sum(files) FROM usage_ledger"), "3");
    agree(&app, &admin).await;
}

#[tokio::test]
async fn every_table_is_a_file_for_a_spreadsheet() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("=1+1").await;
    staff.store_id(&batch, "a.pdf", &samples::pdf("a")).await;
    let tables = ["growth", "downloads", "types", "sites", "batches", "uploaders", "disk", "costs", "bills"];
    let page = admin.get_html("/admin").await.is(200).text();
    for table in tables {
        let csv = admin.get(&format!("/admin/stats.csv?table={table}")).await.is(200);
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
        assert!(csv.header("content-disposition").starts_with("attachment"));
        assert!(csv.text().lines().count() > 1, "{table}");
        assert!(table == "sites" || page.contains(&format!("table={table}&")), "{table} has its link");
    }
    admin.get("/admin/stats.csv?table=batches").await.is(200).shows("'=1+1,Soap,");
    admin.get("/admin/stats.csv?table=nothing").await.is(404);
}

#[tokio::test]
async fn prices_are_set_checked_and_on_record() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let page = admin.get_html("/admin/prices").await.is(200).shows("Cloudflare R2").text();
    let mut fields: Vec<(String, String)> = page
        .split("<input class=\"input\" id=\"")
        .skip(1)
        .map(|part| {
            let name = part.split('"').next().unwrap().to_owned();
            let value = part.split_once("value=\"").unwrap().1.split('"').next().unwrap().to_owned();
            (name, value)
        })
        .collect();
    assert_eq!(fields.len(), 17);
    fields[0].1 = "0.02".to_owned();
    fields.push(("backup_elsewhere".to_owned(), "1".to_owned()));
    let send = async |fields: &[(String, String)]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        admin.post_form("/admin/prices", &fields).await
    };
    assert_eq!(send(&fields).await.is(303).location(), "/admin#costs");
    // The same again is no change.
    send(&fields).await.is(303);
    let events = "SELECT count(*) FROM audit_events WHERE action = 'settings.prices'";
    assert_eq!(app.value(events), "1");
    let costs = &figures(&admin, "").await["costs"];
    assert_eq!(costs[0]["tariff"]["gb_month"], 20_000);
    assert_eq!(costs[0]["cost"]["now"]["total"], 0);
    admin.get_html("/admin/prices").await.is(200).shows("value=\"0.02\"");
    fields[1].1 = "1,5".to_owned();
    send(&fields).await.is(422).shows("A price in dollars").shows("value=\"1,5\"");
    assert_eq!(app.value(events), "1");
}

#[tokio::test]
async fn only_a_token_with_the_scope_of_an_admin_reads_the_figures() {
    let app = TestApp::start();
    let admin = app.admin().await;
    for (scope, expected) in [("read", 403), ("upload", 403), ("admin", 200)] {
        let fields = [("name", "script"), ("scope", scope), ("site", ""), ("days", "30")];
        let page = admin.post_form("/account/tokens", &fields).await.is(201).text();
        let token = format!("Bearer stl_{}", &page.split_once("stl_").unwrap().1[..64]);
        let request = app.stranger().request(Method::GET, "/api/stats").header(AUTHORIZATION, token);
        Answer::to(request).await.is(expected);
    }
}

#[tokio::test]
async fn a_store_for_measuring_is_in_the_ledger() {
    let app = TestApp::start();
    let admin = app.admin().await;
    bench::fill(&app.app, &Actor::console(), 1010, |_| {}).await.unwrap();
    agree(&app, &admin).await;
    let stats = figures(&admin, "").await;
    assert_eq!(stats["stored"]["files"], 1010);
    assert_eq!(stats["largest_batches"].as_array().unwrap().len(), 10);
    app.advance(TimeDelta::days(40));
    let admin = app.stranger().sign_in("ada").await;
    assert_eq!(figures(&admin, "?step=day").await["basis"]["growth"], 0, "nothing came in the last month");
}
