//! What a browser says of itself, in short words: "Firefox on Windows". A guess for people to recognise their
//! own devices by; nothing is decided with it.

/// Longest name of a program that is not known.
const MAX_CHARS: usize = 40;

/// A device as the list of sessions names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    pub words: String,
    /// Held in a hand.
    pub is_mobile: bool,
}

impl Device {
    /// Reads a `User-Agent`.
    pub fn of(agent: &str) -> Self {
        let has = |word: &str| agent.contains(word);
        // Browsers name those that they are made from too: the more special name comes first.
        let browsers = [
            ("Edg", "Edge"),
            ("OPR/", "Opera"),
            ("SamsungBrowser/", "Samsung Internet"),
            ("Vivaldi/", "Vivaldi"),
            ("FxiOS/", "Firefox"),
            ("Firefox/", "Firefox"),
            ("CriOS/", "Chrome"),
            ("Chromium/", "Chromium"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
        ];
        let systems = [
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Android", "Android"),
            ("Windows", "Windows"),
            ("Macintosh", "Mac"),
            ("CrOS", "ChromeOS"),
            ("Linux", "Linux"),
        ];
        let named =
            |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| has(mark)).map(|(_, name)| *name);
        let words = match (named(&browsers), named(&systems)) {
            (Some(browser), Some(system)) => format!("{browser} on {system}"),
            (Some(browser), None) => browser.to_owned(),
            (None, Some(system)) => format!("A browser on {system}"),
            (None, None) => program(agent),
        };
        Self { words, is_mobile: has("Mobi") || has("iPhone") || has("iPad") || has("Android") }
    }

    pub fn icon(&self) -> &'static str {
        if self.is_mobile { "phone" } else { "desk" }
    }
}

/// "curl/8.5.0" is curl.
fn program(agent: &str) -> String {
    let name: String = agent
        .split(['/', ' '])
        .next()
        .unwrap_or("")
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_CHARS)
        .collect();
    if name.is_empty() { "Unknown device".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_recognised() {
        let table = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Windows",
                false,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome on Linux",
                false,
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
                false,
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
                true,
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
                true,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
                true,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
                true,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on Mac",
                false,
            ),
            ("curl/8.5.0", "curl", false),
            ("", "Unknown device", false),
        ];
        for (agent, words, is_mobile) in table {
            assert_eq!(Device::of(agent), Device { words: words.to_owned(), is_mobile }, "{agent}");
        }
    }

    #[test]
    fn an_odd_name_is_cut() {
        assert_eq!(Device::of(&"x".repeat(400)).words.len(), MAX_CHARS);
    }
}
