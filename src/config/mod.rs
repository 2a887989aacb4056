//! The environment, read once and typed. A wrong value stops the start with one line that names the variable,
//! the value and what is allowed. `docs/operations.md` and `.env.sample` list the same variables; a test keeps
//! the three together.

mod cloud;
mod reader;
mod scanner;
mod timeouts;

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use self::reader::{Reader, wrong};
pub use self::{
    cloud::{Bucket, Cdn, CloudStorage, DownloadMode, Patience, StorageMode},
    reader::{ConfigError, Entry},
    scanner::ScannerAddress,
    timeouts::Timeouts,
};

/// Where PostgreSQL is.
#[derive(Clone, Debug)]
pub enum DatabaseSource {
    /// An external server.
    Url(SecretString),
    /// A private one that Stillage runs, its data in [`Config::data_path`].
    Private,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// The first admin, made at start if there is none.
#[derive(Clone, Debug)]
pub struct FirstAdmin {
    pub username: String,
    pub password: SecretString,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub upload_storage_path: PathBuf,
    /// Per file, in bytes.
    pub max_upload_size: u64,
    pub database: DatabaseSource,
    pub data_path: PathBuf,
    pub bind_address: SocketAddr,
    /// Without a slash at its end.
    pub public_url: String,
    /// Whether HSTS covers the subdomains of the public address, too.
    pub hsts_include_subdomains: bool,
    pub trusted_proxies: Vec<IpNet>,
    /// Where files live.
    pub storage_mode: StorageMode,
    /// The bucket and what goes with it; `None` while cloud storage is off.
    pub cloud: Option<CloudStorage>,
    /// Every copy is read again within this time.
    pub scrub_every: Duration,
    /// Bytes per second that a move may take; `None` is no limit.
    pub move_max_rate: Option<u64>,
    pub scanner: Option<ScannerAddress>,
    pub trash_retention: Duration,
    pub session_idle: Duration,
    pub session_max: Duration,
    pub first_admin: Option<FirstAdmin>,
    pub metrics_token: Option<SecretString>,
    /// A loopback address that serves nothing but `/metrics`.
    pub metrics_bind_address: Option<SocketAddr>,
    pub log_format: LogFormat,
    pub log_filter: String,
    /// What runs as the child that makes previews: this program itself. No variable sets it; tests, which are another
    /// program, do.
    pub render_program: PathBuf,
    /// How long clients are waited for. No variable sets it either.
    pub timeouts: Timeouts,
    /// How many file descriptors may be open, which limits what is under way at once. `serve` sets what it is given.
    pub descriptors: u64,
    entries: Vec<Entry>,
}

/// Bytes in the MB of `MAX_UPLOAD_SIZE_MB`.
pub const MB: u64 = 1_048_576;

/// What `MAX_UPLOAD_SIZE_MB` may be, wherever it is set.
pub const MAX_UPLOAD_MB: RangeInclusive<u64> = 1..=1_048_576;

/// What `TRASH_RETENTION_DAYS` may be.
pub const TRASH_DAYS: RangeInclusive<u64> = 1..=36_500;

impl Config {
    /// Reads `.env` (which never overrides the environment) and the environment.
    pub fn from_env() -> Result<Self, ConfigError> {
        match dotenvy::dotenv() {
            Ok(_) => {}
            Err(error) if error.not_found() => {}
            Err(error) => return Err(ConfigError(format!(".env cannot be read: {error}"))),
        }
        #[expect(clippy::disallowed_methods, reason = "the only place that reads the environment")]
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The same from any source of values, for tests.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut read = Reader { lookup, entries: Vec::new() };

        let upload_storage_path = read.path("UPLOAD_STORAGE_PATH", "./uploads")?;
        let max_upload_size =
            read.number("MAX_UPLOAD_SIZE_MB", 10, *MAX_UPLOAD_MB.start(), *MAX_UPLOAD_MB.end())? * MB;
        let database = match read.secret("DATABASE_URL") {
            Some(url) if is_postgres_url(url.expose_secret()) => DatabaseSource::Url(url),
            Some(_) => {
                return Err(wrong("DATABASE_URL", "(hidden)", "postgres://user:password@host/database"));
            }
            None => DatabaseSource::Private,
        };
        let data_path = read.path("STILLAGE_DATA_PATH", "./data")?;
        let bind_address: SocketAddr =
            read.parse("BIND_ADDRESS", "127.0.0.1:8080", "an address and a port such as 127.0.0.1:8080")?;
        let public_url = public_url(&mut read, bind_address)?;
        let hsts_include_subdomains = read.parse("HSTS_INCLUDE_SUBDOMAINS", "false", "true or false")?;
        let trusted_proxies = trusted_proxies(&mut read)?;
        let (storage_mode, cloud) = cloud::read(&mut read)?;
        let scrub_every = days(read.number("SCRUB_EVERY_DAYS", 30, 1, 3_650)?);
        let move_max_rate = read.optional_number("MOVE_MAX_MB_PER_SECOND", 1, 1_000_000)?.map(|mb| mb * MB);
        let scanner = read.scanner()?;
        let trash_retention =
            days(read.number("TRASH_RETENTION_DAYS", 30, *TRASH_DAYS.start(), *TRASH_DAYS.end())?);
        let session_idle = minutes(read.number("SESSION_IDLE_MINUTES", 60, 1, 43_200)?);
        let session_max = minutes(60 * read.number("SESSION_MAX_HOURS", 12, 1, 8_760)?);
        let first_admin = match (read.text("ADMIN_USERNAME"), read.secret("ADMIN_PASSWORD")) {
            (Some(username), Some(password)) => Some(FirstAdmin { username, password }),
            (None, None) => None,
            (Some(name), None) => {
                return Err(wrong("ADMIN_USERNAME", &name, "together with ADMIN_PASSWORD, or neither"));
            }
            (None, Some(_)) => {
                return Err(wrong("ADMIN_PASSWORD", "(hidden)", "together with ADMIN_USERNAME, or neither"));
            }
        };
        let metrics_token = read.secret("METRICS_TOKEN");
        let metrics_bind_address = metrics_bind_address(&mut read)?;
        let log_format = read.parse("LOG_FORMAT", "text", "text or json")?;
        let log_filter =
            read.parse::<LogFilter>("RUST_LOG", "info", "a filter such as info,stillage=debug")?.0;

        Ok(Self {
            upload_storage_path,
            max_upload_size,
            database,
            data_path,
            bind_address,
            public_url,
            hsts_include_subdomains,
            trusted_proxies,
            storage_mode,
            cloud,
            scrub_every,
            move_max_rate,
            scanner,
            trash_retention,
            session_idle,
            session_max,
            first_admin,
            metrics_token,
            metrics_bind_address,
            log_format,
            log_filter,
            // What runs now, even when an upgrade has put another file in its place.
            render_program: "/proc/self/exe".into(),
            timeouts: Timeouts::default(),
            descriptors: 65_536,
            entries: read.entries,
        })
    }

