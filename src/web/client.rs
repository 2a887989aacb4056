//! Whose address a request comes from.

use std::net::IpAddr;

use actix_web::HttpRequest;
use ipnet::IpNet;

/// The address of the client. `X-Forwarded-For` is believed only as far as it was written by trusted proxies:
/// from its right end, the first address that is not one of them.
pub fn address(req: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = req.peer_addr()?.ip();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let forwarded = req.headers().get_all("X-Forwarded-For").filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        // What cannot be read was not written by a proxy of ours; nothing left of it counts.
        let Ok(address) = hop.parse() else { break };
        client = address;
        if !is_trusted(&address) {
            break;
        }
    }
    Some(client)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_trusted_hops_are_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let table = [
            ("203.0.113.5:1", "198.51.100.1", "203.0.113.5"),
            ("10.0.0.2:1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.2:1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.2:1", "198.51.100.1, 10.0.0.9", "198.51.100.1"),
            ("10.0.0.2:1", "198.51.100.1, nonsense", "10.0.0.2"),
            ("10.0.0.2:1", "10.0.0.3", "10.0.0.3"),
        ];
        for (peer, forwarded, expected) in table {
            let req = TestRequest::default()
                .peer_addr(peer.parse().unwrap())
                .insert_header(("X-Forwarded-For", forwarded))
                .to_http_request();
            assert_eq!(address(&req, &trusted), Some(expected.parse().unwrap()), "{peer} {forwarded}");
        }
    }
}
