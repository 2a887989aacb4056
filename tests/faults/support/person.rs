//! Somebody who uses a server that may be gone at any moment: an answer, or none.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Method, RequestBuilder, Url,
    cookie::{CookieStore, Jar},
    header::{ACCEPT, HeaderMap},
    multipart, redirect,
};
use serde_json::Value;

/// An answer read whole, or why there is none: then what was asked for may have happened or not.
#[derive(Debug)]
pub enum Answer {
    Is { status: u16, headers: HeaderMap, body: Vec<u8> },
    Lost(String),
}

impl Answer {
    async fn to(request: RequestBuilder) -> Self {
        let whole = async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok::<_, reqwest::Error>(Self::Is { status, headers, body: response.bytes().await?.to_vec() })
        };
        whole.await.unwrap_or_else(|error| Self::Lost(format!("{error:?}")))
    }

    /// 0 when it was lost.
    pub fn status(&self) -> u16 {
        match self {
            Self::Is { status, .. } => *status,
            Self::Lost(_) => 0,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        match self {
            Self::Is { headers, .. } => headers.get(name)?.to_str().ok(),
            Self::Lost(_) => None,
        }
    }

    pub fn body(&self) -> &[u8] {
        match self {
            Self::Is { body, .. } => body,
            Self::Lost(_) => &[],
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body()).unwrap_or_default()
    }
}

#[derive(Clone)]
pub struct Person {
    base: String,
    client: reqwest::Client,
    jar: Arc<Jar>,
    token: String,
}

impl Person {
    fn new(base: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let client = reqwest::Client::builder()
            .cookie_provider(Arc::clone(&jar))
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .build()
            .unwrap();
        Self { base: base.to_owned(), client, jar, token: String::new() }
    }

    /// Whoever has this session.
    pub fn with_session(base: &str, cookie: &str, token: &str) -> Self {
        let mut person = Self::new(base);
        person.jar.add_cookie_str(cookie, &base.parse().unwrap());
        token.clone_into(&mut person.token);
        person
    }

    /// `None` when the answer was lost or it was refused.
    pub async fn sign_in(base: &str, username: &str, password: &str) -> Option<Self> {
        let mut person = Self::new(base);
        person.token = token_on(&person.get("/login").await)?;
        let form = [("csrf_token", person.token.as_str()), ("username", username), ("password", password)];
        let answer = Answer::to(person.request(Method::POST, "/login").form(&form)).await;
        if answer.status() != 303 {
            return None;
        }
        person.token = token_on(&person.get("/batches/new").await)?;
        Some(person)
    }

    /// The session's cookie as `name=value`, and its CSRF token.
    pub fn session(&self) -> (String, String) {
        let base: Url = self.base.parse().unwrap();
        let all = self.jar.cookies(&base).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        let cookie =
            all.split("; ").find(|cookie| cookie.starts_with("stillage=")).unwrap_or_default().to_owned();
        (cookie, self.token.clone())
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A request that changes something, with the token.
    pub fn write(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header(ACCEPT, "application/json").header("X-CSRF-Token", &self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path).header(ACCEPT, "text/html,*/*;q=0.8")).await
    }

    pub async fn get_json(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path).header(ACCEPT, "application/json")).await
    }

    /// A form without fields of its own, such as the one that deletes.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::to(self.write(Method::POST, path).form(fields)).await
    }

    /// The id of a new batch; `None` when it was not made.
    pub async fn new_batch(&self, number: &str) -> Option<String> {
        let body = serde_json::json!({ "number": number, "product": "Soap" });
        let answer = Answer::to(self.write(Method::POST, "/api/production/batches").json(&body)).await;
        answer.json()["id"].as_str().map(str::to_owned)
    }

    /// Everything that a batch shows.
    pub async fn batch(&self, id: &str) -> Answer {
        self.get_json(&format!("/api/production/batches/{id}")).await
    }

    pub async fn upload(&self, batch: &str, name: &str, bytes: Vec<u8>) -> Answer {
        let part = multipart::Part::bytes(bytes).file_name(name.to_owned());
        let form = multipart::Form::new().part("files", part);
        Answer::to(self.write(Method::POST, &format!("/batches/{batch}/attachments")).multipart(form)).await
    }

    pub async fn download(&self, id: &str) -> Answer {
        self.get(&format!("/attachments/{id}/download")).await
    }

    fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.write(method, path).header("Tus-Resumable", "1.0.0")
    }

    /// Begins a resumable upload; its address is the answer's `Location`.
    pub async fn tus_create(&self, batch: &str, name: &str, length: usize) -> Answer {
        let metadata = format!("batch_id {},filename {}", STANDARD.encode(batch), STANDARD.encode(name));
        let request = self.tus(Method::POST, "/uploads");
        Answer::to(request.header("Upload-Length", length).header("Upload-Metadata", metadata)).await
    }

    pub async fn tus_append(&self, upload: &str, offset: usize, bytes: &[u8]) -> Answer {
        let request = self
            .tus(Method::PATCH, upload)
            .header("Upload-Offset", offset)
            .header("Content-Type", "application/offset+octet-stream")
            .body(bytes.to_vec());
        Answer::to(request).await
    }

    pub async fn tus_look(&self, upload: &str) -> Answer {
        Answer::to(self.tus(Method::HEAD, upload)).await
    }
}

fn token_on(page: &Answer) -> Option<String> {
    let text = page.text();
    let (_, rest) = text.split_once("name=\"csrf_token\" value=\"")?;
    rest.split('"').next().map(str::to_owned)
}
