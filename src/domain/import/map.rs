//! The CSV that says which file belongs to which batch.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::Unplaced;
use crate::error::{Error, Result};

const STORED_NAME: &str = "stored_name";
const BATCH_NUMBER: &str = "batch_number";
const OPTIONAL: [&str; 3] = ["original_filename", "uploaded_at", "uploaded_by"];

/// Longest name of an uploader, in characters.
const UPLOADER_MAX_CHARS: usize = 200;

/// What is said of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub batch_number: String,
    pub original_filename: Option<String>,
    pub uploaded_at: Option<DateTime<Utc>>,
    pub uploaded_by: Option<String>,
}

/// The rows by stored name.
#[derive(Debug, Default)]
pub struct Map {
    pub rows: BTreeMap<String, Entry>,
    /// Rows that cannot be used, by the name that they are about.
    pub refused: Vec<Unplaced>,
    pub notes: Vec<String>,
}

impl Map {
    /// # Errors
    /// [`Error::Invalid`] when the file cannot be read at all or lacks a column.
    pub fn read(path: &Path) -> Result<Self> {
        let unusable =
            |why: String| Error::invalid("map", format!("The CSV {} cannot be used: {why}.", path.display()));
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_path(path)
            .map_err(|error| unusable(error.to_string()))?;
        let header: Vec<String> = reader
            .headers()
            .map_err(|error| unusable(error.to_string()))?
            .iter()
            .map(|name| name.trim_start_matches('\u{FEFF}').trim().to_lowercase())
            .collect();
        let columns: HashMap<&str, usize> =
            header.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        for needed in [STORED_NAME, BATCH_NUMBER] {
            if !columns.contains_key(needed) {
                let hint = if header.iter().any(|name| name.contains(';')) {
                    "; columns are separated by commas"
                } else {
                    ""
                };
                return Err(unusable(format!("its first line names no column {needed}{hint}")));
            }
        }
        let mut map = Self::default();
        let known = |name: &String| {
            [STORED_NAME, BATCH_NUMBER].contains(&name.as_str()) || OPTIONAL.contains(&name.as_str())
        };
        let ignored: Vec<&str> = header.iter().filter(|name| !known(name)).map(String::as_str).collect();
        if !ignored.is_empty() {
            map.notes.push(format!("These columns mean nothing here: {}.", ignored.join(", ")));
        }
        for record in reader.records() {
            let record = record.map_err(|error| unusable(error.to_string()))?;
            let cell = |name: &str| {
                let text = columns.get(name).and_then(|&at| record.get(at)).unwrap_or_default();
                (!text.trim().is_empty()).then(|| text.to_owned())
            };
            let line = record.position().map_or(0, csv::Position::line);
            map.add(line, cell(STORED_NAME), entry(cell));
        }
        Ok(map)
    }

    fn add(&mut self, line: u64, name: Option<String>, entry: Result<Entry, String>) {
        let Some(name) = name else {
            self.refused.push(Unplaced::new(format!("line {line}"), "the row names no file"));
            return;
        };
        match entry {
            Err(why) => self.refused.push(Unplaced::new(name, format!("line {line}: {why}"))),
            Ok(_) if self.rows.contains_key(&name) => {
                self.refused
                    .push(Unplaced::new(name, format!("line {line}: a row above names the same file")));
            }
            Ok(entry) => {
                self.rows.insert(name, entry);
            }
        }
    }
}

fn entry(cell: impl Fn(&str) -> Option<String>) -> Result<Entry, String> {
    let batch_number =
        cell(BATCH_NUMBER).map(|number| number.trim().to_owned()).ok_or("the row names no batch")?;
    let uploaded_at = match cell("uploaded_at") {
        None => None,
        Some(text) => Some(moment(text.trim()).ok_or_else(|| {
            format!("{text:?} is no time such as 2024-05-31T14:03:00Z or 2024-05-31 14:03:00 (UTC)")
        })?),
    };
    let uploaded_by = cell("uploaded_by").map(|name| name.trim().to_owned());
    if let Some(name) = &uploaded_by
        && (name.chars().count() > UPLOADER_MAX_CHARS || name.chars().any(char::is_control))
    {
        return Err("the uploader's name is too long or has control characters".to_owned());
    }
    Ok(Entry { batch_number, original_filename: cell("original_filename"), uploaded_at, uploaded_by })
}

/// With an offset as RFC 3339 has it, or UTC.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    if let Ok(moment) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z") {
        return Some(moment.to_utc());
    }
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    let exact = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    exact.or_else(day).map(|moment| moment.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Map> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map.csv");
        std::fs::write(&path, text).unwrap();
        Map::read(&path)
    }

    #[test]
    fn quoted_cells_and_further_columns() {
        let map = read(
            "\u{FEFF}Stored_Name,comment,batch_number,original_filename,uploaded_at,uploaded_by\r\n\
             a_1.pdf,x,\" B-1 \",\"of \"\"May\"\", 1.pdf\",2024-05-31 14:03:00+02,Ann\r\nb_2.pdf,,B-2\r\n",
        )
        .unwrap();
        assert_eq!(map.notes, ["These columns mean nothing here: comment."]);
        assert_eq!(map.refused, []);
        let first = &map.rows["a_1.pdf"];
        assert_eq!(first.batch_number, "B-1");
        assert_eq!(first.original_filename.as_deref(), Some("of \"May\", 1.pdf"));
        assert_eq!(first.uploaded_at.unwrap().to_rfc3339(), "2024-05-31T12:03:00+00:00");
        assert_eq!(map.rows["b_2.pdf"].uploaded_by, None);
    }

    #[test]
    fn rows_that_cannot_be_used_are_named() {
        let map =
            read("stored_name,batch_number,uploaded_at\na,B,\na,C,\nb,,\n,B,\nc,B,yesterday\n").unwrap();
        assert_eq!(map.rows.len(), 1);
        let names: Vec<_> = map.refused.iter().map(|refused| refused.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "line 5", "c"]);
        assert!(map.refused[0].reason.starts_with("line 3: "), "{}", map.refused[0].reason);
    }

    #[test]
    fn a_csv_without_its_columns_is_refused() {
        for (text, said) in [
            ("", "stored_name"),
            ("stored_name,number\n", "batch_number"),
            ("stored_name;batch_number\n", "separated by commas"),
            ("a_1.pdf,B-1\n", "stored_name"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(Map::read(Path::new("/nowhere.csv")).is_err());
    }

    #[test]
    fn moments() {
        for text in [
            "2024-05-31T14:03:00Z",
            "2024-05-31 14:03:00",
            "2024-05-31T16:03:00+02:00",
            "2024-05-31 14:03:00.0",
        ] {
            assert_eq!(moment(text).unwrap().to_rfc3339(), "2024-05-31T14:03:00+00:00", "{text}");
        }
        assert!(moment("2024-05-31").is_some());
        assert!(moment("31.5.2024").is_none());
    }
}
