//! A PostgreSQL of one fault's own, behind a proxy, with the template's database in it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use diesel::{Connection, PgConnection, connection::SimpleConnection};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use stillage::db::embedded::{Embedded, Options, Owner};

use super::{
    Site,
    proxy::{Proxy, Upstream},
    site,
};

pub struct Postgres {
    embedded: Option<Embedded>,
    data: PathBuf,
    url: String,
    pub proxy: Proxy,
}

impl Postgres {
    /// Started in this folder, which holds the data of a private database.
    pub fn start(data: &Path) -> Self {
        let embedded = run(data);
        let url = embedded.url().to_owned();
        let socket = url.split("host=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
        let proxy = Proxy::to(Upstream::Unix(Path::new(socket).join(".s.PGSQL.5432")));
        Self { embedded: Some(embedded), data: data.to_owned(), url, proxy }
    }

    /// A site that is not started yet, and its PostgreSQL behind the proxy.
    pub fn with_site(options: site::Options) -> (Self, Site) {
        let mut site = Site::prepare(options);
        let postgres = Self::start(&site.data());
        site.options = site.options.clone().env("DATABASE_URL", postgres.address());
        (postgres, site)
    }

    /// What `DATABASE_URL` is set to: through the proxy.
    pub fn address(&self) -> String {
        format!("postgres://stillage@{}/stillage", self.proxy.address)
    }

    pub fn stop(&mut self) {
        drop(self.embedded.take());
    }

    pub fn start_again(&mut self) {
        self.embedded = Some(run(&self.data));
    }

    /// Past the proxy.
    pub fn execute(&self, sql: &str) {
        PgConnection::establish(&self.url).unwrap().batch_execute(sql).unwrap();
    }

    /// `kill -9` of the postmaster; what looks after it starts it again.
    pub fn kill(&self) {
        self.signal_postmaster(Signal::SIGKILL);
    }

    fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.data.join("postgres/postmaster.pid")).unwrap();
        Pid::from_raw(text.lines().next().unwrap().trim().parse().unwrap())
    }

    fn signal_postmaster(&self, signal: Signal) {
        kill(self.postmaster(), signal).unwrap();
    }

    /// Sends a signal to every process of it.
    pub fn signal_all(&self, signal: Signal) {
        let mut all = descendants(self.postmaster().as_raw());
        // Children that are stopped before their parent cannot be missed by it.
        all.reverse();
        for pid in all {
            // It may be gone.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        site::wait_for_postgres(&self.data);
    }
}

/// Tries again for a while: the one before may still be stopping.
fn run(data: &Path) -> Embedded {
    let options = Options { data_path: data.to_owned(), settings: Vec::new() };
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match Embedded::start(&options, Owner::Server) {
            Ok(embedded) => return embedded,
            Err(error) if Instant::now() > until => panic!("PostgreSQL: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let children =
            fs::read_to_string(format!("/proc/{0}/task/{0}/children", found[at])).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        at += 1;
    }
    found
}
