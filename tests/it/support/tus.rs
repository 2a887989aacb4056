//! A tus client, as small as the protocol allows.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, RequestBuilder, header::CONTENT_TYPE};

use super::{Answer, Client};

/// Somebody who uploads resumably, with the CSRF token of their session.
pub struct Tus {
    client: Client,
    token: String,
}

impl Tus {
    pub const OCTETS: &str = "application/offset+octet-stream";

    pub async fn of(client: &Client) -> Self {
        Self { token: client.token().await, client: client.clone() }
    }

    /// A request with what every one carries.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, path);
        request.header("Tus-Resumable", "1.0.0").header("X-CSRF-Token", &self.token)
    }

    pub fn metadata(batch: &str, filename: &str) -> String {
        let (batch, filename) = (STANDARD.encode(batch), STANDARD.encode(filename));
        format!("batch_id {batch},filename {filename},filetype YXBwbGljYXRpb24vcGRm")
    }

    pub fn creation(&self, batch: &str, filename: &str, length: usize) -> RequestBuilder {
        self.request(Method::POST, "/uploads")
            .header("Upload-Length", length)
            .header("Upload-Metadata", Self::metadata(batch, filename))
    }

    /// Begins an upload and returns its address.
    pub async fn create(&self, batch: &str, filename: &str, length: usize) -> String {
        Answer::to(self.creation(batch, filename, length)).await.is(201).location().to_owned()
    }

    pub fn appending(&self, upload: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
        self.request(Method::PATCH, upload)
            .header("Upload-Offset", offset)
            .header(CONTENT_TYPE, Self::OCTETS)
            .body(bytes.to_vec())
    }

    pub async fn append(&self, upload: &str, offset: usize, bytes: &[u8]) -> Answer {
        Answer::to(self.appending(upload, offset, bytes)).await
    }

    pub async fn look(&self, upload: &str) -> Answer {
        Answer::to(self.request(Method::HEAD, upload)).await
    }

    pub async fn offset(&self, upload: &str) -> usize {
        self.look(upload).await.is(200).header("upload-offset").parse().unwrap()
    }

    pub async fn cancel(&self, upload: &str) -> Answer {
        Answer::to(self.request(Method::DELETE, upload)).await
    }

    /// The head of an append by hand, for bodies that break off.
    pub fn raw_head(&self, host: &str, upload: &str, offset: usize, length: usize) -> String {
        format!(
            "PATCH {upload} HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\nX-CSRF-Token: {}\r\nTus-Resumable: 1.0.0\r\n\
             Upload-Offset: {offset}\r\nContent-Type: {}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
            self.client.cookie(),
            self.token,
            Self::OCTETS
        )
    }
}
