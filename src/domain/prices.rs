//! What an admin says about costs: prices, and what Stillage cannot see by itself. Kept in `settings`.

use diesel::PgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    access::{Action, Actor, Resource, authorize},
    advice::Circumstances,
    audit::{self, Subject},
    costs::{Micros, Tariff},
    recheck,
};
use crate::{
    app::App,
    db::settings,
    error::{Error, FieldError, Result},
};

const KEY: &str = "prices";
/// No price is above this, so that a slip of a finger is told: $1,000,000.
const PRICE_MAX: Micros = 1_000_000_000_000;
const FREE_MAX: i64 = 1_000_000_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// For each GB and month on a disk of one's own; `None` until an admin says it.
    pub local_gb_month: Option<Micros>,
    pub r2: Tariff,
    pub s3: Tariff,
    pub circumstances: Circumstances,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            local_gb_month: None,
            r2: Tariff::r2(),
            s3: Tariff::s3(),
            circumstances: Circumstances::default(),
        }
    }
}

/// A field of the form: its name, what it means, and where its value is.
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    part: Part,
}

type At<T> = fn(&mut Prices) -> &mut T;

enum Part {
    Optional(At<Option<Micros>>),
    Price(At<Micros>),
    Count(At<i64>),
}

const fn price(name: &'static str, label: &'static str, at: At<Micros>) -> Field {
    Field { name, label, part: Part::Price(at) }
}

const fn count(name: &'static str, label: &'static str, at: At<i64>) -> Field {
    Field { name, label, part: Part::Count(at) }
}

pub const LOCAL: &[Field] = &[Field {
    name: "local_gb_month",
    label: "$ for a GB and month",
    part: Part::Optional(|prices| &mut prices.local_gb_month),
}];

pub const R2: &[Field] = &[
    price("r2_gb_month", "$ for a GB and month", |prices| &mut prices.r2.gb_month),
    price("r2_writes", "$ for a million writes", |prices| &mut prices.r2.writes),
    price("r2_reads", "$ for a million reads", |prices| &mut prices.r2.reads),
    price("r2_egress_gb", "$ for a GB downloaded", |prices| &mut prices.r2.egress_gb),
    count("r2_free_gb", "GB free", |prices| &mut prices.r2.free.gb),
    count("r2_free_writes", "Writes free a month", |prices| &mut prices.r2.free.writes),
    count("r2_free_reads", "Reads free a month", |prices| &mut prices.r2.free.reads),
    count("r2_free_egress_gb", "GB of downloads free a month", |prices| &mut prices.r2.free.egress_gb),
];

pub const S3: &[Field] = &[
    price("s3_gb_month", "$ for a GB and month", |prices| &mut prices.s3.gb_month),
    price("s3_writes", "$ for a million writes", |prices| &mut prices.s3.writes),
    price("s3_reads", "$ for a million reads", |prices| &mut prices.s3.reads),
    price("s3_egress_gb", "$ for a GB downloaded", |prices| &mut prices.s3.egress_gb),
    count("s3_free_gb", "GB free", |prices| &mut prices.s3.free.gb),
    count("s3_free_writes", "Writes free a month", |prices| &mut prices.s3.free.writes),
    count("s3_free_reads", "Reads free a month", |prices| &mut prices.s3.free.reads),
    count("s3_free_egress_gb", "GB of downloads free a month", |prices| &mut prices.s3.free.egress_gb),
];

impl Field {
    /// The value as the form shows it.
    pub fn text(&self, prices: &Prices) -> String {
        let mut prices = prices.clone();
        match self.part {
            Part::Optional(at) => at(&mut prices).map_or_else(String::new, plain),
            Part::Price(at) => plain(*at(&mut prices)),
            Part::Count(at) => at(&mut prices).to_string(),
        }
    }

