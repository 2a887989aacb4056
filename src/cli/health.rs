//! `stillage health`: asks the running server whether it can serve, for containers, where there is no curl.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::Finding;
use crate::config::Config;

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(4);
/// Far more than the answer has, in bytes.
const ANSWER_MAX: u64 = 16 * 1024;

pub fn run(config: &Config) -> anyhow::Result<Finding> {
    let address = here(config.bind_address);
    match ask(address) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => {
            say!("ready");
            Ok(Finding::Good)
        }
        Ok(answer) => {
            let reason = answer.lines().last().unwrap_or_default();
            say!("{}", if reason.is_empty() { "not ready" } else { reason });
            Ok(Finding::Bad)
        }
        Err(error) => {
            say!("not ready: {address}: {error}");
            Ok(Finding::Bad)
        }
    }
}

/// Where a server that listens on `address` is reached from its own machine.
fn here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_on_this_one() {
        let cases = [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("192.0.2.7:80", "192.0.2.7:80"),
        ];
        for (bound, expected) in cases {
            assert_eq!(here(bound.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
