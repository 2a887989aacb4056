//! Where files live: on local storage, in a bucket, or in both.

use std::{str::FromStr, time::Duration};

use secrecy::SecretString;

use super::reader::{ConfigError, Reader, wrong};

/// Which home of a file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageMode {
    /// Local storage only; a bucket that is configured is read from, but gets nothing new.
    Local,
    /// Local storage first, and a copy in the bucket made in the background.
    Hybrid,
    /// The bucket; local storage is a spool and a cache.
    Cloud,
}

impl FromStr for StorageMode {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        match s {
            "local" => Ok(Self::Local),
            "hybrid" => Ok(Self::Hybrid),
            "cloud" => Ok(Self::Cloud),
            _ => Err(()),
        }
    }
}

/// How a file that is only in the bucket reaches whoever asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadMode {
    /// Through this server.
    Proxy,
    /// By a redirect to an address that is signed for this one request.
    Redirect,
}

impl FromStr for DownloadMode {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        match s {
            "proxy" => Ok(Self::Proxy),
            "redirect" => Ok(Self::Redirect),
            _ => Err(()),
        }
    }
}

/// A bucket and the keys to it.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    /// `None` is AWS itself.
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
}

/// A CDN in front of the bucket, and the key that signs its addresses.
#[derive(Clone, Debug)]
pub struct Cdn {
    /// Without a slash at its end.
    pub base_url: String,
    pub signing_key: SecretString,
}

/// How long to wait for the bucket. There is no limit on the whole of a request: large files take long.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub connect: Duration,
    /// For the head of an answer, the sending of one part included, and then between any two bytes.
    pub read: Duration,
    /// Repeats within one call, before it fails and the job is tried again later.
    pub retries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), read: Duration::from_secs(60), retries: 2 }
    }
}

#[derive(Clone, Debug)]
pub struct CloudStorage {
    pub bucket: Bucket,
    /// No variable sets it.
    pub patience: Patience,
    pub signed_url_ttl: Duration,
    pub download_mode: DownloadMode,
    pub cdn: Option<Cdn>,
    /// Bytes that the cache of cloud mode may take.
    pub local_cache_max: u64,
}

const GB: u64 = 1 << 30;
const NEEDED: &str = "a value, while cloud storage is on";

/// The mode, and the cloud's settings when it is on. Every variable is read either way, so that
/// `stillage config` lists it and a wrong value shows before it is needed.
pub(super) fn read<F: Fn(&str) -> Option<String>>(
    read: &mut Reader<F>,
) -> Result<(StorageMode, Option<CloudStorage>), ConfigError> {
    let enabled: bool = read.parse("ENABLE_ATTACHMENT_CLOUD_STORAGE", "false", "true or false")?;
    let mode = if enabled { "hybrid" } else { "local" };
    let mode = read.parse("ATTACHMENT_STORAGE_MODE", mode, "local, hybrid or cloud")?;
    if !enabled && mode != StorageMode::Local {
        let value = read.raw("ATTACHMENT_STORAGE_MODE").unwrap_or_default();
        let allowed = "local while ENABLE_ATTACHMENT_CLOUD_STORAGE is false";
        return Err(wrong("ATTACHMENT_STORAGE_MODE", value, allowed));
    }
    let bucket = bucket(read, enabled)?;
    let signed_url_ttl = Duration::from_secs(read.number("SIGNED_URL_TTL_SECONDS", 3600, 1, 604_800)?);
    let download_mode = read.parse("DOWNLOAD_MODE", "proxy", "proxy or redirect")?;
    let cdn = cdn(read)?;
    let local_cache_max = read.number("LOCAL_CACHE_MAX_GB", 10, 0, 1_000_000)? * GB;
    let cloud = bucket.map(|bucket| CloudStorage {
        bucket,
        patience: Patience::default(),
        signed_url_ttl,
        download_mode,
        cdn,
        local_cache_max,
    });
    Ok((mode, cloud))
}

