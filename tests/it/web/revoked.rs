//! Rights that are taken away while something runs: an upload is refused when it ends, an archive breaks off, and what
//! was ordered is not done.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use stillage::domain::{access::Role, orders, uploads};

use super::tokens::token;
use crate::support::{Answer, Client, Multipart, PASSWORD, TestApp, Tus, eventually, raw, raw::Raw, samples};

/// Larger than what the sockets between server and client hold.
const LARGE: usize = 20 << 20;
/// Of an upload, half of which is sent first.
const FILE: usize = 1 << 20;

/// How somebody loses a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Nothing,
    Disabled,
    Demoted,
    /// By hand in the database, where sessions and tokens do not end with the role.
    DemotedInPlace,
    SiteTaken,
    SignedOut,
    PasswordChanged,
    TokenRevoked,
}

/// The status of what is under way when that happens: in a session (form, resumable upload, archive) and by a token.
const TABLE: [(Loss, u16, u16); 8] = [
    (Loss::Nothing, 201, 201),
    (Loss::Disabled, 401, 401),
    (Loss::Demoted, 401, 401),
    (Loss::DemotedInPlace, 403, 403),
    (Loss::SiteTaken, 404, 404),
    (Loss::SignedOut, 401, 201),
    (Loss::PasswordChanged, 401, 401),
    (Loss::TokenRevoked, 201, 401),
];

/// A request of which a part is sent.
struct Flight {
    way: &'static str,
    raw: Raw,
    rest: Vec<u8>,
    by_token: bool,
}

impl Flight {
    fn begin(app: &TestApp, way: &'static str, head: &str, body: &[u8], by_token: bool) -> Self {
        let mut raw = Raw::connect(app.address);
        raw.send(head.as_bytes());
        raw.send(&body[..body.len() / 2]);
        Self { way, raw, rest: body[body.len() / 2..].to_vec(), by_token }
    }

    fn post(app: &TestApp, way: &'static str, path: &str, proof: &str, body: &[u8], by_token: bool) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{proof}\r\nAccept: application/json\r\nContent-Type: {}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            app.address,
            Multipart::CONTENT_TYPE,
            body.len()
        );
        Self::begin(app, way, &head, body, by_token)
    }

    fn end(mut self) -> u16 {
        self.raw.send(&self.rest);
        raw::status(&self.raw.answer())
    }
}

/// Everything that takes long, begun by one person.
struct Work {
    uploads: Vec<Flight>,
    archive: TcpStream,
}

async fn begin(app: &TestApp, staff: &Client, token: &str, batch: &str, number: &str) -> Work {
    let pdf = samples::pdf_of(FILE);
    let form = Multipart::new().file("late.pdf", &pdf).body();
    let session = format!("Cookie: {}\r\nX-CSRF-Token: {}", staff.cookie(), staff.token().await);
    let bearer = format!("Authorization: Bearer {token}");
    let tus = Tus::of(staff).await;
    let upload = tus.create(batch, "tus.pdf", pdf.len()).await;
    let site = app.value("SELECT id FROM sites WHERE is_default");
    let whole = Multipart::new()
        .field("number", number)
        .field("product", "Soap")
        .field("site_id", &site)
        .file("first.pdf", &pdf)
        .body();
    let uploads = vec![
        Flight::post(app, "form", &format!("/batches/{batch}/attachments"), &session, &form, false),
        Flight::begin(
            app,
            "tus",
            &tus.raw_head(&app.address.to_string(), &upload, 0, pdf.len()),
            &pdf,
            false,
        ),
        Flight::post(
            app,
            "API",
            &format!("/api/production/batches/{batch}/attachments"),
            &bearer,
            &form,
            true,
        ),
        Flight::post(app, "new batch by API", "/api/production/batches", &bearer, &whole, true),
    ];
    let mut archive = TcpStream::connect(app.address).unwrap();
    archive.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "GET /batches/{batch}/archive.zip HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
        app.address,
        staff.cookie()
    );
    archive.write_all(head.as_bytes()).unwrap();
    let mut begun = [0; 1024];
    archive.read_exact(&mut begun).unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&begun));
    eventually("all uploads have begun", || app.kept().staged.len() == 4);
    Work { uploads, archive }
}

/// Whether the rest of an archive comes, to its last record.
fn is_whole(mut archive: TcpStream) -> bool {
    let mut bytes = Vec::new();
    // A connection that is reset breaks off, too.
    let _ = archive.read_to_end(&mut bytes);
    bytes.len() > 22 && bytes[bytes.len() - 22..].starts_with(b"PK\x05\x06")
}

