//! A person with a session, and requests byte by byte.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A client gives an answer up after this long.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub cookie: String,
    pub token: String,
}

/// A connection that does not wait long: under an attack some are refused.
pub fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    Some(stream)
}

/// Sends a request that asks for the connection to be closed, and reads what comes until then.
pub fn exchange(address: SocketAddr, request: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status of an answer; 0 for none.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// The value behind `name="csrf_token" value="` on a page.
fn token_on(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf_token\" value=\"").unwrap_or_else(|| panic!("{page}"));
    rest.split('"').next().unwrap().to_owned()
}

fn cookie_in(answer: &str) -> Option<String> {
    answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_session = name.eq_ignore_ascii_case("set-cookie") && value.starts_with("stillage=");
        is_session.then(|| value.split(';').next().unwrap().to_owned())
    })
}

impl Client {
    /// Somebody on the sign-in page.
    pub fn stranger(address: SocketAddr) -> Self {
        let mut client = Self { address, cookie: String::new(), token: String::new() };
        let page = client.get("/login");
        client.cookie = cookie_in(&page).unwrap();
        client.token = token_on(&page);
        client
    }

    pub fn sign_in(address: SocketAddr, username: &str, password: &str) -> Self {
        let mut client = Self::stranger(address);
        let answer = client.post_form("/login", &client.sign_in_form(username, password));
        assert_eq!(status(&answer), 303, "{answer}");
        client.cookie = cookie_in(&answer).unwrap();
        client.token = token_on(&client.get("/batches/new"));
        client
    }

    pub fn sign_in_form(&self, username: &str, password: &str) -> String {
        format!("csrf_token={}&username={username}&password={}", self.token, password.replace(' ', "+"))
    }

    /// The head of a request, whose body has this type; `None` announces a chunked one.
    pub fn head(&self, method: &str, path: &str, length: Option<usize>, content_type: &str) -> String {
        let framing = match length {
            Some(length) => format!("Content-Length: {length}"),
            None => "Transfer-Encoding: chunked".to_owned(),
        };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nX-CSRF-Token: {}\r\nAccept: application/json\r\n\
             Content-Type: {content_type}\r\nConnection: close\r\n{framing}\r\n\r\n",
            self.address, self.cookie, self.token
        )
    }

    pub fn get(&self, path: &str) -> String {
        let head = self.head("GET", path, Some(0), "text/plain").replace("application/json", "text/html");
        exchange(self.address, head.as_bytes()).unwrap()
    }

    pub fn post_form(&self, path: &str, form: &str) -> String {
        let head = self.head("POST", path, Some(form.len()), "application/x-www-form-urlencoded");
        exchange(self.address, format!("{head}{form}").as_bytes()).unwrap()
    }

    /// A new batch's path.
    pub fn new_batch(&self, number: &str) -> String {
        let answer =
            self.post_form("/batches", &format!("csrf_token={}&number={number}&product=Soap", self.token));
        let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
        location.unwrap_or_else(|| panic!("{answer}")).split('?').next().unwrap().to_owned()
    }

    /// The request that uploads a file, up to where its bytes begin, and what follows them.
    pub fn upload_parts(&self, batch: &str, name: &str, length: usize) -> (String, &'static str) {
        let part =
            format!("--XbX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n");
        let end = "\r\n--XbX--\r\n";
        let whole = part.len() + length + end.len();
        let path = format!("{batch}/attachments");
        (self.head("POST", &path, Some(whole), "multipart/form-data; boundary=XbX") + &part, end)
    }

    /// The status that an upload is answered with; 0 for none.
    pub fn upload(&self, batch: &str, name: &str, bytes: &[u8]) -> u16 {
        self.upload_for_answer(batch, name, bytes).map_or(0, |answer| status(&answer))
    }

    pub fn upload_for_answer(&self, batch: &str, name: &str, bytes: &[u8]) -> std::io::Result<String> {
        let (head, end) = self.upload_parts(batch, name, bytes.len());
        exchange(self.address, &[head.as_bytes(), bytes, end.as_bytes()].concat())
    }
}
