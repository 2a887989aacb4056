//! Names of files, one on each line: in the store, in an archive, in a header, in a table.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use stillage::{
    characters,
    domain::{archive_names::Names, csv},
    storage::key,
    web::transfer::disposition,
};
use uuid::Uuid;

use crate::parts;

/// No name leads out of a folder, breaks a header or becomes a formula, no two files of an archive have one name, and
/// what is shown to people comes back as it was sent.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let mut names = Names::default();
    let mut given = HashSet::new();
    for original in parts::lines(data) {
        let stored = key::stored_name(Uuid::from_bytes([7; 16]), &original);
        assert!(key::is_stored_name(&stored), "{stored:?}");
        is_one_name(&stored);

        let name = names.give(&original);
        is_one_name(&name);
        assert!(
            !name.ends_with(['.', ' ']) && !name.contains([':', '*', '?', '<', '>', '|', '"']),
            "{name:?}"
        );
        assert!(given.insert(name.to_lowercase()), "{name:?} is given twice");

        let value = disposition::value("attachment", &original);
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
        let encoded = value.split_once("filename*=UTF-8''").map_or("", |(_, encoded)| encoded);
        assert_eq!(percent_decode_str(encoded).decode_utf8_lossy(), characters::in_file_name(&original));

        in_a_table(&original);
    }
}

fn is_one_name(name: &str) {
    assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..", "{name:?}");
    assert!(!name.contains(['/', '\\']) && !name.contains(char::is_control), "{name:?}");
}

/// A spreadsheet reads one cell, and no formula.
fn in_a_table(text: &str) {
    let line = csv::line([text, "next"]);
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    let records: Vec<_> = reader.records().collect();
    let [Ok(record)] = records.as_slice() else { panic!("{line:?} is one line") };
    assert_eq!(record.len(), 2, "{line:?}");
    assert_eq!(&record[1], "next");
    assert!(!record[0].starts_with(['=', '+', '-', '@', '\t', '\r']), "{line:?}");
}