async fn lose(app: &TestApp, loss: Loss, admin: &Client, staff: &Client, elsewhere: &str) {
    let id = app.value("SELECT id FROM users WHERE username = 'stan'");
    let page = format!("/admin/users/{id}");
    let main = app.value("SELECT id FROM sites WHERE is_default");
    let change = async |role: &str, site: &str| {
        admin.post_form(&page, &[("display_name", "stan"), ("role", role), ("sites", site)]).await.is(303);
    };
    match loss {
        Loss::Nothing => {}
        Loss::Disabled => {
            admin.post_form(&format!("{page}/disable"), &[]).await.is(303);
        }
        Loss::Demoted => change("viewer", &main).await,
        Loss::DemotedInPlace => app.execute("UPDATE users SET role = 'viewer' WHERE username = 'stan'"),
        Loss::SiteTaken => change("staff", elsewhere).await,
        Loss::SignedOut => {
            staff.post_form("/logout", &[]).await.is(303);
        }
        Loss::PasswordChanged => {
            let other = app.stranger().sign_in("stan").await;
            let fields = [("current", PASSWORD), ("password", "quite another long one")];
            other.post_form("/account/password", &fields).await.is(303);
        }
        Loss::TokenRevoked => {
            let id = app.value("SELECT id FROM api_tokens");
            staff.post_form(&format!("/account/tokens/{id}/revoke"), &[]).await.is(303);
        }
    }
}

#[tokio::test]
async fn what_is_under_way_ends_with_the_right_to_it() {
    for (loss, in_session, by_token) in TABLE {
        let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "32")]);
        let (admin, staff) = (app.admin().await, app.staff().await);
        let elsewhere = app.add_site("East").to_string();
        let batch = staff.make_batch("B-1").await;
        staff.store(&batch, "a.pdf", &samples::pdf_of(LARGE)).await;
        staff.store(&batch, "b.pdf", &samples::pdf("b")).await;
        let key = token(&staff, "upload", "").await;
        let Work { uploads, archive } = begin(&app, &staff, &key, &batch, "B-2").await;
        lose(&app, loss, &admin, &staff, &elsewhere).await;
        let mut stored = 2;
        for flight in uploads {
            let (way, by_token_too) = (flight.way, flight.by_token);
            let status = flight.end();
            let expected = match if by_token_too { by_token } else { in_session } {
                201 if way == "tus" => 204,
                // The batch was made while the right was there; its files are refused one by one.
                refused if way == "new batch by API" && refused >= 400 => 207,
                status => status,
            };
            assert_eq!(status, expected, "{way}, {loss:?}");
            stored += i32::from([201, 204].contains(&status));
            assert_eq!(app.kept().rows, stored.to_string(), "{way}, {loss:?}");
        }
        let sees_batch = in_session == 201 || loss == Loss::DemotedInPlace;
        assert_eq!(is_whole(archive), sees_batch, "archive, {loss:?}");
        assert_eq!(app.kept().published.len(), stored as usize, "{loss:?}");
        // Only a resumable upload whose owner may go on in another session stays, and it runs out by itself.
        let resumable = matches!(loss, Loss::SignedOut | Loss::PasswordChanged | Loss::Demoted);
        let left = app.kept().staged;
        assert_eq!(left.len(), usize::from(resumable), "{loss:?}: {left:?}");
        app.advance(chrono::TimeDelta::hours(25));
        uploads::sweep(&app.app).await.unwrap();
        assert!(app.kept().staged.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_upload_ends_before_its_account_is_disabled_or_is_refused() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("B-1").await;
    let form = Multipart::new().file("late.pdf", &samples::pdf_of(10_000)).body();
    let session = format!("Cookie: {}\r\nX-CSRF-Token: {}", staff.cookie(), staff.token().await);
    let path = format!("/batches/{batch}/attachments");
    let flights: Vec<Flight> =
        (0..4).map(|_| Flight::post(&app, "form", &path, &session, &form, false)).collect();
    let page = format!("/admin/users/{}/disable", app.value("SELECT id FROM users WHERE username = 'stan'"));
    let endings: Vec<_> =
        flights.into_iter().map(|flight| tokio::task::spawn_blocking(move || flight.end())).collect();
    let disabled = admin.post_form(&page, &[]).await;
    disabled.is(303);
    let mut stored = 0;
    for ending in endings {
        let status = ending.await.unwrap();
        assert!([201, 401].contains(&status), "{status}");
        stored += i32::from(status == 201);
    }
    assert_eq!(app.kept().rows, stored.to_string());
    assert_eq!(app.kept().published.len(), stored as usize);
    let late = "SELECT count(*) FROM audit_events u, audit_events d
                 WHERE u.action = 'attachment.upload' AND d.action = 'user.disable' AND u.id > d.id";
    assert_eq!(app.value(late), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_ordered_by_an_admin_who_was_disabled_is_not_done() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let other = app.new_user("carl", Role::Admin, &[]).await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store_id(&batch, "a.pdf", &samples::pdf("a")).await;
    staff.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    let purge = format!("/admin/trash/files/{file}/purge");
    other.post_form(&purge, &[("confirm", "1")]).await.is(303);
    other.post_form("/admin/trash/empty", &[("confirm", "1")]).await.is(303);
    let carl = app.value("SELECT id FROM users WHERE username = 'carl'");
    assert!(orders::stands(&app.app, Some(carl.parse().unwrap()), "Purge a file").await.unwrap());
    admin.post_form(&format!("/admin/users/{carl}/disable"), &[]).await.is(303);
    app.work_off().await;
    assert_eq!(app.value("SELECT state FROM attachments"), "trashed");
    let refused = "SELECT string_agg(details ->> 'job', ', ' ORDER BY details ->> 'job') FROM audit_events
                    WHERE action = 'job.refused'";
    assert_eq!(app.value(refused), "Empty the trash, Purge a file");
    admin.post_form(&purge, &[("confirm", "1")]).await.is(303);
    app.work_off().await;
    assert_eq!(app.value("SELECT state FROM attachments"), "purged");
}

#[tokio::test]
async fn a_share_archive_breaks_off_when_its_link_is_ended() {
    for way in ["nothing", "revoked", "maker disabled"] {
        let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "32")]);
        let (admin, staff) = (app.admin().await, app.staff().await);
        let batch = staff.make_batch("B-1").await;
        staff.store(&batch, "a.pdf", &samples::pdf_of(LARGE)).await;
        staff.store(&batch, "b.pdf", &samples::pdf("b")).await;
        let fields = [("expires_in_hours", "24"), ("max_downloads", "1")];
        let made = staff.post_for_json(&format!("/batches/{batch}/shares"), &fields).await.is(201).json();
        let url = made["share"]["url"].as_str().unwrap();
        let link = &url[url.find("/s/").unwrap()..];
        let visitor = app.stranger();
        let body = format!(
            "csrf_token={}",
            visitor
                .get_html(link)
                .await
                .is(200)
                .text()
                .split("name=\"csrf_token\" value=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
        );
        let mut archive = TcpStream::connect(app.address).unwrap();
        archive.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "POST {link}/archive.zip HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            app.address,
            visitor.cookie(),
            body.len()
        );
        archive.write_all(head.as_bytes()).unwrap();
        let mut begun = [0; 1024];
        archive.read_exact(&mut begun).unwrap();
        assert!(begun.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&begun));
        match way {
            "revoked" => {
                let id = app.value("SELECT id FROM share_links");
                staff.post_form(&format!("/shares/{id}/revoke"), &[]).await.is(303);
            }
            "maker disabled" => {
                let id = app.value("SELECT id FROM users WHERE username = 'stan'");
                admin.post_form(&format!("/admin/users/{id}/disable"), &[]).await.is(303);
            }
            // It was the last download that the link allows, and it counts.
            _ => {}
        }
        assert_eq!(is_whole(archive), way == "nothing", "{way}");
    }
}

