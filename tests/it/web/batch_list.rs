//! Finding batches: search, filters, pages.

use std::collections::HashSet;

use chrono::TimeDelta;

use crate::support::{Answer, Client, TestApp, samples};

/// The numbers on a page of the list, in its order.
fn numbers(page: &Answer) -> Vec<String> {
    let text = page.text();
    let rows = text.split("<a class=\"row-a plate\" href=\"/batches/").skip(1);
    rows.map(|row| row.split_once("\">").unwrap().1.split('<').next().unwrap().to_owned()).collect()
}

async fn found(by: &Client, query: &str) -> Vec<String> {
    let mut numbers = numbers(&by.get_html(&format!("/batches?{query}")).await.is(200));
    numbers.sort();
    numbers
}

#[tokio::test]
async fn a_search_looks_at_number_product_and_file_names_literally() {
    let app = TestApp::start();
    let staff = app.staff().await;
    for (number, product) in [("B-100%", "Soap"), ("B_200", "Größe XL"), ("C\\300", "Candle 100 g")] {
        staff.post_form("/batches", &[("number", number), ("product", product)]).await.is(303);
    }
    let files = staff.make_batch("FILES").await;
    staff.store(&files, "Certificate_7%.pdf", &samples::pdf("x")).await;
    let gone = staff.store_id(&files, "withdrawn.pdf", &samples::pdf("y")).await;
    staff.post_form(&format!("/attachments/{gone}/delete"), &[]).await.is(303);
    let table: &[(&str, &[&str])] = &[
        ("q=b-1", &["B-100%"]),
        // Names of files are looked at from three characters on.
        ("q=%25", &["B-100%"]),
        ("q=_", &["B_200"]),
        ("q=_7%25", &["FILES"]),
        ("q=%5C", &["C\\300"]),
        ("q=100", &["B-100%", "C\\300"]),
        ("q=GR%C3%96SSE", &[]),
        ("q=gr%C3%B6%C3%9Fe", &["B_200"]),
        ("q=+candle+", &["C\\300"]),
        ("q=certificate_7%25", &["FILES"]),
        ("q=withdrawn", &[]),
        ("q=nothing", &[]),
        ("q='%3B--", &[]),
        ("q=", &["B-100%", "B_200", "C\\300", "FILES"]),
    ];
    for (query, expected) in table {
        assert_eq!(found(&staff, query).await, *expected, "{query}");
    }
    staff.get_html("/batches?q=nothing").await.shows("Nothing found");
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let app = TestApp::start();
    let staff = app.staff().await;
    staff.make_batch("OLD").await;
    app.advance(TimeDelta::days(40));
    let staff = staff.sign_in("stan").await;
    let closed = staff.make_batch("CLOSED").await;
    staff.store(&closed, "a.png", &samples::png()).await;
    staff.post_form(&format!("/batches/{closed}/close"), &[]).await.is(303);
    staff.make_batch("OPEN").await;
    let gone = staff.make_batch("GONE").await;
    staff.post_form(&format!("/batches/{gone}/delete"), &[]).await.is(303);
    let table: &[(&str, &[&str])] = &[
        ("", &["CLOSED", "OLD", "OPEN"]),
        ("status=open", &["OLD", "OPEN"]),
        ("status=closed", &["CLOSED"]),
        ("status=odd", &["CLOSED", "OLD", "OPEN"]),
        ("files=none", &["OLD", "OPEN"]),
        ("status=open&q=o", &["OLD", "OPEN"]),
        ("status=closed&q=open", &[]),
    ];
    for (query, expected) in table {
        assert_eq!(found(&staff, query).await, *expected, "{query}");
    }
}

/// 120 batches, many of them with equal sort keys.
fn fill(app: &TestApp) {
    app.execute(
        "INSERT INTO batches (id, site_id, number, product, created_by, created_at, updated_at, last_activity_at,
                              files_count, bytes_total)
         SELECT gen_random_uuid(), (SELECT id FROM sites), 'N-' || n, 'Soap', (SELECT id FROM users LIMIT 1),
                now() - (n / 7) * interval '1 min', now(), now() - (n / 10) * interval '1 min', n % 3, n % 5
         FROM generate_series(1, 120) n",
    );
}

fn next_page(page: &Answer) -> Option<String> {
    let text = page.text();
    let link = text.split("<a ").find(|link| link.contains("rel=\"next\""))?;
    let (_, rest) = link.split_once("href=\"").unwrap();
    Some(rest.split('"').next().unwrap().replace("&#38;", "&"))
}

#[tokio::test]
async fn pages_show_every_batch_once_in_every_order() {
    let app = TestApp::start();
    let staff = app.staff().await;
    fill(&app);
    for order in ["", "sort=activity", "sort=made", "sort=number", "sort=size", "status=open&q=n-"] {
        let (mut seen, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!("/batches?{order}"));
        while let Some(url) = next {
            let page = staff.get_html(&url).await.is(200);
            seen.extend(numbers(&page));
            pages += 1;
            next = next_page(&page);
        }
        assert_eq!((seen.len(), pages), (120, 3), "{order}");
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 120, "{order}");
    }
}

#[tokio::test]
async fn pages_do_not_shift_when_something_happens_meanwhile() {
    let app = TestApp::start();
    let staff = app.staff().await;
    fill(&app);
    let first = staff.get_html("/batches").await.is(200);
    for n in 0..3 {
        staff.make_batch(&format!("NEW-{n}")).await;
    }
    let second = staff.get_html(&next_page(&first).unwrap()).await.is(200);
    let shown: HashSet<_> = numbers(&first).into_iter().collect();
    assert!(numbers(&second).iter().all(|number| !shown.contains(number) && !number.starts_with("NEW")));
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let id = staff.make_batch("B-1").await;
    for cursor in ["nonsense", "%00", "AAAA", "eyJ9"] {
        staff.get_html(&format!("/batches?cursor={cursor}")).await.is(400).shows("Start at its first page");
        staff.get_html(&format!("/batches/{id}?cursor={cursor}")).await.is(400);
    }
    assert_eq!(staff.get_json("/batches?cursor=nonsense").await.is(400).code(), "bad_request");
    staff.get_html("/batches?cursor=").await.is(200);
}

#[tokio::test]
async fn the_files_of_a_batch_come_in_pages_too() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let id = staff.make_batch("B-1").await;
    app.execute(
        "INSERT INTO attachments (id, batch_id, stored_name, original_name, content_type, size_bytes, sha256,
                                  uploaded_by, uploaded_at)
         SELECT gen_random_uuid(), (SELECT id FROM batches), 's' || n, 'f-' || n || '.pdf', 'application/pdf', 1,
                decode(repeat('00', 32), 'hex'), (SELECT id FROM users), now() - (n / 9) * interval '1 s'
         FROM generate_series(1, 230) n",
    );
    let (mut seen, mut next) = (Vec::new(), Some(format!("/batches/{id}")));
    while let Some(url) = next {
        let page = staff.get_html(&url).await.is(200);
        let text = page.text();
        seen.extend(
            text.split("class=\"tile\"")
                .skip(1)
                .map(|tile| tile.split_once("title=\"").unwrap().1.split('"').next().unwrap().to_owned()),
        );
        next = next_page(&page);
    }
    assert_eq!(seen.len(), 230);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 230);
    app.execute("DELETE FROM attachments");
}
