//! What a form costs is counted here: bytes, items between two moments at which others may run, copies.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
};

use actix_web::error::PayloadError;
use futures_util::{StreamExt, stream};

use super::*;

const DISPOSITION: &str = "Content-Disposition: form-data; ";

/// A form in which a file of `content` stands between `before` and the end.
fn body(before: &str, content: &[u8]) -> Vec<u8> {
    let mut body = before.as_bytes().to_vec();
    body.extend(format!("--B\r\n{DISPOSITION}name=\"files\"; filename=\"t.pdf\"\r\n\r\n").as_bytes());
    body.extend(content);
    body.extend(b"\r\n--B--\r\n");
    body
}

fn field(name: &str, value: &str) -> String {
    format!("--B\r\n{DISPOSITION}name=\"{name}\"\r\n\r\n{value}\r\n")
}

/// A form that is there at once, in chunks of this size.
fn form(body: &[u8], chunk: usize, token: Option<&str>) -> GuardedForm {
    let chunks: Vec<std::result::Result<Bytes, PayloadError>> =
        body.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let payload = Payload::Stream { payload: stream::iter(chunks).boxed_local() };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=B"));
    GuardedForm::new(&headers, payload, token.map(str::to_owned), &["number", "notes"])
}

/// Every part in words, up to the end or an error.
async fn read(mut form: GuardedForm) -> Vec<String> {
    let mut parts = Vec::new();
    loop {
        match form.next().await {
            Ok(Some(Part::Field(name, value))) => parts.push(format!("{name}={value}")),
            Ok(Some(Part::File(name))) => parts.push(name),
            Ok(None) => return parts,
            Err(error) => parts.push(error.to_string()),
        }
    }
}

/// What reading one file came to.
#[derive(Debug, Default)]
struct Cost {
    bytes: usize,
    slices: usize,
    /// Slices that do not follow the one before in memory: the parser's buffer was copied in between.
    copies: usize,
    /// Between two moments at which the worker thread may do something else, at most.
    slices_at_once: usize,
    bytes_at_once: usize,
}

async fn cost_of(content: &[u8], chunk: usize) -> Cost {
    let mut form = form(&body("", content), chunk, None);
    let (slices, bytes) = (Cell::new(0), Cell::new(0));
    let mut cost = Cost::default();
    let reading = async {
        assert!(matches!(form.next().await, Ok(Some(Part::File(_)))));
        // All are kept, as somebody might who gathers them: the parser can reuse none of its memory.
        let mut kept = Vec::<Bytes>::new();
        let mut copies = 0;
        while let Some(slice) = form.chunk().await.unwrap() {
            slices.set(slices.get() + 1);
            bytes.set(bytes.get() + slice.len());
            if kept.last().is_none_or(|last| last.as_ptr_range().end != slice.as_ptr()) {
                copies += 1;
            }
            kept.push(slice);
        }
        copies
    };
    let mut reading = pin!(reading);
    let (mut slices_before, mut bytes_before) = (0, 0);
    cost.copies = poll_fn(|cx| {
        let polled = reading.as_mut().poll(cx);
        cost.slices_at_once = cost.slices_at_once.max(slices.get() - slices_before);
        cost.bytes_at_once = cost.bytes_at_once.max(bytes.get() - bytes_before);
        (slices_before, bytes_before) = (slices.get(), bytes.get());
        polled
    })
    .await;
    (cost.slices, cost.bytes) = (slices.get(), bytes.get());
    cost
}

#[tokio::test]
async fn near_boundaries_are_copied_once_and_leave_the_thread_to_others() {
    const SIZE: usize = 3 << 20;
    for pattern in [&b"\r--"[..], b"\r\n--", b"\r\n--A", b"\r", b"\r\n", b"\n", b"-", b"x"] {
        let content: Vec<u8> = pattern.iter().copied().cycle().take(SIZE).collect();
        for chunk in [1000, 128 * 1024, SIZE] {
            let cost = cost_of(&content, chunk).await;
            assert_eq!(cost.bytes, SIZE);
            assert!(cost.copies <= 2 * SIZE / feed::PIECE + 2, "{pattern:?} in {chunk}: {cost:?}");
            assert!(cost.slices_at_once <= 128, "{pattern:?} in {chunk}: {cost:?}");
            assert!(cost.bytes_at_once <= 2 * feed::PIECE, "{pattern:?} in {chunk}: {cost:?}");
        }
    }
}