#[tokio::test]
async fn a_token_of_a_site_ends_with_the_site_and_does_not_come_back() {
    let app = TestApp::start();
    let east = app.add_site("East").to_string();
    let (admin, main) = (app.admin().await, app.value("SELECT id FROM sites WHERE is_default"));
    let staff = app
        .new_user("stan", Role::Staff, &["East", &app.value("SELECT name FROM sites WHERE is_default")])
        .await;
    let (at_east, at_main) = (token(&staff, "read", &east).await, token(&staff, "read", &main).await);
    let of_all = token(&staff, "read", "").await;
    let page = format!("/admin/users/{}", app.value("SELECT id FROM users WHERE username = 'stan'"));
    let change = async |sites: &[&str]| {
        let mut fields = vec![("display_name", "stan"), ("role", "staff")];
        fields.extend(sites.iter().map(|site| ("sites", *site)));
        admin.post_form(&page, &fields).await.is(303);
    };
    let status = async |token: &str| {
        let request = app.stranger().request(reqwest::Method::GET, "/api/production/batches");
        Answer::to(request.bearer_auth(token)).await.status
    };
    change(&[&main]).await;
    assert_eq!((status(&at_east).await, status(&at_main).await, status(&of_all).await), (401, 200, 200));
    change(&[&main, &east]).await;
    assert_eq!((status(&at_east).await, status(&at_main).await, status(&of_all).await), (401, 200, 200));
    let events = "SELECT string_agg(details ->> 'why', ',') FROM audit_events WHERE action = 'token.revoke'";
    assert_eq!(app.value(events), "owner_lost_access");
}
