//! What is read from the environment, and what is refused in one line.

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
        ("PUBLIC_URL", "http://a.example\nb.example", "without a path"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,nonsense", "nonsense"),
        ("HSTS_INCLUDE_SUBDOMAINS", "yes", "true or false"),
        ("METRICS_BIND_ADDRESS", "0.0.0.0:9100", "a loopback address and a port"),
        ("METRICS_BIND_ADDRESS", "192.0.2.7:9100", "a loopback address and a port"),
        ("METRICS_BIND_ADDRESS", "[::]:9100", "a loopback address and a port"),
        ("METRICS_BIND_ADDRESS", "localhost", "a loopback address and a port"),
        ("SESSION_MAX_HOURS", "-1", "a whole number from 1 to 8760"),
        ("LOG_FORMAT", "xml", "text or json"),
        ("LOG_FORMAT", "text\nERROR all is lost", "text or json"),
        ("RUST_LOG", "stillage=loud", "a filter"),
        ("RUST_LOG", "info, ::z1\u{e9}", "a filter"),
        ("ADMIN_USERNAME", "ann", "together with ADMIN_PASSWORD"),
        ("ENABLE_ATTACHMENT_CLOUD_STORAGE", "yes", "true or false"),
        ("SCRUB_EVERY_DAYS", "0", "a whole number from 1 to 3650"),
        ("MOVE_MAX_MB_PER_SECOND", "fast", "a whole number from 1"),
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
fn hsts_needs_https_and_covers_subdomains_only_when_asked() {
    let hsts = |url, subdomains| {
        config(&[("PUBLIC_URL", url), ("HSTS_INCLUDE_SUBDOMAINS", subdomains)]).unwrap().hsts()
    };
    assert_eq!(hsts("http://files.example", "true"), None);
    assert_eq!(hsts("https://files.example", ""), Some("max-age=31536000"));
    assert_eq!(hsts("https://files.example", "false"), Some("max-age=31536000"));
    assert_eq!(hsts("https://files.example", "true"), Some("max-age=31536000; includeSubDomains"));
}

#[test]
fn metrics_listener_is_on_loopback() {
    for address in ["127.0.0.1:9100", "127.0.0.2:0", "[::1]:9100", "[::ffff:127.0.0.1]:9100"] {
        let read = config(&[("METRICS_BIND_ADDRESS", address)]).unwrap();
        assert_eq!(read.metrics_bind_address, Some(address.parse().unwrap()));
    }
    assert_eq!(config(&[]).unwrap().metrics_bind_address, None);
}

#[test]
fn secrets_never_show() {
    let secrets = [
        ("DATABASE_URL", "postgres://u:hunter2@h/d"),
        ("ADMIN_USERNAME", "ann"),
        ("ADMIN_PASSWORD", "hunter2"),
        ("METRICS_TOKEN", "hunter2"),
    ];
    let read = config(&secrets).unwrap();
    assert!(read.entries().iter().all(|entry| !entry.value.contains("hunter2")));
    assert!(!format!("{read:?}").contains("hunter2"));
    let message = config(&[("DATABASE_URL", "mysql://u:hunter2@h/d")]).unwrap_err().to_string();
    assert!(!message.contains("hunter2"));
}

#[test]
fn blank_means_unset() {
    assert_eq!(
        config(&[("MAX_UPLOAD_SIZE_MB", " "), ("DATABASE_URL", "")]).unwrap().max_upload_size,
        10 * MB
    );
}

const R2: [(&str, &str); 6] = [
    ("ENABLE_ATTACHMENT_CLOUD_STORAGE", "true"),
    ("ATTACHMENT_STORAGE_PROVIDER", "r2"),
    ("R2_ACCOUNT_ID", "0123abcd"),
    ("R2_ACCESS_KEY_ID", "key"),
    ("R2_SECRET_ACCESS_KEY", "hunter2"),
    ("R2_ATTACHMENTS_BUCKET", "files"),
];

const S3: [(&str, &str); 6] = [
    ("ENABLE_ATTACHMENT_CLOUD_STORAGE", "true"),
    ("ATTACHMENT_STORAGE_PROVIDER", "s3"),
    ("AWS_ACCESS_KEY_ID", "key"),
    ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ("AWS_REGION", "eu-central-1"),
    ("S3_ATTACHMENTS_BUCKET", "files"),
];

/// `base` with `changes` over it; an empty value takes a variable away.
fn changed(base: &[(&'static str, &'static str)], changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let kept = base.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    config(&kept.chain(changes).map(|(name, value)| (*name, *value)).collect::<Vec<_>>())
}

#[test]
fn cloud_storage_is_off_unless_it_is_turned_on() {
    let off = config(&[]).unwrap();
    assert_eq!(off.storage_mode, StorageMode::Local);
    assert!(off.cloud.is_none());
    // Left over from an experiment: it means nothing and hurts nothing.
    assert!(changed(&R2, &[("ENABLE_ATTACHMENT_CLOUD_STORAGE", "false")]).unwrap().cloud.is_none());
}

#[test]
fn each_provider_has_its_endpoint_and_region() {
    let r2 = changed(&R2, &[]).unwrap();
    assert_eq!(r2.storage_mode, StorageMode::Hybrid);
    let bucket = r2.cloud.unwrap().bucket;
    assert_eq!(bucket.endpoint.as_deref(), Some("https://0123abcd.r2.cloudflarestorage.com"));
    assert_eq!((bucket.region.as_str(), bucket.name.as_str()), ("auto", "files"));

    let bucket = changed(&S3, &[]).unwrap().cloud.unwrap().bucket;
    assert_eq!((bucket.endpoint, bucket.region.as_str()), (None, "eu-central-1"));

    let own = [("AWS_ENDPOINT_URL", "http://127.0.0.1:3900/"), ("AWS_REGION", "")];
    for base in [&R2, &S3] {
        let bucket = changed(base, &own).unwrap().cloud.unwrap().bucket;
        assert_eq!(bucket.endpoint.as_deref(), Some("http://127.0.0.1:3900"));
    }
}

#[test]
fn what_cloud_storage_lacks_is_named() {
    let enable = ("ENABLE_ATTACHMENT_CLOUD_STORAGE", "true");
    assert!(config(&[enable]).unwrap_err().to_string().starts_with("ATTACHMENT_STORAGE_PROVIDER="));
    for base in [&R2, &S3] {
        for (name, _) in &base[2..] {
            let message = changed(base, &[(name, "")]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}=")), "{message}");
        }
    }
    let cases = [
        ("ATTACHMENT_STORAGE_MODE", "both", "local, hybrid or cloud"),
        ("ATTACHMENT_STORAGE_PROVIDER", "azure", "r2 or s3"),
        ("AWS_ENDPOINT_URL", "garage:3900", "http:// or https://"),
        ("DOWNLOAD_MODE", "stream", "proxy or redirect"),
        ("SIGNED_URL_TTL_SECONDS", "0", "a whole number from 1 to 604800"),
        ("LOCAL_CACHE_MAX_GB", "-1", "a whole number from 0"),
        ("ATTACHMENT_CDN_BASE_URL", "https://cdn.example.com", "together with ATTACHMENT_CDN_SIGNING_KEY"),
        ("ATTACHMENT_CDN_SIGNING_KEY", "hunter2", "together with ATTACHMENT_CDN_BASE_URL"),
    ];
    for (name, value, expected) in cases {
        let message = changed(&S3, &[(name, value)]).unwrap_err().to_string();
        assert!(message.starts_with(name) && message.contains(expected), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn modes_and_secrets_of_cloud_storage() {
    for (text, mode) in
        [("local", StorageMode::Local), ("hybrid", StorageMode::Hybrid), ("cloud", StorageMode::Cloud)]
    {
        let read = changed(&S3, &[("ATTACHMENT_STORAGE_MODE", text)]).unwrap();
        assert_eq!(read.storage_mode, mode);
        assert!(read.cloud.is_some());
        assert!(read.entries().iter().all(|entry| !entry.value.contains("hunter2")));
        assert!(!format!("{read:?}").contains("hunter2"));
    }
}

#[test]
fn every_variable_is_in_the_sample_and_in_the_documentation() {
    let (sample, documentation) =
        (include_str!("../../.env.sample"), include_str!("../../docs/operations.md"));
    for entry in config(&[]).unwrap().entries() {
        assert!(sample.contains(&format!("\n#{}=", entry.name)), "{} is not in .env.sample", entry.name);
        assert!(documentation.contains(&format!("`{}`", entry.name)), "{} is not documented", entry.name);
    }
}
