//! Where the malware scanner is.

use std::{path::PathBuf, str::FromStr};

/// Where the malware scanner listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerAddress {
    /// `host:port`
    Tcp(String),
    Unix(PathBuf),
}

impl FromStr for ScannerAddress {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        if let Some(path) = s.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(()) };
        }
        let place = s.strip_prefix("tcp://").ok_or(())?;
        let (host, port) = place.rsplit_once(':').ok_or(())?;
        let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']);
        match port.parse::<u16>() {
            Ok(port) if is_host && port > 0 => Ok(Self::Tcp(place.to_owned())),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_is_reached_over_tcp_or_a_socket() {
        let tcp = |place: &str| Ok(ScannerAddress::Tcp(place.to_owned()));
        assert_eq!("tcp://clamav:3310".parse(), tcp("clamav:3310"));
        assert_eq!("tcp://[::1]:3310".parse(), tcp("[::1]:3310"));
        let path = "/run/clamav/clamd.ctl";
        assert_eq!(format!("unix:{path}").parse(), Ok(ScannerAddress::Unix(path.into())));
    }
}
