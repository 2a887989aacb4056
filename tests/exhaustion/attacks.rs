//! What somebody with a few accounts, or none, can send and hold. Each attack goes on for the given time and returns the
//! connections that it still holds.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::client::{Client, connect, exchange};

type Attack = fn(&[Client], Duration) -> Vec<TcpStream>;

pub const ATTACKS: [(&str, Attack); 9] = [
    ("near-boundary form", near_boundaries),
    ("endless fields", endless_fields),
    ("flood of parts", flood_of_parts),
    ("downloads never read", stalled_downloads),
    ("uploads by the byte", slow_uploads),
    ("300 sign-ins", sign_ins),
    ("600 idle connections", idle_connections),
    ("600 half-sent heads", half_sent_heads),
    ("300 half-sent forms", half_sent_forms),
];

/// A picture of one pixel.
pub const PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde\x00\x00\x00\x0cIDATx\x9cc\xf8\xcf\xc0\x00\x00\x03\x01\x01\x00\xc9\xfe\x92\xef\x00\x00\x00\x00IEND\xaeB`\x82";

/// Sends what is given until the time is over or the server no longer takes it.
fn send_for(time: Duration, mut stream: TcpStream, mut next: impl FnMut() -> Option<Vec<u8>>) {
    stream.set_write_timeout(Some(time)).unwrap();
    let until = Instant::now() + time;
    while Instant::now() < until {
        match next() {
            Some(bytes) if stream.write_all(&bytes).is_ok() => {}
            Some(_) => return,
            None => break,
        }
    }
    let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left)).unwrap();
    // The answer, if there is one in time.
    let _ = stream.read(&mut [0; 4096]);
}

/// Runs one for each client at once.
fn each(clients: &[Client], attack: impl Fn(&Client, usize) + Sync) {
    thread::scope(|scope| {
        for (n, client) in clients.iter().enumerate() {
            let attack = &attack;
            scope.spawn(move || attack(client, n));
        }
    });
}

fn batch_of(client: &Client, name: &str, n: usize) -> String {
    client.new_batch(&format!("{name}-{n}"))
}

/// Files whose bytes look like the beginnings of boundaries.
fn near_boundaries(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    let batches: Vec<String> = (0..2).map(|n| batch_of(&clients[n], "NEAR", n)).collect();
    each(&clients[..2], |client, n| {
        let batch = &batches[n];
        let data = b"\r--".repeat(200_000);
        let (head, end) = client.upload_parts(batch, "near.pdf", data.len() + 8);
        let mut body = vec![[head.as_bytes(), b"%PDF-1.4", &data, end.as_bytes()].concat()];
        if let Some(stream) = connect(client.address) {
            send_for(time, stream, || body.pop());
        }
    });
    Vec::new()
}

/// One form after another of a field that never ends, in the API for batches.
fn endless_fields(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    each(&clients[..1], |client, _| {
        let head = client.head("POST", "/api/production/batches", None, "multipart/form-data; boundary=XbX");
        let field = [
            b"--XbX\r\nContent-Disposition: form-data; name=\"notes\"\r\n\r\n".as_slice(),
            &[b'n'; 65_000],
            b"\r\n",
        ]
        .concat()
        .repeat(16);
        let chunk = [format!("{:x}\r\n", field.len()).as_bytes(), &field, b"\r\n"].concat();
        if let Some(mut stream) = connect(client.address)
            && stream.write_all(head.as_bytes()).is_ok()
        {
            send_for(time, stream, || Some(chunk.clone()));
        }
    });
    Vec::new()
}

/// Forms of very many parts with long names.
fn flood_of_parts(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    let batches: Vec<String> = (0..2).map(|n| batch_of(&clients[n], "PARTS", n)).collect();
    each(&clients[..2], |client, n| {
        let batch = &batches[n];
        let name = "f".repeat(3_000);
        let part = format!(
            "--XbX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}.exe\"\r\n\r\n\r\n"
        );
        let body = part.repeat((20 << 20) / part.len()) + "--XbX--\r\n";
        let path = format!("{batch}/attachments");
        let head = client.head("POST", &path, Some(body.len()), "multipart/form-data; boundary=XbX");
        let mut request = vec![format!("{head}{body}").into_bytes()];
        if let Some(stream) = connect(client.address) {
            send_for(time, stream, || request.pop());
        }
    });
    Vec::new()
}

/// Downloads of a large file whose client reads nothing.
fn stalled_downloads(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    let batch = batch_of(&clients[0], "STALLED", 0);
    let mut file = b"%PDF-1.4\n".to_vec();
    file.extend((0..9_000_000u32).map(|n| (n % 251) as u8));
    file.extend(b"\n%%EOF\n");
    let answer = clients[0].upload_for_answer(&batch, "large.pdf", &file).unwrap();
    let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let path = format!("/attachments/{}/download", id.unwrap_or_else(|| panic!("{answer}")));
    hold(time, 100, clients, |client| client.head("GET", &path, Some(0), "text/plain"))
}

/// Uploads that have begun and send a byte now and then.
fn slow_uploads(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    let batch = batch_of(&clients[0], "SLOW", 0);
    let mut held = hold(Duration::from_secs(1), 100, clients, |client| {
        client.upload_parts(&batch, "slow.pdf", 9_000_000).0 + "%PDF-1.4\n"
    });
    let until = Instant::now() + time;
    while Instant::now() < until {
        thread::sleep(Duration::from_secs(1));
        held.retain_mut(|stream| stream.write_all(b"y").is_ok());
    }
    held
}

/// Passwords guessed from many connections at once.
fn sign_ins(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    let stranger = Client::stranger(clients[0].address);
    let until = Instant::now() + time;
    thread::scope(|scope| {
        for n in 0..30 {
            let stranger = &stranger;
            scope.spawn(move || {
                for m in 0..10 {
                    if Instant::now() > until {
                        break;
                    }
                    let form = stranger.sign_in_form(&format!("nobody{n}-{m}"), "a wrong password");
                    let head = stranger.head(
                        "POST",
                        "/login",
                        Some(form.len()),
                        "application/x-www-form-urlencoded",
                    );
                    // Refused ones are as good as answered ones here.
                    let _ = exchange(stranger.address, format!("{head}{form}").as_bytes());
                }
            });
        }
    });
    Vec::new()
}

fn idle_connections(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    hold(time, 150, clients, |_| String::new())
}

fn half_sent_heads(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    hold(time, 150, clients, |_| "GET /login HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned())
}

/// Forms of people who are not signed in, without their end.
fn half_sent_forms(clients: &[Client], time: Duration) -> Vec<TcpStream> {
    let stranger = Client::stranger(clients[0].address);
    hold(time, 75, clients, |_| {
        stranger.head("POST", "/login", Some(1000), "application/x-www-form-urlencoded") + "username=a"
    })
}

/// Opens so many connections for each client, sends something on each, and waits.
fn hold(
    time: Duration,
    count: usize,
    clients: &[Client],
    request: impl Fn(&Client) -> String,
) -> Vec<TcpStream> {
    let until = Instant::now() + time;
    let mut held = Vec::new();
    for _ in 0..count {
        for client in clients {
            if let Some(mut stream) = connect(client.address)
                && stream.write_all(request(client).as_bytes()).is_ok()
            {
                held.push(stream);
            }
        }
    }
    thread::sleep(until.saturating_duration_since(Instant::now()));
    held
}
