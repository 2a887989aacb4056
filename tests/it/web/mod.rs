//! What clients see, over HTTP.

mod access;
mod account;
mod admin_trash;
mod api;
mod archives;
mod attachments;
mod auth;
mod batch_list;
mod batches;
mod csrf;
mod doctor;
mod downloads;
mod every_route;
mod file_lists;
mod findings;
mod health;
mod holds;
mod hostile;
mod impostors;
mod jobs_page;
mod known_browsers;
mod labels;
mod limits;
mod links;
mod lost_access;
mod many;
mod mass_assignment;
mod naughty;
mod people;
mod people_list;
mod previews;
mod quarantine;
mod races;
mod refusals;
mod request_bounds;
mod revoked;
mod scanning;
mod second_rule;
mod session;
mod settings;
mod shares;
mod sites;
mod slow_clients;
mod smuggling;
mod stats;
mod throttle;
mod token_access;
mod tokens;
mod trail;
mod tus;
mod two_factor;
mod unreadable;
mod uploads;
mod visits;

use std::time::Duration;

use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, CONTENT_TYPE},
};
use stillage::{jobs::Worker, web::routes};
use uuid::Uuid;

use crate::support::{Client, Multipart, TestApp, Tus, eventually, samples};

/// Addresses that a stranger may use.
const FOR_STRANGERS: [&str; 8] = [
    "/login",
    "/login/second",
    "/logout",
    "/password",
    "/setup",
    "/s/{token}",
    "/s/{token}/archive.zip",
    "/s/{token}/download",
];

/// Bytes of the upload that a target has, none of them sent.
const UPLOAD: usize = 100;

type Route = (Method, &'static str);

/// Every method and address within a session, HEAD left out where it goes with GET.
fn listed() -> Vec<Route> {
    of(routes::map())
}

/// The same for what everybody may call.
fn open() -> Vec<Route> {
    of(routes::open())
}

/// Server and client have `Method`s of different versions of `http`.
fn of(map: routes::Map) -> Vec<Route> {
    let all: Vec<Route> =
        map.listed.into_iter().map(|(method, path)| (method.as_str().parse().unwrap(), path)).collect();
    let goes_with_get =
        |(method, path): &Route| *method == Method::HEAD && all.contains(&(Method::GET, path));
    all.iter().filter(|route| !goes_with_get(route)).cloned().collect()
}

/// Methods that change nothing.
const READS: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];

/// Every address that takes a write.
fn writes() -> Vec<Route> {
    listed().into_iter().filter(|(method, _)| !READS.contains(method)).collect()
}

/// Lets a worker do what was ordered, but for drawing.
async fn work(app: &TestApp) {
    let ordered = "SELECT count(*) FROM jobs WHERE kind ~ '^(purge_file|purge_batch|empty_trash|clean_up)$'";
    let worker = Worker::start(&app.app);
    eventually("the worker did it", || app.value(ordered) == "0");
    worker.stop(Duration::from_secs(20)).await;
    app.execute("DELETE FROM jobs WHERE kind <> 'make_previews' AND state <> 'dead'");
}

/// What the placeholders of an address stand for: a batch with one file, an upload to it, a person with a session.
struct Target {
    site: String,
    batch: String,
    file: String,
    stored_name: String,
    person: String,
    session: String,
    upload: String,
    token: String,
    /// A share link of the file: its id, and what is behind `/s/`.
    share: String,
    share_token: String,
    /// The job that draws the file.
    job: String,
}

