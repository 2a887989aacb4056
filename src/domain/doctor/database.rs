//! The database: reached, of a version that does, up to date, safely connected, on the same time.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Database, Finding, Patient};
use crate::{
    app::POOL_SIZE,
    blocking,
    clock::Clock,
    db::{
        self,
        facts::{self, Server, Tables},
    },
    error::Error,
};

/// What the other checks need to know from the database.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub store_id: Option<Uuid>,
    pub has_files: bool,
}

/// Seconds until a connection is given up.
const PATIENCE: u8 = 5;
/// The oldest PostgreSQL that has what the statements need.
const OLDEST: i32 = 130_000;
/// What a process connects with besides its pool: the worker's ear, migrations, a command beside it.
const BESIDES_THE_POOL: i32 = 4;

pub async fn check(patient: &Patient) -> (Vec<Finding>, Option<Known>) {
    let url = match &patient.database {
        Database::Url(url) => url.clone(),
        Database::Unmade => {
            let known = Known { store_id: None, has_files: false };
            let finding = Finding::note("There is no private database yet; the first start makes it.");
            return (vec![finding.mend("stillage serve")], Some(known));
        }
        Database::Down(why) => {
            let finding = Finding::failure(format!("The private database cannot be started: {why}."));
            return (vec![finding.mend("tail -n 50 data/postgres.log  # in STILLAGE_DATA_PATH")], None);
        }
    };
    let clock = patient.clock.clone();
    let place = db::place(&url);
    match blocking::run(move || ask(&url, &clock)).await {
        Ok(answers) => judge(&answers),
        Err(error) => (vec![unreachable(&place, error)], None),
    }
}

fn unreachable(place: &str, error: Error) -> Finding {
    let cause = match error {
        Error::Internal(cause) => cause.to_string(),
        other => other.to_string(),
    };
    let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = if cause.contains("authentication failed") || cause.contains("does not exist") {
        "stillage config  # user, password and database of DATABASE_URL against the server's".to_owned()
    } else if cause.contains("sslmode") || cause.contains("SSL") {
        "cargo build --release --features pg-tls  # the default build has no TLS to the database".to_owned()
    } else {
        format!("pg_isready -d postgresql://{place}; sudo systemctl start postgresql")
    };
    Finding::failure(format!("The database at {place} does not answer: {}.", cause.trim_end_matches('.')))
        .mend(line)
}

struct Answers {
    server: Server,
    tables: Result<Tables, String>,
    /// When it was asked for its time, and when it had answered.
    asked: DateTime<Utc>,
    answered: DateTime<Utc>,
}

fn ask(url: &str, clock: &Clock) -> crate::error::Result<Answers> {
    let mut conn = facts::connect(url, PATIENCE)?;
    let asked = clock.now();
    let server = facts::server(&mut conn)?;
    let answered = clock.now();
    let tables = facts::tables(&mut conn).map_err(|error| match error {
        Error::Internal(cause) => cause.to_string(),
        other => other.to_string(),
    });
    Ok(Answers { server, tables, asked, answered })
}

fn judge(answers: &Answers) -> (Vec<Finding>, Option<Known>) {
    let server = &answers.server;
    let mut findings = vec![version(server), connection(server), room(server)];
    if !server.is_durable {
        findings.push(
            Finding::warning("The database does not write commits through to the disk: a power cut loses what was answered.")
                .mend("ALTER SYSTEM SET fsync = on; ALTER SYSTEM SET full_page_writes = on; ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf();"),
        );
    }
    findings.push(skew(server.now, answers.asked, answers.answered));
    let known = match &answers.tables {
        Ok(tables) => {
            findings.push(migrations(&tables.pending));
            Some(Known { store_id: tables.store_id, has_files: tables.has_files })
        }
        Err(error) => {
            findings.push(
                Finding::failure(format!("The tables cannot be read: {error}."))
                    .mend("ALTER DATABASE stillage OWNER TO stillage;"),
            );
            None
        }
    };
    (findings, known)
}

fn version(server: &Server) -> Finding {
    if server.version_number >= OLDEST {
        return Finding::ok(format!("PostgreSQL {} answers.", server.version));
    }
    Finding::failure(format!("PostgreSQL {} is too old; 13 is the oldest that does.", server.version))
        .mend("pg_upgradecluster OLD main  # Debian; see PostgreSQL's own guide elsewhere")
}

