//! Sites and who belongs to them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::{batches, site_members, sites};
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

/// The row, locked against every other change until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, id: Uuid) -> Result<Option<Site>> {
    Ok(sites::table.find(id).select(Site::as_select()).for_no_key_update().first(conn).optional()?)
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

/// Makes `sites` all that the user belongs to.
pub fn set_of_user(conn: &mut PgConnection, user_id: Uuid, sites: &[Uuid], at: DateTime<Utc>) -> Result<()> {
    let of_user = site_members::table.filter(site_members::user_id.eq(user_id));
    diesel::delete(of_user.filter(site_members::site_id.ne_all(sites.to_vec()))).execute(conn)?;
    for &site in sites {
        add_member(conn, site, user_id, at)?;
    }
    Ok(())
}

pub fn rename(conn: &mut PgConnection, id: Uuid, name: &str) -> Result<()> {
    diesel::update(sites::table.find(id)).set(sites::name.eq(name)).execute(conn)?;
    Ok(())
}

pub fn delete(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    diesel::delete(sites::table.find(id)).execute(conn)?;
    Ok(())
}

/// How many people belong to each site that has any; the disabled count too, for they may come back.
pub fn member_counts(conn: &mut PgConnection) -> Result<Vec<(Uuid, i64)>> {
    Ok(site_members::table
        .group_by(site_members::site_id)
        .select((site_members::site_id, diesel::dsl::count_star()))
        .load(conn)?)
}

/// Which of the sites have a batch, be it in the trash.
pub fn with_batches(conn: &mut PgConnection) -> Result<Vec<Uuid>> {
    let of_site = batches::table.filter(batches::site_id.eq(sites::id));
    Ok(sites::table.filter(diesel::dsl::exists(of_site)).select(sites::id).load(conn)?)
}
