//! `PUBLIC_URL`: something that phones can follow and that cookies are safe with.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Finding, Patient};
use crate::config::Config;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest beginning of an answer that is read, in bytes.
const ANSWER_MAX: u64 = 4096;
const ALIVE: &str = "/health/live";

pub async fn check(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let mut findings = vec![meaning(config)];
    if config.served_over_https() && config.trusted_proxies.is_empty() {
        findings.push(
            Finding::warning("TRUSTED_PROXIES is not set: all visitors seem to come from the proxy, and one who guesses passwords slows down all.")
                .mend("TRUSTED_PROXIES=127.0.0.1"),
        );
    }
    findings.push(reachable(config).await);
    findings
}

/// Host and port of `http://…` or `https://…` without a path.
fn parts(url: &str) -> (bool, &str, u16) {
    let (is_https, rest) = match url.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("http://").unwrap_or(url)),
    };
    let usual = if is_https { 443 } else { 80 };
    // The colons of an IPv6 address are inside its brackets.
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (is_https, host, port.parse().unwrap_or(usual)),
        _ => (is_https, rest, usual),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn meaning(config: &Config) -> Finding {
    let url = &config.public_url;
    let (is_https, host, _) = parts(url);
    let example = "PUBLIC_URL=https://stillage.example.com  # with a proxy that speaks TLS in front";
    if is_loopback(host) {
        return if config.bind_address.ip().is_loopback() {
            Finding::note(format!(
                "PUBLIC_URL {url} leads nowhere from another device, such as from a label's QR code."
            ))
        } else {
            Finding::warning(format!(
                "PUBLIC_URL is {url}, but the server listens for others: their links, labels and forms do not work."
            ))
            .mend(example)
        };
    }
    if host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()) || host == "[::]" {
        return Finding::warning(format!("PUBLIC_URL {url} is no address that anybody can follow."))
            .mend(example);
    }
    if is_https {
        Finding::ok(format!("PUBLIC_URL is {url}; cookies are sent over TLS only."))
    } else {
        Finding::warning(format!(
            "PUBLIC_URL {url} has no TLS: passwords and cookies cross the network in the clear."
        ))
        .mend(example)
    }
}

async fn reachable(config: &Config) -> Finding {
    let here = here(config.bind_address);
    if ask(&here.to_string(), &here.to_string()).await.is_err() {
        return Finding::note(format!("No server answers at {here}, so PUBLIC_URL was not asked."));
    }
    let url = &config.public_url;
    let (is_https, host, port) = parts(url);
    let place = format!("{host}:{port}");
    let mend = || format!("curl -sv {url}{ALIVE}  # name, proxy and firewall on the way");
    if is_https {
        // What speaks TLS is the proxy, and browsers judge its certificate better.
        return match within(TcpStream::connect(&place)).await {
            Ok(_) => Finding::ok(format!("{place} takes connections.")),
            Err(error) => Finding::warning(format!("{url} is not reached from here: {error}.")).mend(mend()),
        };
    }
    let said = url.strip_prefix("http://").unwrap_or(host);
    match ask(&place, said).await {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => {
            Finding::ok(format!("{url} leads to this server."))
        }
        Ok(answer) => {
            let first = answer.lines().next().unwrap_or_default().trim().to_owned();
            Finding::warning(format!("{url} leads to something else, which answers {first:?}.")).mend(mend())
        }
        Err(error) => Finding::warning(format!("{url} is not reached from here: {error}.")).mend(mend()),
    }
}

/// Where a server that listens on `address` is reached from its own machine.
fn here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

/// The beginning of what `place` answers to the question whether it lives.
async fn ask(place: &str, host: &str) -> io::Result<String> {
    within(async {
        let mut stream = TcpStream::connect(place).await?;
        let question = format!("GET {ALIVE} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(question.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    })
    .await
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::doctor::Level;

    fn config(url: &str, bind: &str) -> Config {
        Config::from_lookup(|name| match name {
            "PUBLIC_URL" => Some(url.to_owned()),
            "BIND_ADDRESS" => Some(bind.to_owned()),
            _ => None,
        })
        .unwrap()
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(parts("https://a.example"), (true, "a.example", 443));
        assert_eq!(parts("http://a.example:8080"), (false, "a.example", 8080));
        assert_eq!(parts("http://[::1]"), (false, "[::1]", 80));
        assert_eq!(parts("http://[::1]:81"), (false, "[::1]", 81));
    }

    #[test]
    fn what_an_address_means_for_links_and_cookies() {
        let cases = [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", Level::Note),
            ("http://localhost:8080", "0.0.0.0:8080", Level::Warning),
            ("http://[::1]:8080", "[::]:8080", Level::Warning),
            ("http://0.0.0.0:8080", "0.0.0.0:8080", Level::Warning),
            ("http://stillage.lan", "0.0.0.0:8080", Level::Warning),
            ("https://stillage.example.com", "127.0.0.1:8080", Level::Ok),
        ];
        for (url, bind, level) in cases {
            let finding = meaning(&config(url, bind));
            assert_eq!(finding.level, level, "{url} {bind}");
            assert_eq!(finding.mend.is_some(), level == Level::Warning, "{url} {bind}");
        }
    }
}