/// The bucket; `None` while cloud storage is off.
fn bucket<F: Fn(&str) -> Option<String>>(
    read: &mut Reader<F>,
    enabled: bool,
) -> Result<Option<Bucket>, ConfigError> {
    let provider = read.text("ATTACHMENT_STORAGE_PROVIDER");
    let r2 = (
        read.text("R2_ACCOUNT_ID"),
        read.text("R2_ACCESS_KEY_ID"),
        read.secret("R2_SECRET_ACCESS_KEY"),
        read.text("R2_ATTACHMENTS_BUCKET"),
    );
    let s3 = (
        read.text("AWS_ACCESS_KEY_ID"),
        read.secret("AWS_SECRET_ACCESS_KEY"),
        read.text("AWS_REGION"),
        read.text("S3_ATTACHMENTS_BUCKET"),
    );
    let own_endpoint = endpoint(read)?;
    if !enabled {
        return Ok(None);
    }
    let bucket = match provider.as_deref() {
        Some("r2") => {
            let (account, key, secret, name) = r2;
            let account = needed("R2_ACCOUNT_ID", account)?;
            Bucket {
                name: needed("R2_ATTACHMENTS_BUCKET", name)?,
                endpoint: own_endpoint.or(Some(format!("https://{account}.r2.cloudflarestorage.com"))),
                region: "auto".to_owned(),
                access_key_id: needed("R2_ACCESS_KEY_ID", key)?,
                secret_access_key: needed("R2_SECRET_ACCESS_KEY", secret)?,
            }
        }
        Some("s3") => {
            let (key, secret, region, name) = s3;
            // Engines of one's own rarely care about the region, AWS does.
            let default = own_endpoint.is_some().then(|| "us-east-1".to_owned());
            Bucket {
                name: needed("S3_ATTACHMENTS_BUCKET", name)?,
                region: needed("AWS_REGION", region.or(default))?,
                endpoint: own_endpoint,
                access_key_id: needed("AWS_ACCESS_KEY_ID", key)?,
                secret_access_key: needed("AWS_SECRET_ACCESS_KEY", secret)?,
            }
        }
        other => {
            return Err(wrong("ATTACHMENT_STORAGE_PROVIDER", other.unwrap_or_default(), "r2 or s3"));
        }
    };
    Ok(Some(bucket))
}

fn needed<T>(name: &str, value: Option<T>) -> Result<T, ConfigError> {
    value.ok_or_else(|| wrong(name, "", NEEDED))
}

fn endpoint<F: Fn(&str) -> Option<String>>(read: &mut Reader<F>) -> Result<Option<String>, ConfigError> {
    let Some(url) = read.text("AWS_ENDPOINT_URL") else { return Ok(None) };
    let url = url.trim().trim_end_matches('/');
    if is_web_address(url) {
        Ok(Some(url.to_owned()))
    } else {
        Err(wrong("AWS_ENDPOINT_URL", url, "an http:// or https:// address"))
    }
}

fn cdn<F: Fn(&str) -> Option<String>>(read: &mut Reader<F>) -> Result<Option<Cdn>, ConfigError> {
    let (base, key) = (read.text("ATTACHMENT_CDN_BASE_URL"), read.secret("ATTACHMENT_CDN_SIGNING_KEY"));
    match (base, key) {
        (None, None) => Ok(None),
        (Some(url), Some(signing_key)) => {
            let base_url = url.trim().trim_end_matches('/').to_owned();
            if is_web_address(&base_url) {
                Ok(Some(Cdn { base_url, signing_key }))
            } else {
                Err(wrong("ATTACHMENT_CDN_BASE_URL", url, "an http:// or https:// address"))
            }
        }
        (Some(url), None) => {
            let allowed = "together with ATTACHMENT_CDN_SIGNING_KEY, or neither";
            Err(wrong("ATTACHMENT_CDN_BASE_URL", url, allowed))
        }
        (None, Some(_)) => {
            let allowed = "together with ATTACHMENT_CDN_BASE_URL, or neither";
            Err(wrong("ATTACHMENT_CDN_SIGNING_KEY", "(hidden)", allowed))
        }
    }
}

fn is_web_address(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains([' ', '?', '#', '@']))
}
