//! Every seed, and changes of it that are the same in every run.

use std::{fs, path::Path};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// The inputs in `seeds/NAME`, in order.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 2, "{name} has seeds");
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One change of an input; places are told as shares of its length.
#[derive(Clone, Debug)]
enum Edit {
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
    Cut(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Put(at, byte)),
        2 => (place(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        1 => (place(), "[=;:,/\\\\.%\"\r\n\u{202e}\u{0}-]{1,8}").prop_map(|(at, text)| Edit::Insert(at, text.into())),
        2 => (place(), place()).prop_map(|(from, to)| Edit::Remove(from, to)),
        2 => (place(), place()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        1 => place().prop_map(Edit::Cut),
    ]
}

fn apply(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let end = bytes.len() + 1;
        let between = |a: &Index, b: &Index| {
            let (a, b) = (a.index(end), b.index(end));
            a.min(b)..a.max(b)
        };
        match edit {
            Edit::Put(at, byte) => {
                let at = at.index(end);
                bytes.splice(at..(at + 1).min(bytes.len()), [*byte]);
            }
            Edit::Insert(at, new) => {
                let at = at.index(end);
                bytes.splice(at..at, new.iter().copied());
            }
            Edit::Remove(from, to) => drop(bytes.drain(between(from, to))),
            Edit::Repeat(from, to) => {
                let range = between(from, to);
                bytes.extend_from_within(range);
            }
            Edit::Cut(at) => bytes.truncate(at.index(end)),
        }
    }
    bytes
}

/// Tries the seeds, and `cases` changes of them.
fn try_all(name: &str, cases: u32, check: fn(&[u8])) {
    let seeds = seeds(name);
    seeds.iter().for_each(|seed| check(seed));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let changed = (any::<Index>(), prop::collection::vec(edit(), 1..6));
    let tried = runner.run(&changed, |(seed, edits)| {
        check(&apply(seed.get(&seeds).clone(), &edits));
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn config() {
    try_all("config", 300, crate::config::check);
}

#[test]
fn content() {
    try_all("content", 1000, crate::content::check);
}

#[test]
fn frames() {
    try_all("frames", 1000, crate::frames::check);
}

#[test]
fn headers() {
    try_all("headers", 500, crate::headers::check);
}

#[test]
fn multipart() {
    try_all("multipart", 500, crate::multipart::check);
}

#[test]
fn names() {
    try_all("names", 1000, crate::names::check);
}

// Each draws a page: few of them, for the sake of the others.
#[test]
fn pdf() {
    try_all("pdf", 8, crate::pdf::check);
}

#[test]
fn picture() {
    try_all("picture", 30, crate::picture::check);
}

#[test]
fn range() {
    try_all("range", 500, crate::range::check);
}

#[test]
fn tus() {
    try_all("tus", 1000, crate::tus::check);
}
