//! The same act many times at once is done once: one event, one entry in the ledger, one count.

use futures_util::future::join_all;
use reqwest::{Method, header::ACCEPT};

use crate::support::{Answer, Client, TestApp, samples};

/// Sends the same form many times at the same moment, each with its own fields, and returns the statuses.
async fn at_once(by: &Client, requests: Vec<(String, Vec<(&'static str, String)>)>) -> Vec<u16> {
    let token = by.token().await;
    let send = |(path, fields): (String, Vec<(&'static str, String)>)| {
        let request = by.request(Method::POST, &path).header(ACCEPT, "application/json");
        Answer::to(request.header("X-CSRF-Token", &token).form(&fields))
    };
    join_all(requests.into_iter().map(send)).await.iter().map(|answer| answer.status).collect()
}

/// Events, entries of the ledger for files, and what the batch counts.
fn counted(app: &TestApp, action: &str, op: &str) -> String {
    app.value(&format!(
        "SELECT (SELECT count(*) FROM audit_events WHERE action = '{action}') || ' events, '
             || (SELECT coalesce(sum(files), 0) FROM usage_ledger WHERE op = '{op}') || ' files, '
             || (SELECT sum(files_count) FROM batches) || ' left'"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_and_comes_back_once() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    let file = staff.store_id(&batch, "paper.pdf", &samples::pdf("paper")).await;
    staff.store_id(&batch, "stays.pdf", &samples::pdf("stays")).await;
    let same = |path: String| vec![(path, Vec::new()); 12];
    for round in 1..=3 {
        let statuses = at_once(&staff, same(format!("/attachments/{file}/delete"))).await;
        assert_eq!(statuses, [303; 12]);
        assert_eq!(
            counted(&app, "attachment.trash", "trash"),
            format!("{round} events, {round} files, 1 left")
        );
        let statuses = at_once(&staff, same(format!("/attachments/{file}/restore"))).await;
        assert_eq!(statuses, [303; 12]);
        let restored = format!("{round} events, {round} files, 2 left");
        assert_eq!(counted(&app, "attachment.restore", "restore"), restored);
    }
    staff.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    let purge = (format!("/admin/trash/files/{file}/purge"), vec![("confirm", "1".to_owned())]);
    assert_eq!(at_once(&admin, vec![purge; 12]).await, [303; 12]);
    assert_eq!(counted(&app, "attachment.purge_now", "purge"), "1 events, 0 files, 1 left");
    super::work(&app).await;
    assert_eq!(counted(&app, "attachment.purge", "purge"), "1 events, 1 files, 1 left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticked_files_go_once_in_whatever_order_and_company() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(staff.store_id(&batch, &format!("{n}.pdf"), &samples::pdf(&n.to_string())).await);
    }
    let ticked = |act: &str| -> Vec<_> {
        let chosen = (0..9).map(|n| {
            let mut ids = ids.clone();
            ids.rotate_left(n % 6);
            if n % 2 == 0 {
                ids.reverse();
            }
            ids.truncate(4 + n % 3);
            (format!("/batches/{batch}/files/{act}"), ids.into_iter().map(|id| ("ids", id)).collect())
        });
        let act = if act == "delete" { "delete" } else { "restore" };
        let single = ids.iter().map(|id| (format!("/attachments/{id}/{act}"), Vec::new()));
        chosen.chain(single).collect()
    };
    assert_eq!(at_once(&staff, ticked("delete")).await, [303; 15]);
    assert_eq!(counted(&app, "attachment.trash", "trash"), "6 events, 6 files, 0 left");
    assert_eq!(at_once(&staff, ticked("restore")).await, [303; 15]);
    assert_eq!(counted(&app, "attachment.restore", "restore"), "6 events, 6 files, 6 left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_goes_and_comes_back_once() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    staff.store_id(&batch, "paper.pdf", &samples::pdf("paper")).await;
    for (act, action) in [("delete", "batch.trash"), ("restore", "batch.restore"), ("delete", "batch.trash")]
    {
        let same = vec![(format!("/batches/{batch}/{act}"), Vec::new()); 12];
        assert_eq!(at_once(&staff, same).await, [303; 12], "{act} {action}");
    }
    assert_eq!(counted(&app, "batch.trash", "trash"), "2 events, 2 files, 1 left");
    assert_eq!(counted(&app, "batch.restore", "restore"), "1 events, 1 files, 1 left");
    let purge = (format!("/admin/trash/batches/{batch}/purge"), vec![("confirm", "1".to_owned())]);
    assert_eq!(at_once(&admin, vec![purge; 12]).await, [303; 12]);
    assert_eq!(counted(&app, "batch.purge_now", "purge"), "1 events, 0 files, 1 left");
    super::work(&app).await;
    assert!(counted(&app, "batch.purge", "purge").starts_with("1 events, 1 files"));
}
