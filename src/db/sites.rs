//! Sites and who belongs to them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::{site_members, sites};
use crate::error::Result;

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sites, treat_none_as_default_value = false)]
pub struct Site {
    pub id: Uuid,
    pub name: String,
    pub is_default: bool,
    pub created_at: DateTime<Utc>,
}

/// All of them, the default one first, then by name.
pub fn all(conn: &mut PgConnection) -> Result<Vec<Site>> {
    Ok(sites::table
        .order((sites::is_default.desc(), sites::name.asc()))
        .select(Site::as_select())
        .load(conn)?)
}

pub fn insert(conn: &mut PgConnection, site: &Site) -> Result<()> {
    diesel::insert_into(sites::table).values(site).execute(conn)?;
    Ok(())
}

pub fn add_member(conn: &mut PgConnection, site_id: Uuid, user_id: Uuid, at: DateTime<Utc>) -> Result<()> {
    diesel::insert_into(site_members::table)
        .values((
            site_members::site_id.eq(site_id),
            site_members::user_id.eq(user_id),
            site_members::created_at.eq(at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)?;
    Ok(())
}

pub fn of_user(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<Uuid>> {
    Ok(site_members::table
        .filter(site_members::user_id.eq(user_id))
        .select(site_members::site_id)
        .load(conn)?)
}