    /// Every variable with its effective value, secrets hidden, in the order of the documentation.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether the environment sets this variable, so that nothing else can.
    pub fn is_fixed(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name && entry.from_environment)
    }

    /// Whether users reach this server over HTTPS; turns on `Secure` cookies and HSTS.
    pub fn served_over_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The value of `Strict-Transport-Security` (RFC 6797), for a year; none without HTTPS.
    pub fn hsts(&self) -> Option<&'static str> {
        match (self.served_over_https(), self.hsts_include_subdomains) {
            (false, _) => None,
            (true, false) => Some("max-age=31536000"),
            (true, true) => Some("max-age=31536000; includeSubDomains"),
        }
    }
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        match s {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

struct LogFilter(String);

impl FromStr for LogFilter {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        // The library counts in characters of one byte: others make it panic.
        if !s.is_ascii() {
            return Err(());
        }
        tracing_subscriber::EnvFilter::try_new(s).map(|_| Self(s.to_owned())).map_err(|_| ())
    }
}

fn is_postgres_url(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn public_url<F: Fn(&str) -> Option<String>>(
    read: &mut Reader<F>,
    bind_address: SocketAddr,
) -> Result<String, ConfigError> {
    let allowed = "an http:// or https:// address without a path, such as https://stillage.example.com";
    let url: String = read.parse("PUBLIC_URL", &format!("http://{bind_address}"), allowed)?;
    let url = url.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(is_no_host) => Ok(url.to_owned()),
        _ => Err(wrong("PUBLIC_URL", url, allowed)),
    }
}

fn is_no_host(c: char) -> bool {
    matches!(c, '/' | '?' | '#' | '@') || c.is_whitespace() || c.is_control()
}

fn metrics_bind_address<F: Fn(&str) -> Option<String>>(
    read: &mut Reader<F>,
) -> Result<Option<SocketAddr>, ConfigError> {
    let name = "METRICS_BIND_ADDRESS";
    let Some(text) = read.text(name) else { return Ok(None) };
    let address = text.trim().parse::<SocketAddr>().ok();
    match address.filter(|address| address.ip().to_canonical().is_loopback()) {
        Some(address) => Ok(Some(address)),
        None => Err(wrong(name, text, "a loopback address and a port such as 127.0.0.1:9100")),
    }
}

fn trusted_proxies<F: Fn(&str) -> Option<String>>(read: &mut Reader<F>) -> Result<Vec<IpNet>, ConfigError> {
    let Some(list) = read.text("TRUSTED_PROXIES") else { return Ok(Vec::new()) };
    list.split(',')
        .map(str::trim)
        .map(|item| {
            let network = item.parse::<IpNet>().ok();
            network.or_else(|| item.parse::<std::net::IpAddr>().ok().map(IpNet::from)).ok_or_else(|| {
                wrong("TRUSTED_PROXIES", item, "networks such as 10.0.0.0/8, separated by commas")
            })
        })
        .collect()
}

pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

#[cfg(test)]
mod tests;
