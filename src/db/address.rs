//! Addresses of databases: what every connection is made with, and how people read them.

/// Added to an address that does not say it itself: libpq waits for ever by default.
const DEFAULTS: [(&str, &str); 4] = [
    // Seconds for one host to take the connection and sign in.
    ("connect_timeout", "5"),
    // A host that is gone is noticed within 10 s + 3 × 5 s.
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
];

/// The address with a bound on every wait of the network.
pub(super) fn bounded(url: &str) -> String {
    let is_missing = |name: &str| !url.contains(&format!("{name}="));
    DEFAULTS
        .iter()
        .filter(|(name, _)| is_missing(name))
        .fold(url.to_owned(), |url, (name, value)| with(&url, name, value))
}

/// The address with one more parameter; `value` is encoded already. The last of a name counts.
pub(super) fn with(url: &str, name: &str, value: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{name}={value}")
}

/// Host and database of an address, without user and password.
pub fn place(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('?').next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    if rest.starts_with('/') || rest.is_empty() { format!("localhost{rest}") } else { rest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_in_the_place() {
        assert_eq!(place("postgres://u:p%40ss@db:5432/stillage?sslmode=require"), "db:5432/stillage");
        assert_eq!(place("postgresql:///stillage?host=/run/x&user=s"), "localhost/stillage");
        assert_eq!(place("postgres://"), "localhost");
    }

    #[test]
    fn waits_are_bounded_and_what_the_address_says_itself_holds() {
        let url = bounded("postgres://db/s");
        assert!(url.starts_with("postgres://db/s?connect_timeout=5&keepalives_idle=10&"), "{url}");
        let url = bounded("postgres://db/s?connect_timeout=30");
        assert!(url.contains("connect_timeout=30") && !url.contains("connect_timeout=5"), "{url}");
    }
}
