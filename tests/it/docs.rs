//! What the documentation says is so.

use std::collections::BTreeSet;

use stillage::config::Config;

const OPERATIONS: &str = include_str!("../../docs/operations.md");
const SAMPLE: &str = include_str!("../../.env.sample");

fn is_name(text: &str) -> bool {
    text.len() > 3 && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Every variable that the configuration reads.
fn read() -> BTreeSet<String> {
    let config = Config::from_lookup(|_| None).unwrap();
    config.entries().iter().map(|entry| entry.name.to_owned()).collect()
}

/// The names in the first column of the table of variables.
fn documented() -> BTreeSet<String> {
    let (_, section) = OPERATIONS.split_once("\n## Variables\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`'));
    cells.filter(|word| is_name(word)).map(str::to_owned).collect()
}

/// The names that the sample sets, commented out or not.
fn sampled() -> BTreeSet<String> {
    let names = SAMPLE.lines().filter_map(|line| line.trim_start_matches('#').trim().split_once('='));
    names.map(|(name, _)| name).filter(|name| is_name(name)).map(str::to_owned).collect()
}

#[test]
fn variables_are_the_same_everywhere() {
    assert_eq!(documented(), read(), "docs/operations.md against src/config.rs");
    assert_eq!(sampled(), read(), ".env.sample against src/config.rs");
}

/// Every metric that the server counts has its row, and every row its metric.
#[test]
fn metrics_are_the_same_everywhere() {
    let metrics = include_str!("../../src/metrics.rs");
    let names = |text: &str| -> BTreeSet<String> {
        let starts = text.match_indices("stillage_").map(|(at, _)| &text[at..]);
        let words = starts
            .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>());
        words.filter(|name| name != "stillage_").collect()
    };
    let (_, section) = OPERATIONS.split_once("\n### Metrics\n").expect("a section on metrics");
    let (section, _) = section.split_once("\n## ").unwrap();
    let of_series = |name: &String| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        base.unwrap_or(name).to_owned()
    };
    let documented: BTreeSet<String> = names(section).iter().map(of_series).collect();
    assert_eq!(documented, names(metrics));
}