impl Target {
    async fn make(app: &TestApp, by: &Client) -> Self {
        let site = app.value("SELECT id FROM sites WHERE is_default");
        let number = format!("T-{}", Uuid::new_v4());
        let fields = [("number", number.as_str()), ("product", "Soap"), ("site_id", &site)];
        let made = by.post_form("/batches", &fields).await.is(303);
        let batch = made.location()["/batches/".len()..].to_owned();
        let file = by.store(&batch, "slip.pdf", &samples::pdf("slip")).await;
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        let (person, session) = (Uuid::new_v4(), Uuid::new_v4());
        app.execute(&format!(
            "INSERT INTO users (id, username, display_name, password_hash, role, created_at, updated_at)
                 VALUES ('{person}', 'p-{person}', 'Pat', '', 'staff', now(), now());
             INSERT INTO sessions (key_hash, user_id, state, created_at, last_seen_at, id)
                 VALUES (decode(md5('{session}'), 'hex'), '{person}', '{{}}', now(), now(), '{session}')"
        ));
        let upload = Tus::of(by).await.create(&batch, "slip.pdf", UPLOAD).await;
        let upload = upload["/uploads/".len()..].to_owned();
        let (id, stored_name) = (text("id"), text("stored_name"));
        let job = app.value(&format!("SELECT id FROM jobs WHERE payload->>'attachment' = '{id}'"));
        let living = "SELECT id FROM api_tokens WHERE revoked_at IS NULL LIMIT 1";
        if app.value(living) == "null" {
            let token = [("name", "script"), ("scope", "read"), ("days", "30")];
            by.post_form("/account/tokens", &token).await.is(201);
        }
        let token = app.value(living);
        let link = [("expires_in_hours", "24")];
        let made = by.post_for_json(&format!("/attachments/{id}/shares"), &link).await.is(201).json();
        let share = made["share"]["id"].as_str().unwrap().to_owned();
        let share_token = made["share"]["url"].as_str().unwrap().rsplit_once("/s/").unwrap().1.to_owned();
        Self {
            site,
            batch,
            file: id,
            stored_name,
            person: person.to_string(),
            session: session.to_string(),
            upload,
            token,
            share,
            share_token,
            job,
        }
    }

    /// One that is not there.
    fn nothing(&self) -> Self {
        let id = || Uuid::new_v4().to_string();
        let stored_name = format!("{}_slip.pdf", Uuid::new_v4());
        let share_token = Uuid::new_v4().simple().to_string();
        Self {
            site: id(),
            batch: id(),
            file: id(),
            stored_name,
            person: id(),
            session: id(),
            upload: id(),
            token: id(),
            share: id(),
            share_token,
            job: id(),
        }
    }

    fn address(&self, pattern: &str) -> String {
        let ids = [
            ("/attachments/", &self.file),
            ("/api/production/attachments/", &self.file),
            ("/account/sessions/", &self.session),
            ("/account/tokens/", &self.token),
            ("/shares/", &self.share),
            ("/uploads/", &self.upload),
            ("/admin/quarantine/", &self.file),
            ("/admin/shares/", &self.share),
            ("/admin/users/", &self.person),
            ("/admin/sites/", &self.site),
            ("/admin/jobs/", &self.job),
            ("/admin/trash/files/", &self.file),
        ];
        let id = ids.iter().find(|(begin, _)| pattern.starts_with(begin)).map_or(&self.batch, |(_, id)| *id);
        pattern
            .replace("{id}", id)
            .replace("{stored_name}", &self.stored_name)
            .replace("{token}", &self.share_token)
            .replace("{n}", "1")
    }

    /// A well-formed write to any address, with the given token in its form.
    fn write(&self, by: &Client, (method, pattern): &Route, token: Option<&str>) -> RequestBuilder {
        let request = by.request(method.clone(), &self.address(pattern)).header(ACCEPT, "application/json");
        if pattern.starts_with("/uploads") {
            let request = request
                .header("Tus-Resumable", "1.0.0")
                .header("Upload-Length", UPLOAD)
                .header("Upload-Metadata", Tus::metadata(&self.batch, "slip.pdf"))
                .header("Upload-Offset", 0)
                .header(CONTENT_TYPE, Tus::OCTETS);
            return token.into_iter().fold(request, |request, token| request.header("X-CSRF-Token", token));
        }
        if pattern.ends_with("/attachments") || pattern.ends_with("/logo") {
            let form = token.map_or(Multipart::new(), |token| Multipart::new().field("csrf_token", token));
            let body = form.file("photo.png", &samples::png()).body();
            return request.header(CONTENT_TYPE, Multipart::CONTENT_TYPE).body(body);
        }
        let number = format!("W-{}", Uuid::new_v4());
        let fields = [
            ("number", number.as_str()),
            ("product", "Soap"),
            ("site_id", &self.site),
            ("ids", &self.file),
            ("kind", "label"),
            ("username", &number),
            ("display_name", "Wanda"),
            ("role", "staff"),
            ("sites", &self.site),
            ("name", &number),
        ];
        let token = token.map(|token| ("csrf_token", token));
        request.form(&token.into_iter().chain(fields).collect::<Vec<_>>())
    }
}
