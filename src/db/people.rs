//! Accounts as admins look for them: a keyset page by user name.

use diesel::{pg::Pg, prelude::*};
use uuid::Uuid;

use super::{
    like_anywhere,
    schema::{site_members, sites, users},
    users::UserRow,
};
use crate::error::Result;

/// Whether a person can sign in, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Can sign in.
    Able,
    /// Has to choose a password first.
    Waiting,
    Disabled,
}

impl State {
    pub fn of(user: &UserRow) -> Self {
        match user {
            user if user.disabled_at.is_some() => Self::Disabled,
            user if user.password_set_at.is_none() => Self::Waiting,
            _ => Self::Able,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of a user name or of the name that is shown.
    pub query: Option<String>,
    pub role: Option<&'static str>,
    pub state: Option<State>,
    pub site: Option<Uuid>,
    /// The user name after which the page starts.
    pub after: Option<String>,
}

/// Up to `limit` people, by user name.
pub fn page(conn: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<UserRow>> {
    let mut query = users::table.select(UserRow::as_select()).into_boxed::<Pg>();
    if let Some(text) = &filter.query {
        let pattern = like_anywhere(text);
        query = query.filter(users::username.ilike(pattern.clone()).or(users::display_name.ilike(pattern)));
    }
    if let Some(role) = filter.role {
        query = query.filter(users::role.eq(role));
    }
    query = match filter.state {
        Some(State::Able) => {
            query.filter(users::disabled_at.is_null()).filter(users::password_set_at.is_not_null())
        }
        Some(State::Waiting) => {
            query.filter(users::disabled_at.is_null()).filter(users::password_set_at.is_null())
        }
        Some(State::Disabled) => query.filter(users::disabled_at.is_not_null()),
        None => query,
    };
    if let Some(site) = filter.site {
        let members =
            site_members::table.filter(site_members::site_id.eq(site)).select(site_members::user_id);
        query = query.filter(users::id.eq_any(members));
    }
    if let Some(after) = &filter.after {
        query = query.filter(users::username.gt(after.clone()));
    }
    Ok(query.order(users::username).limit(limit).load(conn)?)
}

/// User and site name for every membership of these users, the sites in the order of [`super::sites::all`].
pub fn memberships(conn: &mut PgConnection, users: &[Uuid]) -> Result<Vec<(Uuid, String)>> {
    Ok(site_members::table
        .inner_join(sites::table)
        .filter(site_members::user_id.eq_any(users))
        .order((sites::is_default.desc(), sites::name.asc()))
        .select((site_members::user_id, sites::name))
        .load(conn)?)
}
