//! The environment, read once and typed. A wrong value stops the start with one line that names the variable,
//! the value and what is allowed. `docs/operations.md` and `.env.sample` list the same variables; a test keeps
//! the three together.

mod scanner;

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

pub use self::scanner::ScannerAddress;

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
    pub trusted_proxies: Vec<IpNet>,
    pub scanner: Option<ScannerAddress>,
    pub trash_retention: Duration,
    pub session_idle: Duration,
    pub session_max: Duration,
    pub first_admin: Option<FirstAdmin>,
    pub metrics_token: Option<SecretString>,
    pub log_format: LogFormat,
    pub log_filter: String,
    /// What runs as the child that makes previews: this program itself. No variable sets it; tests, which are another
    /// program, do.
    pub render_program: PathBuf,
    entries: Vec<Entry>,
}

/// One variable as `stillage config` shows it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: &'static str,
    pub value: String,
    pub from_environment: bool,
}

/// One line: the variable, its value (unless secret) and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Bytes in the MB of `MAX_UPLOAD_SIZE_MB`.
pub const MB: u64 = 1_048_576;

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
        let max_upload_size = read.number("MAX_UPLOAD_SIZE_MB", 10, 1, 1_048_576)? * MB;
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
        let trusted_proxies = trusted_proxies(&mut read)?;
        read.refuse_cloud()?;
        let scanner = read.scanner()?;
        let trash_retention = days(read.number("TRASH_RETENTION_DAYS", 30, 1, 36_500)?);
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
            trusted_proxies,
            scanner,
            trash_retention,
            session_idle,
            session_max,
            first_admin,
            metrics_token,
            log_format,
            log_filter,
            // What runs now, even when an upgrade has put another file in its place.
            render_program: "/proc/self/exe".into(),
            entries: read.entries,
        })
    }

    /// Every variable with its effective value, secrets hidden, in the order of the documentation.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether users reach this server over HTTPS; turns on `Secure` cookies and HSTS.
    pub fn served_over_https(&self) -> bool {
        self.public_url.starts_with("https://")
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
    type Err = tracing_subscriber::filter::ParseError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        tracing_subscriber::EnvFilter::try_new(s).map(|_| Self(s.to_owned()))
    }
}

/// Reads values and remembers what `stillage config` shows of them.
struct Reader<F> {
    lookup: F,
    entries: Vec<Entry>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// An empty value counts as unset: that is what compose files and `.env` make of a blank line.
    fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    fn note(&mut self, name: &'static str, value: impl Into<String>, from_environment: bool) {
        self.entries.push(Entry { name, value: value.into(), from_environment });
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.raw(name);
        self.note(name, value.as_deref().unwrap_or("(unset)"), value.is_some());
        value
    }

    fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        let value = self.raw(name);
        self.note(name, if value.is_some() { "(hidden)" } else { "(unset)" }, value.is_some());
        value.map(SecretString::from)
    }

    fn parse<T: FromStr>(
        &mut self,
        name: &'static str,
        default: &str,
        allowed: &str,
    ) -> Result<T, ConfigError> {
        let given = self.raw(name);
        let value = given.as_deref().unwrap_or(default).trim();
        let parsed = value.parse().map_err(|_| wrong(name, value, allowed))?;
        let shown = value.to_owned();
        self.note(name, shown, given.is_some());
        Ok(parsed)
    }

    fn number(&mut self, name: &'static str, default: u64, min: u64, max: u64) -> Result<u64, ConfigError> {
        let allowed = format!("a whole number from {min} to {max}");
        let number: u64 = self.parse(name, &default.to_string(), &allowed)?;
        if (min..=max).contains(&number) { Ok(number) } else { Err(wrong(name, number, &allowed)) }
    }

    fn path(&mut self, name: &'static str, default: &str) -> Result<PathBuf, ConfigError> {
        self.parse(name, default, "a folder's path")
    }

    /// This version keeps files on local storage only. Saying so beats quietly making no copies.
    fn refuse_cloud(&mut self) -> Result<(), ConfigError> {
        let name = "ENABLE_ATTACHMENT_CLOUD_STORAGE";
        let enabled: bool =
            self.parse(name, "false", "false (this version keeps files on local storage only)")?;
        if enabled {
            return Err(wrong(name, "true", "false (this version keeps files on local storage only)"));
        }
        match self.text("ATTACHMENT_STORAGE_MODE") {
            None => Ok(()),
            Some(mode) if mode == "local" => Ok(()),
            Some(mode) => Err(wrong("ATTACHMENT_STORAGE_MODE", mode, "local while cloud storage is off")),
        }
    }

    fn scanner(&mut self) -> Result<Option<ScannerAddress>, ConfigError> {
        let name = "CLAMAV_ADDRESS";
        let Some(address) = self.text(name) else { return Ok(None) };
        let allowed = "tcp://host:3310 or unix:/run/clamav/clamd.ctl";
        address.trim().parse().map(Some).map_err(|()| wrong(name, address, allowed))
    }
}