fn connection(server: &Server) -> Finding {
    match &server.address {
        None => Finding::ok("It is reached over a socket of this machine."),
        Some(address) if server.has_tls => Finding::ok(format!("It is reached over TLS at {address}.")),
        Some(address) if address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) => {
            Finding::ok(format!("It is reached at {address}, on this machine."))
        }
        Some(address) => Finding::warning(format!(
            "It is reached at {address} without TLS: whoever is on the network between can read along."
        ))
        .mend("DATABASE_URL=postgres://…?sslmode=require  # inside one compose network it may stay as it is"),
    }
}

fn room(server: &Server) -> Finding {
    let usable = server.connections_max - server.connections_reserved;
    // POOL_SIZE is small.
    let wanted = POOL_SIZE as i32 + BESIDES_THE_POOL;
    let open = server.connections_open;
    let what =
        format!("{open} of {usable} connections are open; each Stillage process takes up to {wanted}.");
    let mend = || {
        format!("ALTER SYSTEM SET max_connections = {};  -- and restart PostgreSQL", (usable * 2).max(100))
    };
    if usable < wanted || open >= usable {
        Finding::failure(what).mend(mend())
    } else if open * 10 > usable * 9 {
        Finding::warning(what).mend(mend())
    } else {
        Finding::ok(what)
    }
}

fn migrations(pending: &[String]) -> Finding {
    match pending {
        [] => Finding::ok("Its tables are up to date."),
        [first, ..] => Finding::warning(format!(
            "{} migrations are still to run, the first is {first}; the next start runs them.",
            pending.len()
        ))
        .mend("stillage migrate"),
    }
}

/// Sessions, links and retention go by this machine's clock, and several processes by several.
fn skew(there: DateTime<Utc>, asked: DateTime<Utc>, answered: DateTime<Utc>) -> Finding {
    let apart = if there < asked {
        asked - there
    } else if there > answered {
        there - answered
    } else {
        TimeDelta::zero()
    };
    let what = format!("The clocks of this machine and of the database are {} s apart.", apart.num_seconds());
    let mend = "sudo timedatectl set-ntp true  # on both machines";
    if apart > TimeDelta::minutes(1) {
        Finding::failure(what).mend(mend)
    } else if apart > TimeDelta::seconds(2) {
        Finding::warning(what).mend(mend)
    } else {
        Finding::ok("The clocks of this machine and of the database agree.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::doctor::Level;

    fn server() -> Server {
        Server {
            version: "15.4".to_owned(),
            version_number: 150_004,
            connections_max: 100,
            connections_reserved: 3,
            connections_open: 5,
            is_durable: true,
            has_tls: false,
            address: None,
            now: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_old_server_fails() {
        assert_eq!(version(&server()).level, Level::Ok);
        assert_eq!(version(&Server { version_number: 120_015, ..server() }).level, Level::Failure);
    }

    #[test]
    fn the_network_between_is_told() {
        let at = |address: &str, has_tls| {
            connection(&Server { address: Some(address.to_owned()), has_tls, ..server() }).level
        };
        assert_eq!(connection(&server()).level, Level::Ok);
        assert_eq!(at("127.0.0.1", false), Level::Ok);
        assert_eq!(at("10.0.0.7", true), Level::Ok);
        assert_eq!(at("10.0.0.7", false), Level::Warning);
    }

    #[test]
    fn connections_must_do_for_the_pool() {
        let with = |connections_max, connections_open| {
            room(&Server { connections_max, connections_open, ..server() }).level
        };
        assert_eq!(with(100, 5), Level::Ok);
        assert_eq!(with(100, 90), Level::Warning);
        assert_eq!(with(100, 97), Level::Failure);
        assert_eq!(with(22, 1), Level::Failure);
    }

    #[test]
    fn clocks_may_differ_by_little() {
        let moment = DateTime::UNIX_EPOCH;
        let by = |seconds| skew(moment + TimeDelta::seconds(seconds), moment, moment).level;
        for (seconds, level) in [
            (0, Level::Ok),
            (2, Level::Ok),
            (-3, Level::Warning),
            (30, Level::Warning),
            (-90, Level::Failure),
        ] {
            assert_eq!(by(seconds), level, "{seconds}");
        }
    }
}