#[tokio::test]
async fn a_form_in_single_bytes_reads_as_in_one_piece() {
    let body = body(&(field("number", "1") + &field("notes", "\r\n--\r\n-B")), b"\r\n--BB\r\n--\r\n");
    let parts = read(form(&body, usize::MAX, None)).await;
    assert_eq!(parts[..2], ["number=1", "notes=\r\n--\r\n-B"]);
    for chunk in [1, 2, 3, 7] {
        assert_eq!(read(form(&body, chunk, None)).await, parts);
    }
}

#[tokio::test]
async fn fields_are_bounded_together_whoever_asks_for_them() {
    let fill = "n".repeat(60 * 1024);
    let unknown: String = (0..4).map(|number| field(&format!("other{number}"), &fill)).collect();
    let table = [
        (field("number", "1") + &field("number", "2"), vec!["number=1", "The field number is there twice."]),
        (field("other", "1") + &field("other", "2"), vec!["t.pdf"]),
        (unknown.clone(), vec!["t.pdf"]),
        (unknown.clone() + &field("notes", &fill), vec!["The fields of the form have more than 256 kB."]),
        (unknown + &field("notes", "short"), vec!["notes=short", "t.pdf"]),
        (field("x", "").repeat(999), vec!["t.pdf"]),
        (field("x", "").repeat(1000), vec!["The form has more than 1000 parts."]),
        // Heads count, too.
        (field(&"x".repeat(1000), "").repeat(300), vec!["The fields of the form have more than 256 kB."]),
        ("x\n".repeat(300 * 1024), vec!["The form cannot be read. Send it again."]),
        (
            format!("--B\r\n{DISPOSITION}name=x; y={}\r\n\r\n\r\n", "z".repeat(70_000)),
            vec!["The upload broke off or cannot be read. Send it again."],
        ),
        (field("notes", &fill.repeat(5)), vec!["The fields of the form have more than 256 kB."]),
    ];
    for (before, expected) in table {
        let start = before.chars().take(80).collect::<String>();
        assert_eq!(read(form(&body(&before, b"x"), 4096, None)).await, expected, "{start}");
    }
}

#[tokio::test]
async fn nothing_is_read_past_a_token_that_is_not_proven() {
    const CSRF: &str = "The form's safety token is missing or out of date. Load the page again and repeat.";
    let table = [
        (field("csrf_token", "right") + &field("notes", "n"), vec!["notes=n", "t.pdf"]),
        (field("csrf_token", "wrong") + &field("notes", "n"), vec![CSRF]),
        (field("csrf_token", &"x".repeat(300 * 1024)), vec![CSRF]),
        (field("notes", "n") + &field("csrf_token", "right"), vec![CSRF]),
        (String::new(), vec![CSRF]),
        (field("csrf_token", "right").repeat(2), vec!["The field csrf_token is there twice."]),
    ];
    for (before, expected) in table {
        let sent = body(&before, b"x");
        assert_eq!(
            read(form(&sent, 4096, Some("right"))).await,
            expected,
            "{}",
            &before[..before.len().min(90)]
        );
        let mut proving = form(&sent, 4096, Some("right"));
        assert_eq!(proving.prove().await.is_ok(), expected != [CSRF]);
    }
    // A script that proved itself in the header may send the field as well.
    let sent = body(&field("csrf_token", "any"), b"x");
    assert_eq!(read(form(&sent, 4096, None)).await, ["t.pdf"]);
}

#[tokio::test]
async fn a_name_in_another_encoding_does_not_stop_the_other_files() {
    let mut sent = Vec::new();
    for name in [&b"first.pdf"[..], b"Pr\xfcfung.pdf", b"third.pdf"] {
        sent.extend(format!("--B\r\n{DISPOSITION}name=\"files\"; filename=\"").as_bytes());
        sent.extend(name);
        sent.extend(b"\"\r\n\r\nx\r\n");
    }
    sent.extend(b"--B--\r\n");
    assert_eq!(read(form(&sent, 100, None)).await, ["first.pdf", "Prüfung.pdf", "third.pdf"]);
}

#[tokio::test]
async fn what_is_left_is_drained_and_names_the_first_files() {
    let file = format!("--B\r\n{DISPOSITION}name=\"files\"; filename=\"a.pdf\"\r\n\r\nx\r\n");
    let mut left = form(&body(&file.repeat(70), b"x"), 4096, None);
    assert_eq!(left.drain().await.len(), MAX_FILES);
    assert!(matches!(left.next().await, Ok(None)));
    let mut wrong = form(&body(&field("csrf_token", "wrong"), b"x"), 4096, Some("right"));
    wrong.prove().await.unwrap_err();
    assert!(wrong.drain().await.is_empty());
}
