//! Headers and query values that say where a request comes from and where it leads.

use chrono::{DateTime, Utc};
use stillage::web::{client, pages::auth::local_path, query};
use uuid::Uuid;

use crate::parts;

/// A client has an address whatever the proxies wrote, a way back never leads to another host, and a place in a list
/// is one that can be written again.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let headers = parts::headers(data);
    let Ok(trusted) = "10.0.0.0/8".parse() else { return };
    assert!(client::address(&parts::request(&headers), &[trusted]).is_some());
    assert!(client::address(&parts::request(&headers), &[]).is_some());

    for line in parts::lines(data) {
        let path = local_path(&line);
        assert!(path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\"), "{path}");
        assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?} is a header's value");

        place::<(DateTime<Utc>, Uuid)>(&line);
        place::<(String, Uuid)>(&line);
        place::<(i64, i64)>(&line);
    }
}

fn place<P>(text: &str)
where
    P: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    if let Ok(Some(place)) = query::parse_cursor::<P>(Some(text)) {
        let Ok(again) = query::cursor(&place) else { panic!("{place:?} cannot be written") };
        assert_eq!(query::parse_cursor::<P>(Some(&again)).ok().flatten(), Some(place));
    }
}
