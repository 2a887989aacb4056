//! The files of a batch: every order, filters, pages, and what is remembered.

use std::collections::HashSet;

use crate::support::{Client, TestApp, samples};

/// A batch with rows of files (and no bytes): names, sizes, kinds and times all occur more than once.
async fn batch_of(app: &TestApp, by: &Client, count: usize) -> String {
    let batch = by.make_batch("B-1").await;
    app.execute(&format!(
        "INSERT INTO attachments (id, batch_id, stored_name, original_name, content_type, size_bytes, sha256, kind,
                                  uploaded_by, uploaded_at)
         SELECT gen_random_uuid(), '{batch}', gen_random_uuid() || '_' || n,
                CASE n % 3 WHEN 0 THEN 'İMG_' WHEN 1 THEN 'img_' ELSE 'Ångström_' END || n % 40 || '.pdf',
                'application/pdf', 1 + n % 7, sha256(n::text::bytea),
                (ARRAY['photo', 'certificate', 'batch_record', 'label', 'other'])[1 + n % 5],
                (SELECT id FROM users LIMIT 1), timestamptz '2026-05-12' + n / 4 * interval '1 minute'
           FROM generate_series(1, {count}) n;
         UPDATE batches SET files_count = {count}, bytes_total = {count}"
    ));
    batch
}

/// The ids of files on a page, in their order, and the address of the next page.
fn read(page: &str) -> (Vec<String>, Option<String>) {
    let ids = page.split("name=\"ids\" value=\"").skip(1).map(|rest| rest[..36].to_owned()).collect();
    let next = page.split_once("rel=\"next\" href=\"").map(|(_, rest)| rest.split('"').next().unwrap());
    (ids, next.map(|url| url.replace("&#38;", "&")))
}

/// Goes through all pages.
async fn walk(by: &Client, first: &str) -> Vec<String> {
    let (mut all, mut url) = (Vec::new(), Some(first.to_owned()));
    while let Some(address) = url {
        let (ids, next) = read(&by.get_html(&address).await.is(200).text());
        assert!(ids.len() <= 100 && (next.is_none() || ids.len() == 100), "{}", ids.len());
        all.extend(ids);
        url = next;
    }
    all
}

#[tokio::test]
async fn every_order_shows_every_file_once() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = batch_of(&app, &staff, 450).await;
    let orders = [
        ("newest", "uploaded_at DESC, id DESC"),
        ("oldest", "uploaded_at, id"),
        ("name", "lower(original_name), id"),
        ("name-z", "lower(original_name) DESC, id DESC"),
        ("largest", "size_bytes DESC, id DESC"),
        ("smallest", "size_bytes, id"),
        ("kind", "kind, uploaded_at DESC, id DESC"),
        ("kind-z", "kind DESC, uploaded_at, id"),
    ];
    for view in ["gallery", "table"] {
        staff.get_html(&format!("/batches/{batch}?view={view}")).await.is(200);
        for (order, sql) in orders {
            let ids = walk(&staff, &format!("/batches/{batch}?sort={order}")).await;
            assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 450, "{order}");
            let expected =
                app.value(&format!("SELECT string_agg(id::text, ' ' ORDER BY {sql}) FROM attachments"));
            assert_eq!(ids.join(" "), expected, "{order}");
        }
    }
}

#[tokio::test]
async fn pages_stay_true_while_files_come_and_go() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = batch_of(&app, &staff, 150).await;
    for order in ["newest", "name", "largest", "kind"] {
        let (first, next) = read(&staff.get_html(&format!("/batches/{batch}?sort={order}")).await.text());
        // The last one of the page goes: the next page still begins behind where it was.
        let last = first.last().unwrap();
        app.execute(&format!(
            "UPDATE attachments SET state = 'trashed', trashed_at = now() WHERE id = '{last}'"
        ));
        let second = walk(&staff, &next.unwrap()).await;
        app.execute("UPDATE attachments SET state = 'available', trashed_at = NULL");
        assert_eq!((first.len(), second.len()), (100, 50), "{order}");
        assert!(second.iter().all(|id| !first.contains(id)), "{order}");
    }
}

#[tokio::test]
async fn the_order_uses_its_index() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = batch_of(&app, &staff, 2000).await;
    app.execute("ANALYZE attachments");
    let table = [
        ("attachments_in_batch", "uploaded_at DESC, id DESC"),
        ("attachments_by_name", "lower(original_name), id"),
        ("attachments_by_size", "size_bytes DESC, id DESC"),
        ("attachments_by_kind", "kind, uploaded_at DESC, id DESC"),
    ];
    for (index, order) in table {
        app.execute(&format!(
            "DO $$ DECLARE plan json; BEGIN
               EXECUTE 'EXPLAIN (FORMAT JSON) SELECT id FROM attachments WHERE batch_id = ''{batch}''
                 AND state = ANY (ARRAY[''available'', ''missing'', ''corrupt'', ''quarantined''])
                 ORDER BY {order} LIMIT 101' INTO plan;
               IF plan::text NOT LIKE '%{index}%' THEN RAISE EXCEPTION 'no {index}: %', plan; END IF;
             END $$"
        ));
    }
}

#[tokio::test]
async fn filters_and_orders_go_together_and_the_order_is_remembered() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for name in ["slip 100%.pdf", "slip_2.pdf", "CoA.pdf"] {
        staff.store(&batch, name, &samples::pdf(name)).await;
    }
    staff.store(&batch, "IMG_1.png", &samples::png()).await;
    let names = async |query: &str| {
        let page = staff.get_html(&format!("/batches/{batch}{query}")).await.is(200).text();
        let titles = page.split("class=\"fn\" dir=\"auto\" title=\"").skip(1);
        let names: Vec<String> = titles.map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
        let shown = page.matches("name=\"ids\"").count();
        names.into_iter().filter(|name| name.contains('.')).take(shown).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("").await, "IMG_1.png CoA.pdf slip_2.pdf slip 100%.pdf");
    assert_eq!(names("?kind=photo").await, "IMG_1.png");
    assert_eq!(names("?name=SLIP&sort=oldest").await, "slip 100%.pdf slip_2.pdf");
    assert_eq!(names("?name=slip").await, "slip 100%.pdf slip_2.pdf", "the order is remembered");
    assert_eq!(names("?name=%25").await, "slip 100%.pdf");
    assert_eq!(names("?name=slip&kind=photo").await, "");
    staff.get_html(&format!("/batches/{batch}?name=nothing")).await.is(200).shows("No file fits");
    staff.get_html(&format!("/batches/{batch}?name=%00&sort=%27&kind=x&view=y")).await.is(200);
    assert_eq!(names("?sort=name").await, "CoA.pdf IMG_1.png slip 100%.pdf slip_2.pdf");
    staff.get_html(&format!("/batches/{batch}?view=table")).await.is(200).shows("aria-sort=\"ascending\"");
    staff.get_html(&format!("/batches/{batch}")).await.shows("class=\"tbl tbl-files").shows("By name");
    staff.get_html(&format!("/batches/{batch}?cursor=nonsense")).await.is(400);
}
