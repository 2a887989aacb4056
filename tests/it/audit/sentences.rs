//! Every act that is recorded has its sentence.

use std::{collections::BTreeSet, fs, path::Path};

use stillage::domain::audit::actions;

/// What looks like an act and is none: names of files.
const EXTENSIONS: [&str; 12] =
    ["csv", "css", "dump", "html", "jpeg", "jpg", "js", "json", "jsonl", "pdf", "png", "txt"];

/// Texts in the code that look like `noun.verb`, of files that put something on record; tests beside the code left out.
fn acts_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            acts_in(&path, found);
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if path.ends_with("audit/actions.rs") || !code.contains("Subject::") {
            continue;
        }
        found.extend(code.split('"').filter(|text| is_act(text)).map(str::to_owned));
    }
}

fn is_act(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    text.split_once('.')
        .is_some_and(|(noun, verb)| is_word(noun) && is_word(verb) && !EXTENSIONS.contains(&verb))
}

#[test]
fn every_act_in_the_code_has_a_sentence_and_the_other_way_round() {
    let mut found = BTreeSet::new();
    acts_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain"), &mut found);
    let known: BTreeSet<String> = actions::TABLE.iter().map(|known| known.action.to_owned()).collect();
    assert!(found.len() > 30, "the acts are found: {found:?}");
    let missing: Vec<_> = found.difference(&known).collect();
    assert!(missing.is_empty(), "without a line in src/domain/audit/actions.rs: {missing:?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "in src/domain/audit/actions.rs, and never recorded: {gone:?}");
}
