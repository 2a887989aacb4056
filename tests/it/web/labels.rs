//! Printable labels.

use fast_qr::{ECL, QRBuilder};
use stillage::domain::access::Role;

use crate::support::{TestApp, samples};

/// The modules that the page's first code draws, line by line.
fn drawn(page: &str) -> String {
    let (_, svg) = page.split_once("shape-rendering=\"crispEdges\"><path d=\"").unwrap();
    let path = svg.split('"').next().unwrap();
    let mut dark: Vec<(usize, usize)> = Vec::new();
    for run in path.split('M').skip(1) {
        let (place, rest) = run.split_once('h').unwrap();
        let (x, y) = place.split_once(' ').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        let length: usize = rest.split('v').next().unwrap().parse().unwrap();
        dark.extend((x..x + length).map(|x| (x, y)));
    }
    let size = 1 + dark.iter().map(|(x, _)| *x).max().unwrap();
    lines(size, |x, y| dark.contains(&(x, y)))
}

fn lines(size: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
    let line = |y| (0..size).map(|x| if is_dark(x, y) { '#' } else { ' ' }).collect::<String>();
    (0..size).map(line).collect::<Vec<_>>().join("\n")
}

fn code_of(text: &str) -> String {
    let code = QRBuilder::new(text).ecl(ECL::M).build().unwrap();
    lines(code.size, |x, y| code[y][x].value())
}

#[tokio::test]
async fn a_label_leads_to_the_upload_page() {
    let app = TestApp::with(&[("PUBLIC_URL", "http://files.example")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-2026-0142").await;
    let page = staff.get_html(&format!("/batches/{batch}/label")).await.is(200);
    assert_eq!(drawn(&page.text()), code_of(&format!("http://files.example/batches/{batch}?add=1")));
    page.shows("B-2026-0142")
        .shows("Soap")
        .shows("label-a6")
        .hides("cannot follow this code")
        .hides("label-a4");
    staff.get_html(&format!("/batches/{batch}")).await.is(200).shows(&format!("/batches/{batch}/label"));
}

#[tokio::test]
async fn a_loopback_address_earns_a_warning() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let page = staff.get_html(&format!("/batches/{batch}/label")).await.is(200);
    page.shows("A phone cannot follow this code").shows("PUBLIC_URL");
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    assert_eq!(staff.get_json(&format!("/batches/{batch}/label")).await.is(409).code(), "batch_trashed");
}

#[tokio::test]
async fn a_scan_shows_the_upload_before_everything_that_can_wait() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let fields = [("number", "B-1"), ("product", "Soap"), ("notes", "Keep cool")];
    let batch = staff.post_form("/batches", &fields).await.is(303).location().to_owned();
    let stranger = app.stranger().get_html(&format!("{batch}?add=1")).await.is(303);
    assert!(stranger.location().ends_with("%3Fadd%3D1"), "{}", stranger.location());
    let place = async |url: &str, text: &str| staff.get_html(url).await.is(200).text().find(text).unwrap();
    let (scanned, plain) = (format!("{batch}?add=1"), batch.as_str());
    assert!(place(&scanned, "id=\"upload\"").await < place(&scanned, "Keep cool").await);
    assert!(place(plain, "id=\"upload\"").await > place(plain, "Keep cool").await);
    app.viewer().await.get_html(&scanned).await.is(200).hides("id=\"upload\"").shows("Keep cool");
}

#[tokio::test]
async fn a_sheet_has_the_ticked_batches_in_their_order() {
    let app = TestApp::start();
    app.add_site("Elsewhere");
    let (staff, otto) = (app.staff().await, app.new_user("otto", Role::Staff, &["Elsewhere"]).await);
    let first = staff.make_batch("B-1").await;
    let second = staff.make_batch("B-2").await;
    let gone = staff.make_batch("B-3").await;
    let foreign = otto.make_batch("X-1").await;
    staff.store(&first, "a.pdf", &samples::pdf("a")).await;
    staff.post_form(&format!("/batches/{gone}/delete"), &[]).await.is(303);
    staff.get_html("/batches").await.shows("action=\"/batches/labels\"").shows(&format!("value=\"{first}\""));
    let sheet = format!("/batches/labels?ids={second}&ids={first}&ids={gone}&ids={foreign}&ids=x");
    let page = staff.get_html(&sheet).await.is(200).shows("2 labels").shows("label-a4");
    let page = page.hides("B-3").hides("X-1").text();
    assert!(page.find("label-no \">B-2").unwrap() < page.find("label-no \">B-1").unwrap());
    staff.get(&format!("/batches/labels?ids={gone}&ids={foreign}")).await.is(404);
    staff.get("/batches/labels?ids=x").await.is(404);
    staff.get_html("/batches/labels").await.is(422).shows("No batch is ticked");
    let many = format!("/batches/labels?ids={first}{}", format!("&ids={second}").repeat(60));
    staff.get_html(&many).await.is(422).shows("At most 60 labels");
}
