//! What clients see, over HTTP.

mod access;
mod api;
mod attachments;
mod auth;
mod batch_list;
mod batches;
mod csrf;
mod downloads;
mod every_route;
mod health;
mod refusals;
mod scanning;
mod session;
mod shares;
mod tokens;
mod two_factor;
mod uploads;

use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, CONTENT_TYPE},
};
use stillage::web::routes;
use uuid::Uuid;

use crate::support::{Client, Multipart, TestApp, samples};

/// Addresses that a stranger may use.
const FOR_STRANGERS: [&str; 6] =
    ["/login", "/login/second", "/logout", "/setup", "/s/{token}", "/s/{token}/download"];

type Route = (Method, &'static str);

/// Every method and address within a session, HEAD left out: it goes with GET.
fn listed() -> Vec<Route> {
    of(routes::map())
}

/// The same for what everybody may call.
fn open() -> Vec<Route> {
    of(routes::open())
}

/// Server and client have `Method`s of different versions of `http`.
fn of(map: routes::Map) -> Vec<Route> {
    let routes = map.listed.into_iter();
    routes
        .map(|(method, path)| (method.as_str().parse().unwrap(), path))
        .filter(|(m, _)| m != Method::HEAD)
        .collect()
}

/// Every address that takes a write, with its method.
fn writes() -> Vec<Route> {
    listed().into_iter().filter(|(method, _)| method != Method::GET).collect()
}

/// What the placeholders of an address stand for: a batch with one file.
struct Target {
    site: String,
    batch: String,
    file: String,
    stored_name: String,
    token: String,
    /// A share link of the file: its id, and what is behind `/s/`.
    share: String,
    share_token: String,
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
        let (id, stored_name) = (text("id"), text("stored_name"));
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
        Self { site, batch, file: id, stored_name, token, share, share_token }
    }

    /// One that is not there.
    fn nothing(&self) -> Self {
        let id = || Uuid::new_v4().to_string();
        let stored_name = format!("{}_slip.pdf", Uuid::new_v4());
        let share_token = Uuid::new_v4().simple().to_string();
        Self { site: id(), batch: id(), file: id(), stored_name, token: id(), share: id(), share_token }
    }

    fn address(&self, pattern: &str) -> String {
        let id = match pattern {
            _ if pattern.contains("/attachments/{id}") => &self.file,
            _ if pattern.starts_with("/shares/") => &self.share,
            _ if pattern.starts_with("/account/tokens/") => &self.token,
            _ => &self.batch,
        };
        pattern
            .replace("{id}", id)
            .replace("{stored_name}", &self.stored_name)
            .replace("{token}", &self.share_token)
    }

    /// A well-formed write to any address, with the given token in its form.
    fn write(&self, by: &Client, (method, pattern): &Route, token: Option<&str>) -> RequestBuilder {
        let request = by.request(method.clone(), &self.address(pattern)).header(ACCEPT, "application/json");
        if pattern.ends_with("/attachments") {
            let form = token.map_or(Multipart::new(), |token| Multipart::new().field("csrf_token", token));
            let body = form.file("photo.png", &samples::png()).body();
            return request.header(CONTENT_TYPE, Multipart::CONTENT_TYPE).body(body);
        }
        let number = format!("W-{}", Uuid::new_v4());
        let fields = [("number", number.as_str()), ("product", "Soap"), ("site_id", &self.site)];
        let token = token.map(|token| ("csrf_token", token));
        request.form(&token.into_iter().chain(fields).collect::<Vec<_>>())
    }
}