    fn set(&self, prices: &mut Prices, text: &str) -> Result<(), FieldError> {
        let text = text.trim();
        let no_price =
            || FieldError::new(self.name, "A price in dollars, such as 0.015, with at most six decimals.");
        match self.part {
            Part::Optional(at) if text.is_empty() => *at(prices) = None,
            Part::Optional(at) => *at(prices) = Some(parse(text).ok_or_else(no_price)?),
            Part::Price(at) => *at(prices) = parse(text).ok_or_else(no_price)?,
            Part::Count(at) => {
                let number = text.parse().ok().filter(|number| (0..=FREE_MAX).contains(number));
                let problem = || FieldError::new(self.name, "A whole number, 0 for none.");
                *at(prices) = number.ok_or_else(problem)?;
            }
        }
        Ok(())
    }
}

/// "0.015"
fn plain(micros: Micros) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Dollars as a person types them, exactly.
fn parse(text: &str) -> Option<Micros> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && decimals.is_empty()) || !is_number(whole) || !is_number(decimals) {
        return None;
    }
    if whole.len() > 7 || decimals.len() > 6 {
        return None;
    }
    let whole: Micros = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let decimals: Micros = format!("{decimals:0<6}").parse().ok()?;
    Some(whole * 1_000_000 + decimals).filter(|micros| *micros <= PRICE_MAX)
}

/// The prices that hold.
pub async fn show(app: &App, actor: &Actor) -> Result<Prices> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db.run(current).await
}

pub(super) fn current(conn: &mut PgConnection) -> Result<Prices> {
    Ok(settings::get(conn, KEY)?.unwrap_or_default())
}

/// Sets what the form says: a text for each field, and what holds here.
///
/// # Errors
/// [`Error::Invalid`] with a message for each field that will not do.
pub async fn save(
    app: &App,
    actor: &Actor,
    text: impl Fn(&str) -> String,
    circumstances: Circumstances,
) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    let mut prices = Prices { circumstances, ..Prices::default() };
    let fields = LOCAL.iter().chain(R2).chain(S3);
    let problems: Vec<FieldError> =
        fields.filter_map(|field| field.set(&mut prices, &text(field.name)).err()).collect();
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    let clock = app.clock.clone();
    recheck::admin(app, actor, move |conn, actor| {
        let before = current(conn)?;
        if before == prices {
            return Ok(());
        }
        settings::put(conn, &clock, KEY, &prices)?;
        let details = json!({ "prices": [before, prices] });
        audit::record(conn, clock.now(), &actor, "settings.prices", Subject::System, details)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_exactly_and_come_back() {
        let table = [
            ("0.015", Some(15_000)),
            (".36", Some(360_000)),
            ("4.50", Some(4_500_000)),
            ("5", Some(5_000_000)),
            ("0", Some(0)),
            ("0.000001", Some(1)),
            ("1000000", Some(PRICE_MAX)),
            ("1000000.01", None),
            ("0.0000001", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("1,5", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
            if let Some(micros) = expected {
                assert_eq!(parse(&plain(micros)), Some(micros));
            }
        }
        assert_eq!(plain(4_500_000), "4.5");
        assert_eq!(plain(0), "0");
    }

    #[test]
    fn every_field_shows_and_sets_a_value_of_its_own() {
        let mut prices = Prices::default();
        let fields: Vec<&Field> = LOCAL.iter().chain(R2).chain(S3).collect();
        for (nth, field) in fields.iter().enumerate() {
            field.set(&mut prices, &format!("{}", nth + 1)).unwrap();
        }
        for (nth, field) in fields.iter().enumerate() {
            assert_eq!(field.text(&prices), (nth + 1).to_string(), "{}", field.name);
            assert!(field.set(&mut prices, "x").is_err());
        }
        let list: Vec<String> = [R2, S3].map(|fields| fields[0].text(&Prices::default())).into();
        assert_eq!(list, ["0.015", "0.023"]);
        LOCAL[0].set(&mut prices, " ").unwrap();
        assert_eq!(prices.local_gb_month, None);
    }
}