fn wrong(name: &str, value: impl fmt::Display, allowed: &str) -> ConfigError {
    ConfigError(format!("{name}={value} is not usable; allowed: {allowed}"))
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
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(url.to_owned()),
        _ => Err(wrong("PUBLIC_URL", url, allowed)),
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

const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::from_lookup(move |name| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
    }

    #[test]
    fn defaults_are_the_contracts() {
        let config = config(&[]).unwrap();
        assert_eq!(config.max_upload_size, 10 * MB);
        assert_eq!(config.public_url, "http://127.0.0.1:8080");
        assert_eq!(config.session_idle, Duration::from_secs(3600));
        assert!(matches!(config.database, DatabaseSource::Private));
        assert!(!config.served_over_https());
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        let cases = [
            ("MAX_UPLOAD_SIZE_MB", "0", "a whole number from 1 to 1048576"),
            ("MAX_UPLOAD_SIZE_MB", "ten", "a whole number from 1 to 1048576"),
            ("BIND_ADDRESS", "localhost", "an address and a port"),
            ("PUBLIC_URL", "stillage.example.com", "https://stillage.example.com"),
            ("PUBLIC_URL", "https://example.com/path", "without a path"),
            ("TRUSTED_PROXIES", "10.0.0.0/8,nonsense", "nonsense"),
            ("SESSION_MAX_HOURS", "-1", "a whole number from 1 to 8760"),
            ("LOG_FORMAT", "xml", "text or json"),
            ("RUST_LOG", "stillage=loud", "a filter"),
            ("ADMIN_USERNAME", "ann", "together with ADMIN_PASSWORD"),
            ("ENABLE_ATTACHMENT_CLOUD_STORAGE", "true", "false"),
            ("ATTACHMENT_STORAGE_MODE", "hybrid", "local"),
            ("CLAMAV_ADDRESS", "127.0.0.1:3310", "tcp://host:3310"),
            ("CLAMAV_ADDRESS", "tcp://127.0.0.1", "tcp://host:3310"),
            ("CLAMAV_ADDRESS", "tcp://:3310", "tcp://host:3310"),
            ("CLAMAV_ADDRESS", "unix:clamd.ctl", "unix:/run/clamav/clamd.ctl"),
        ];
        for (name, value, expected) in cases {
            let message = config(&[(name, value)]).unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn secrets_never_show() {
        let secrets = [
            ("DATABASE_URL", "postgres://u:hunter2@h/d"),
            ("ADMIN_USERNAME", "ann"),
            ("ADMIN_PASSWORD", "hunter2"),
            ("METRICS_TOKEN", "hunter2"),
        ];
        let config = config(&secrets).unwrap();
        assert!(config.entries().iter().all(|entry| !entry.value.contains("hunter2")));
        assert!(!format!("{config:?}").contains("hunter2"));
        let message =
            super::tests::config(&[("DATABASE_URL", "mysql://u:hunter2@h/d")]).unwrap_err().to_string();
        assert!(!message.contains("hunter2"));
    }

    #[test]
    fn blank_means_unset() {
        assert_eq!(
            config(&[("MAX_UPLOAD_SIZE_MB", " "), ("DATABASE_URL", "")]).unwrap().max_upload_size,
            10 * MB
        );
    }
}
