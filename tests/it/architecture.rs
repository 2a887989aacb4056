//! The map of `docs/architecture.md`, kept: who may use whom, how long a file may be, and that every module says
//! what it is for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What all may use.
const LEAVES: [&str; 7] = ["blocking", "characters", "clock", "config", "error", "metrics", "telemetry"];

/// What each module may use besides the leaves and itself.
const ARROWS: [(&str, &[&str]); 11] = [
    ("main", &["cli"]),
    ("lib", &[]),
    ("cli", &["app", "db", "domain", "jobs", "render", "web"]),
    ("web", &["app", "domain"]),
    ("jobs", &["app", "db", "domain"]),
    ("app", &["db", "domain", "render", "scanner", "storage"]),
    // Use cases get the parts from `App`, and enqueue the jobs that their changes make necessary.
    ("domain", &["app", "db", "jobs", "render", "scanner", "storage"]),
    ("db", &[]),
    ("storage", &[]),
    ("scanner", &[]),
    // Draws previews in a child process; the places they go to are named by the store.
    ("render", &["storage"]),
];

/// More than this is two things in one file.
const MAX_LINES: usize = 400;

/// Every file of `src`, by its path there.
fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root).unwrap().to_owned(), text);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    walk(&root, &root, &mut found);
    assert!(found.len() > 50, "the sources are where they were");
    found
}

/// The first part of a file's module path: `web` for `web/pages/auth.rs`.
fn module_of(path: &Path) -> String {
    path.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The modules of the crate that a file names: `crate::db::…` in the code, and each branch of `use crate::{…}`.
fn used_by(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
    let mut used = BTreeSet::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("crate::") {
        rest = &rest[at + "crate::".len()..];
        if let Some(tree) = rest.strip_prefix('{') {
            used.extend(branches(tree));
        } else {
            used.insert(name_at(rest));
        }
    }
    used
}

/// The names right below the brace that `tree` follows, up to the one that closes it.
fn branches(tree: &str) -> Vec<String> {
    let (mut names, mut depth, mut is_first) = (Vec::new(), 0, true);
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_first = true,
            c if is_first && !c.is_whitespace() => {
                names.push(name_at(&tree[at..]));
                is_first = false;
            }
            _ => {}
        }
    }
    names
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn trees_of_names_are_read() {
    let text = "use crate::{\n app::App,\n db::{self, users::{A, B}},\n error::Result,\n};\n\
        // crate::storage\nfn f() { crate::web::x() }";
    assert_eq!(used_by(text), ["app", "db", "error", "web"].map(String::from).into());
}

#[test]
fn the_arrows_point_one_way() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        let is_leaf = LEAVES.contains(&module.as_str());
        let allowed = match ARROWS.iter().find(|(name, _)| *name == module) {
            Some((_, allowed)) => *allowed,
            None if is_leaf => &[],
            None => panic!("{}: give the new module {module} its row in ARROWS", path.display()),
        };
        wrong.extend(
            used_by(&text)
                .into_iter()
                .filter(|used| *used != module && !LEAVES.contains(&used.as_str()))
                .filter(|used| !allowed.contains(&used.as_str()))
                .map(|used| format!("{} uses {used}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "against the arrows of docs/architecture.md:\n{}", wrong.join("\n"));
}

/// So that the test above sees where a name leads.
#[test]
fn nobody_climbs_out_of_a_module_by_super() {
    let climbers: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| {
            text.contains("super::super::") || (path.components().count() == 1 && leaves_its_file(text))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(climbers.is_empty(), "say `crate::…` instead: {climbers:?}");
}

/// In a file at the top, `super` is fine only for its own tests.
fn leaves_its_file(text: &str) -> bool {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.contains("super::")
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| !text.starts_with("//!") && path != Path::new("db/schema.rs"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top: {silent:?}");
}

#[test]
fn no_file_is_two_things_at_once() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "split by job, at most {MAX_LINES} lines: {long:?}");
}

/// Actix belongs to the web, SQL to the database layer; a name from outside shows a rule broken, too.
#[test]
fn the_outside_world_is_met_at_the_edge() {
    let homes: [(&str, &[&str]); 3] = [
        ("actix_", &["web", "cli"]),
        ("askama", &["web"]),
        // Types of connections and transactions are the domain's; tables and queries are not.
        ("diesel::prelude", &["db"]),
    ];
    let mut astray = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        for (name, homes) in homes {
            let uses = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(name));
            if uses && !homes.contains(&module.as_str()) {
                astray.push(format!("{} uses {name}", path.display()));
            }
        }
    }
    assert!(astray.is_empty(), "{}", astray.join("\n"));
}
