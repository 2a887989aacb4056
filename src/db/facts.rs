//! What a PostgreSQL says of itself and of Stillage's tables in it, for the doctor. Reads only.

use chrono::{DateTime, Utc};
use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query,
    sql_types::{Bool, Integer, Nullable, Text, Timestamptz},
};
use uuid::Uuid;

use super::{
    address, copies, migrate, settings,
    silence::{InUse, Line, Pulse},
};
use crate::error::{Error, Result};

/// The server.
#[derive(Clone, Debug, QueryableByName)]
pub struct Server {
    #[diesel(sql_type = Text)]
    pub version: String,
    /// Such as 150004.
    #[diesel(sql_type = Integer)]
    pub version_number: i32,
    #[diesel(sql_type = Integer)]
    pub connections_max: i32,
    /// Of these, kept for superusers.
    #[diesel(sql_type = Integer)]
    pub connections_reserved: i32,
    #[diesel(sql_type = Integer)]
    pub connections_open: i32,
    /// Whether a commit is on the disk when it is answered.
    #[diesel(sql_type = Bool)]
    pub is_durable: bool,
    #[diesel(sql_type = Bool)]
    pub has_tls: bool,
    /// The server's address; `None` over a socket of this machine.
    #[diesel(sql_type = Nullable<Text>)]
    pub address: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub now: DateTime<Utc>,
}

/// Stillage's own part.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Names of migrations that are still to run.
    pub pending: Vec<String>,
    pub store_id: Option<Uuid>,
    pub has_files: bool,
}

/// A connection that is ended when PostgreSQL falls silent.
pub struct Reached {
    pub conn: PgConnection,
    _in_use: InUse,
}

/// Connects within `patience` seconds.
pub fn connect(url: &str, patience: u8) -> Result<Reached> {
    let line = Line::new();
    let url = address::with(&address::bounded(url), "connect_timeout", &patience.to_string());
    let url = address::with(&url, "tcp_user_timeout", &line.mark().to_string());
    let in_use = line.in_use();
    let mut conn = PgConnection::establish(&url).map_err(Error::internal)?;
    conn.set_instrumentation(Pulse(line));
    Ok(Reached { conn, _in_use: in_use })
}

pub fn server(conn: &mut PgConnection) -> Result<Server> {
    let query = "SELECT current_setting('server_version') AS version,
            current_setting('server_version_num')::int AS version_number,
            current_setting('max_connections')::int AS connections_max,
            current_setting('superuser_reserved_connections')::int AS connections_reserved,
            (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')
                AS connections_open,
            current_setting('fsync')::bool AND current_setting('full_page_writes')::bool
                AND current_setting('synchronous_commit') <> 'off' AS is_durable,
            coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS has_tls,
            host(inet_server_addr()) AS address,
            clock_timestamp() AS now";
    Ok(sql_query(query).get_result(conn)?)
}

pub fn tables(conn: &mut PgConnection) -> Result<Tables> {
    // Asking for the state of migrations makes their table, which would stay.
    if !has_table(conn, "__diesel_schema_migrations")? {
        return Ok(Tables { pending: migrate::names()?, ..Tables::default() });
    }
    let (_, pending) = migrate::status(conn)?;
    let store_id = if has_table(conn, "settings")? { settings::get(conn, "store_id")? } else { None };
    let has_files = has_table(conn, "attachments")? && copies::any_local(conn)?;
    Ok(Tables { pending, store_id, has_files })
}

fn has_table(conn: &mut PgConnection, name: &str) -> Result<bool> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_there: bool,
    }
    let query = sql_query("SELECT to_regclass($1) IS NOT NULL AS is_there").bind::<Text, _>(name);
    Ok(query.get_result::<Row>(conn)?.is_there)
}
