//! Facts of this installation: the store's id, generated secrets, what admins set.

use diesel::{prelude::*, upsert::excluded};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::schema::settings;
use crate::{
    clock::Clock,
    error::{Error, Result},
};

pub fn get<T: DeserializeOwned>(conn: &mut PgConnection, key: &str) -> Result<Option<T>> {
    let value: Option<Value> = settings::table.find(key).select(settings::value).first(conn).optional()?;
    value.map(serde_json::from_value).transpose().map_err(Error::internal)
}

/// Lets nobody else change a value until the transaction ends.
pub fn lock(conn: &mut PgConnection, key: &str) -> Result<()> {
    settings::table.find(key).select(settings::key).for_update().first::<String>(conn).optional()?;
    Ok(())
}

pub fn put<T: Serialize>(conn: &mut PgConnection, clock: &Clock, key: &str, value: &T) -> Result<()> {
    let value = serde_json::to_value(value).map_err(Error::internal)?;
    diesel::insert_into(settings::table)
        .values((settings::key.eq(key), settings::value.eq(value), settings::updated_at.eq(clock.now())))
        .on_conflict(settings::key)
        .do_update()
        .set((
            settings::value.eq(excluded(settings::value)),
            settings::updated_at.eq(excluded(settings::updated_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// The value under `key`; the first caller's `fresh` one becomes it. Instances that start together agree.
pub fn get_or_init<T: Serialize + DeserializeOwned>(
    conn: &mut PgConnection,
    clock: &Clock,
    key: &str,
    fresh: impl FnOnce() -> T,
) -> Result<T> {
    if let Some(value) = get(conn, key)? {
        return Ok(value);
    }
    let value = serde_json::to_value(fresh()).map_err(Error::internal)?;
    diesel::insert_into(settings::table)
        .values((settings::key.eq(key), settings::value.eq(value), settings::updated_at.eq(clock.now())))
        .on_conflict_do_nothing()
        .execute(conn)?;
    get(conn, key)?.ok_or(Error::NotFound)
}

pub fn remove(conn: &mut PgConnection, key: &str) -> Result<()> {
    diesel::delete(settings::table.find(key)).execute(conn)?;
    Ok(())
}
