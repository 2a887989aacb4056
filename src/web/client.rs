//! Whose address a request comes from.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// The address of the client. `X-Forwarded-For` is believed only as far as it was written by trusted proxies:
/// from its right end, the first address that is not one of them. IPv4 is IPv4, also where a socket for both calls it
/// `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2).
pub fn address(req: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = req.peer_addr()?.ip().to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| canonical(network).contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let forwarded = req.headers().get_all("X-Forwarded-For").filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        // What cannot be read was not written by a proxy of ours; nothing left of it counts.
        let Some(address) = address_of(hop) else { break };
        client = address;
        if !is_trusted(&address) {
            break;
        }
    }
    Some(client)
}

/// A hop as proxies write it: an address, some with the port, IPv6 then in brackets.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = || hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop).parse().ok();
    let address = hop.parse::<SocketAddr>().map(|socket| socket.ip()).ok().or_else(bare)?;
    Some(address.to_canonical())
}

/// `::ffff:10.0.0.0/104` as what it means: `10.0.0.0/8`.
fn canonical(network: &IpNet) -> IpNet {
    let mapped = network.addr().to_canonical();
    let bits = network.prefix_len().checked_sub(96).filter(|_| network.addr() != mapped);
    bits.and_then(|bits| IpNet::new(mapped, bits).ok()).unwrap_or(*network)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let mut req = TestRequest::default().peer_addr(peer.parse().unwrap());
        for value in forwarded {
            req = req.append_header(("X-Forwarded-For", *value));
        }
        address(&req.to_http_request(), &trusted).unwrap().to_string()
    }

    #[test]
    fn only_trusted_hops_are_believed() {
        let table = [
            ("203.0.113.5:1", "198.51.100.1", "203.0.113.5"),
            ("10.0.0.2:1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.2:1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.2:1", "198.51.100.1, 10.0.0.9", "198.51.100.1"),
            ("10.0.0.2:1", "198.51.100.1, nonsense", "10.0.0.2"),
            ("10.0.0.2:1", "10.0.0.3", "10.0.0.3"),
            // A socket for both kinds of addresses.
            ("[::ffff:10.0.0.1]:1", "198.51.100.1", "198.51.100.1"),
            ("[::ffff:203.0.113.5]:1", "198.51.100.1", "203.0.113.5"),
            ("[::ffff:10.0.0.1]:1", "", "10.0.0.1"),
            ("10.0.0.2:1", "198.51.100.1, ::ffff:10.0.0.9", "198.51.100.1"),
            ("10.0.0.2:1", "::ffff:198.51.100.1", "198.51.100.1"),
            // Hops with their port.
            ("10.0.0.2:1", "203.0.113.9:4711", "203.0.113.9"),
            ("10.0.0.2:1", "6.6.6.6, 203.0.113.9:4711, 10.0.0.3:80", "203.0.113.9"),
            ("10.0.0.2:1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.2:1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.2:1", "2001:db8::1", "2001:db8::1"),
            ("10.0.0.2:1", "[::ffff:198.51.100.1]:4711", "198.51.100.1"),
            // What no proxy writes.
            ("10.0.0.2:1", "198.51.100.1, 203.0.113.9:99999", "10.0.0.2"),
            ("10.0.0.2:1", "198.51.100.1, [203.0.113.9", "10.0.0.2"),
            ("10.0.0.2:1", "198.51.100.1, unknown", "10.0.0.2"),
            ("10.0.0.2:1", ",", "10.0.0.2"),
        ];
        for (peer, forwarded, expected) in table {
            assert_eq!(seen(peer, &[forwarded], &["10.0.0.0/8"]), expected, "{peer} {forwarded}");
        }
        assert_eq!(seen("10.0.0.2:1", &["6.6.6.6", "198.51.100.1"], &["10.0.0.0/8"]), "198.51.100.1");
    }

    #[test]
    fn networks_are_what_they_mean() {
        let table = [
            ("::ffff:10.0.0.0/104", "10.0.0.2:1", true),
            ("::ffff:10.0.0.2/128", "[::ffff:10.0.0.2]:1", true),
            ("::ffff:10.0.0.0/104", "11.0.0.2:1", false),
            ("2001:db8::/32", "[2001:db8::7]:1", true),
            ("2001:db8::/32", "10.0.0.2:1", false),
            ("::1/128", "[::1]:1", true),
            ("127.0.0.1/32", "[::ffff:127.0.0.1]:1", true),
            ("127.0.0.1/32", "[::1]:1", false),
        ];
        for (network, peer, is_trusted) in table {
            let believed = seen(peer, &["198.51.100.1"], &[network]) == "198.51.100.1";
            assert_eq!(believed, is_trusted, "{network} {peer}");
        }
    }
}
