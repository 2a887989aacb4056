//! Structured inputs out of plain bytes.

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
    test::TestRequest,
};

/// Lines without their ends; bytes that are no UTF-8 are replaced.
pub fn lines(data: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(data).split('\n').map(str::to_owned).collect()
}

/// `Name: value` lines as headers. Lines that no HTTP parser lets through are left out, values may be any bytes that
/// one does.
pub fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let name = HeaderName::from_bytes(name.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    headers
}

/// A request with these headers, from a proxy at 10.0.0.2.
pub fn request(headers: &HeaderMap) -> HttpRequest {
    let peer = std::net::SocketAddr::from(([10, 0, 0, 2], 4711));
    let mut request = TestRequest::get().peer_addr(peer);
    for header in headers {
        request = request.append_header(header);
    }
    request.to_http_request()
}
