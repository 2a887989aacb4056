//! Somebody with a browser, or a script: keeps cookies, follows no redirect.

use std::sync::Arc;

use reqwest::{
    Method, RequestBuilder, Url,
    cookie::{CookieStore, Jar},
    header::{ACCEPT, CONTENT_TYPE},
    redirect,
};
use serde_json::Value;

use super::{Answer, Multipart, PASSWORD};

/// What a browser sends when a person clicks.
pub const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
pub const JSON: &str = "application/json";

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    jar: Arc<Jar>,
    base: Url,
}

impl Client {
    pub fn new(base: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let http = reqwest::Client::builder()
            .cookie_provider(Arc::clone(&jar))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { http, jar, base: base.parse().unwrap() }
    }

    /// The session cookie as the browser would send it.
    pub fn cookie(&self) -> String {
        self.cookie_named("stillage")
    }

    /// Any cookie as the browser would send it; nothing when it has none of this name.
    pub fn cookie_named(&self, name: &str) -> String {
        let all = self.jar.cookies(&self.base).map(|value| value.to_str().unwrap().to_owned());
        let is_it = |cookie: &&str| cookie.split_once('=').is_some_and(|(known, _)| known == name);
        all.unwrap_or_default().split("; ").find(is_it).unwrap_or_default().to_owned()
    }

    /// Somebody who got hold of a cookie.
    pub fn with_cookie(&self, cookie: &str) -> Self {
        let thief = Self::new(self.base.as_str());
        thief.jar.add_cookie_str(cookie, &thief.base);
        thief
    }

    /// A request still to be filled in.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = self.base.as_str().trim_end_matches('/');
        self.http.request(method, format!("{base}{path}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub async fn get_html(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path).header(ACCEPT, HTML)).await
    }

    pub async fn get_json(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path).header(ACCEPT, JSON)).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = headers
            .iter()
            .fold(self.request(Method::GET, path), |request, (name, value)| request.header(*name, *value));
        Answer::to(request).await
    }

    pub async fn head(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::HEAD, path)).await
    }

    /// The CSRF token of the session, as it stands on a page.
    pub async fn token(&self) -> String {
        let page = self.get_html("/login").await.is(200).text();
        let (_, rest) = page.split_once("name=\"csrf_token\" value=\"").expect("a token on the page");
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends a form from a page, with the page's token.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_form_as(HTML, path, fields).await
    }

    /// The same by a script.
    pub async fn post_for_json(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_form_as(JSON, path, fields).await
    }

    async fn post_form_as(&self, accept: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token().await;
        let fields = [&[("csrf_token", token.as_str())], fields].concat();
        Answer::to(self.request(Method::POST, path).header(ACCEPT, accept).form(&fields)).await
    }

    pub async fn post_login(&self, username: &str, password: &str) -> Answer {
        self.post_form("/login", &[("username", username), ("password", password)]).await
    }

    /// Signs in, or fails.
    pub async fn sign_in(self, username: &str) -> Self {
        self.post_login(username, PASSWORD).await.is(303);
        self
    }

    /// Files sent by a script: the token in the header, JSON back.
    pub async fn upload(&self, batch: &str, files: &[(&str, &[u8])]) -> Answer {
        let form = files.iter().fold(Multipart::new(), |form, (name, bytes)| form.file(name, bytes));
        self.upload_body(batch, form.body()).await
    }

    /// A body of one's own making.
    pub async fn upload_body(&self, batch: &str, body: Vec<u8>) -> Answer {
        let request = self
            .request(Method::POST, &format!("/batches/{batch}/attachments"))
            .header(ACCEPT, JSON)
            .header("X-CSRF-Token", self.token().await)
            .header(CONTENT_TYPE, Multipart::CONTENT_TYPE)
            .body(body);
        Answer::to(request).await
    }

    /// Files sent by the form of a page without JavaScript.
    pub async fn upload_form(&self, batch: &str, files: &[(&str, &[u8])]) -> Answer {
        let begin = Multipart::new().field("csrf_token", &self.token().await);
        let form = files.iter().fold(begin, |form, (name, bytes)| form.file(name, bytes));
        let request = self
            .request(Method::POST, &format!("/batches/{batch}/attachments"))
            .header(ACCEPT, HTML)
            .header(CONTENT_TYPE, Multipart::CONTENT_TYPE)
            .body(form.body());
        Answer::to(request).await
    }

    /// Stores one file and returns what the answer says of it.
    pub async fn store(&self, batch: &str, name: &str, bytes: &[u8]) -> Value {
        self.upload(batch, &[(name, bytes)]).await.is(201).json()["results"][0]["attachment"].clone()
    }

    /// Stores one file and returns its id.
    pub async fn store_id(&self, batch: &str, name: &str, bytes: &[u8]) -> String {
        self.store(batch, name, bytes).await["id"].as_str().unwrap().to_owned()
    }

    /// Makes a batch and returns its id.
    pub async fn make_batch(&self, number: &str) -> String {
        let made = self.post_form("/batches", &[("number", number), ("product", "Soap")]).await.is(303);
        made.location().strip_prefix("/batches/").unwrap().to_owned()
    }
}
