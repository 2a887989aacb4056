//! How a batch's files are filtered and sorted, as it stands in the address.

use uuid::Uuid;

use super::format;
use crate::domain::{
    files::{By, Order},
    kind::Kind,
};

pub struct FileFilters {
    pub batch: Uuid,
    /// Part of a name.
    pub name: String,
    pub kind: Option<Kind>,
    pub order: Order,
}

/// Every order with its value in the address and its words.
const ORDERS: [(By, bool, &str, &str); 8] = [
    (By::Time, false, "newest", "Newest first"),
    (By::Time, true, "oldest", "Oldest first"),
    (By::Name, false, "name", "By name"),
    (By::Name, true, "name-z", "By name, from Z"),
    (By::Size, false, "largest", "Largest first"),
    (By::Size, true, "smallest", "Smallest first"),
    (By::Kind, false, "kind", "By kind"),
    (By::Kind, true, "kind-z", "By kind, from Z"),
];

/// The order behind its value in the address; an unknown one is the usual.
pub fn parse_order(key: &str) -> Order {
    ORDERS
        .into_iter()
        .find(|(_, _, known, _)| *known == key)
        .map_or_else(Order::default, |(by, reversed, ..)| Order { by, reversed })
}

pub fn order_key(order: Order) -> &'static str {
    named(order).0
}

/// The value in the address and the words.
fn named(order: Order) -> (&'static str, &'static str) {
    ORDERS
        .into_iter()
        .find(|(by, reversed, ..)| *by == order.by && *reversed == order.reversed)
        .map_or(("newest", "Newest first"), |(_, _, key, word)| (key, word))
}

impl FileFilters {
    pub fn any(&self) -> bool {
        !self.name.is_empty() || self.kind.is_some()
    }

    pub fn kinds(&self) -> [Kind; 5] {
        Kind::ALL
    }

    pub fn order_word(&self) -> &'static str {
        named(self.order).1
    }

    pub fn order_key(&self) -> &'static str {
        order_key(self.order)
    }

    /// What the menu offers; the heads of the table turn an order round.
    pub fn orders(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        ORDERS
            .into_iter()
            .filter(|(by, reversed, ..)| !reversed || *by == By::Time)
            .map(|(_, _, key, word)| (key, word))
    }

    /// The page's address with one thing changed; an empty value lifts it. Every change leads to the first page.
    pub fn url_with(&self, name: &str, value: &str) -> String {
        let mut pairs = vec![
            ("name", self.name.as_str()),
            ("kind", self.kind.map_or("", Kind::key)),
            ("sort", self.order_key()),
        ];
        pairs.retain(|(key, _)| *key != name);
        pairs.push((name, value));
        format!("/batches/{}{}", self.batch, format::query(&pairs))
    }

    /// Where the head of a column leads: to its order, or to the other way round when that is the order now.
    pub fn url_by(&self, column: &str) -> String {
        let by = column_order(column);
        let reversed = self.order == Order { by, reversed: false };
        self.url_with("sort", order_key(Order { by, reversed }))
    }

    /// The value of `aria-sort` for the head of a column; empty when it is not the order.
    pub fn sorted(&self, column: &str) -> &'static str {
        if self.order.by != column_order(column) {
            return "";
        }
        // Times and sizes begin with the largest.
        let falls = matches!(self.order.by, By::Time | By::Size) != self.order.reversed;
        if falls { "descending" } else { "ascending" }
    }
}

fn column_order(column: &str) -> By {
    match column {
        "name" => By::Name,
        "size" => By::Size,
        "kind" => By::Kind,
        _ => By::Time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(order: Order) -> FileFilters {
        FileFilters { batch: Uuid::nil(), name: "a&b".to_owned(), kind: Some(Kind::Label), order }
    }

    #[test]
    fn orders_come_back() {
        for (by, reversed, key, _) in ORDERS {
            let order = Order { by, reversed };
            assert_eq!(parse_order(key), order);
            assert_eq!(order_key(order), key);
        }
        assert_eq!(parse_order("nonsense"), Order::default());
    }

    #[test]
    fn heads_turn_their_order_round() {
        let usual = filters(Order::default());
        assert!(usual.url_by("name").ends_with("sort=name"));
        assert!(usual.url_by("when").ends_with("sort=oldest"));
        assert_eq!((usual.sorted("when"), usual.sorted("name")), ("descending", ""));
        let by_name = filters(parse_order("name"));
        assert!(by_name.url_by("name").ends_with("sort=name-z"));
        assert!(by_name.url_by("size").ends_with("sort=largest"));
        assert_eq!(by_name.sorted("name"), "ascending");
        assert_eq!(filters(parse_order("smallest")).sorted("size"), "ascending");
        assert!(filters(parse_order("name-z")).url_by("name").ends_with("sort=name"));
    }

    #[test]
    fn addresses_keep_the_rest() {
        let url = filters(parse_order("name")).url_with("kind", "");
        assert_eq!(url, format!("/batches/{}?name=a%26b&sort=name", Uuid::nil()));
    }
}
