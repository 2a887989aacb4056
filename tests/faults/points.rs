//! `kill -9` at exact points: at every system call that makes something durable, renames or removes it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::support::{
    Fault, Ledger, Options, Person, Row, Scale, Site, Tally,
    load::pdf,
    s3::{self, S3},
    site::{self, START},
    strace::{self, Strace},
    within,
};

const CALLS: [&str; 7] = ["renameat2", "rename", "fsync", "fdatasync", "unlink", "unlinkat", "linkat"];
/// More calls than any of these acts makes in one thread.
const MOST: usize = 40;

pub fn faults() -> Vec<Fault> {
    vec![
        Fault::new("kill at each call of an upload", |scale| in_server(scale, Act::Upload)),
        Fault::new("kill at each call of a tus finish", |scale| in_server(scale, Act::Tus)),
        Fault::new("kill at each call of a purge", |scale| in_server(scale, Act::Purge)),
        Fault::new("kill at each call of a backup", backup),
        Fault::new("kill at each call of a restore", restore),
        Fault::new("kill at each call of an import", import),
        Fault::new("kill at each call of a heal", heal),
        Fault::new("kill at each call of a storage move", storage_move),
        Fault::new("kill at each call of a first start", first_start),
    ]
}

/// Which of the calls are tried: the first of each, and in the full form every one.
fn next(scale: Scale, n: usize) -> usize {
    n + scale.pick(3, 1)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Upload,
    Tus,
    Purge,
}

/// An act of a running server, which strace kills at the `n`th call until the act comes through.
async fn in_server(scale: Scale, act: Act) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let mut site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let person = site.person();
    let batch = ledger.new_batch(&person).await.expect("a batch");
    for call in CALLS {
        let mut n = 1;
        while n < MOST {
            let doomed = match act {
                Act::Purge => Some(trashed(&person, &batch, &ledger).await),
                Act::Upload | Act::Tus => None,
            };
            let rule = format!("{call}:signal=KILL:when={n}");
            let strace = Strace::attach(site.pid(), &rule, &[]);
            match act {
                Act::Upload => drop(ledger.upload(&person, &batch).await),
                // It resumes while the server is down and gives up: what became of it is asked below.
                Act::Tus => drop(ledger.upload_by_tus_once(&person, &batch).await),
                Act::Purge => purge(&mut site, &person, doomed.as_deref().unwrap_or_default()).await,
            }
            // The kernel reports the death a moment after the connection broke.
            let died = within(Duration::from_millis(300), async || site.has_ended()).await;
            drop(strace);
            if !died {
                break;
            }
            let begun = Instant::now();
            site.wait_end();
            site.start_again();
            tally.injected();
            tally.recovered(begun.elapsed());
            if let Some(id) = &doomed {
                ends_purged(&site, &person, id).await;
            }
            ledger.resolve(&person).await;
            tally.check_new(&site, &ledger).await;
            n = next(scale, n);
        }
    }
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

/// A file in the trash that the ledger does not know.
async fn trashed(person: &Person, batch: &str, ledger: &Ledger) -> String {
    let answer = person.upload(batch, "doomed.pdf", pdf(ledger.next_seed())).await;
    let id = answer.json()["results"][0]["attachment"]["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.status(), 201, "{}", answer.text());
    let answer = person.post(&format!("/attachments/{id}/delete"), &[]).await;
    assert!((200..400).contains(&answer.status()), "{}", answer.text());
    id
}

async fn purge(site: &mut Site, person: &Person, id: &str) {
    person
        .post(&format!("/admin/trash/files/{id}/purge"), &[("confirm", "yes"), ("confirmed", "true")])
        .await;
    within(Duration::from_secs(20), async || site.has_ended() || is_purged(site, person, id).await).await;
}

/// Whether nothing is left of its bytes, and no restoring.
async fn is_purged(site: &Site, person: &Person, id: &str) -> bool {
    let names = fs::read_dir(site.uploads().join("batches")).unwrap();
    let is_there = names.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with("_doomed.pdf"));
    !is_there && person.post(&format!("/attachments/{id}/restore"), &[]).await.status() == 404
}

/// What was begun is ended by the next start.
async fn ends_purged(site: &Site, person: &Person, id: &str) {
    // It may have died before the order was written.
    let order = [("confirm", "yes"), ("confirmed", "true")];
    person.post(&format!("/admin/trash/files/{id}/purge"), &order).await;
    let ended = within(Duration::from_secs(120), async || is_purged(site, person, id).await).await;
    assert!(ended, "a purge that was interrupted never ends");
}

/// Runs a command until it comes through, killed at the `n`th of each of the calls; `after` looks at each death.
async fn command(
    scale: Scale,
    site: &Site,
    arguments: impl Fn() -> Vec<String>,
    tally: &mut Tally,
    mut before: impl AsyncFnMut(),
    mut after: impl AsyncFnMut(&mut Tally),
) {
    for call in CALLS {
        let mut n = 1;
        while n < MOST {
            before().await;
            let words = arguments();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let output = output(site.command(&strace::killing(call, n), &words)).await;
            if output.status.success() {
                break;
            }
            assert!(was_killed(&output), "neither done nor killed: {}", told(&output));
            tally.injected();
            let begun = Instant::now();
            after(tally).await;
            tally.recovered(begun.elapsed());
            n = next(scale, n);
        }
    }
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// strace ends as its child did.
fn was_killed(output: &Output) -> bool {
    use std::os::unix::process::ExitStatusExt;
    output.status.signal() == Some(9) || output.status.code() == Some(137)
}

fn told(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn succeeds(site: &Site, arguments: &[&str]) {
    let output = site.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", told(&output));
}

async fn some_files(site: &Site, ledger: &Ledger, count: usize) {
    let person = site.person();
    let batch = ledger.new_batch(&person).await.expect("a batch");
    for _ in 0..count {
        ledger.upload(&person, &batch).await.expect("an upload");
    }
}

async fn backup(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    some_files(&site, &ledger, 4).await;
    let folder = site.folder().join("backup");
    let arguments = || vec!["backup".to_owned(), folder.display().to_string()];
    // Each into an empty folder at first, then into one that a death has left.
    command(
        scale,
        &site,
        arguments,
        &mut tally,
        async || {},
        async |_| {
            let words = arguments();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            succeeds(&site, &words);
            succeeds(&site, &["backup", "check", words[1]]);
            fs::remove_dir_all(&folder).unwrap();
        },
    )
    .await;
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

async fn restore(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    some_files(&site, &ledger, 4).await;
    let backup = site.folder().join("backup").display().to_string();
    succeeds(&site, &["backup", &backup]);
    let seconds = scale.pick(1, MOST);
    for call in ["renameat2", "fsync", "unlink"] {
        for n in 1..=seconds {
            // A server of its own keeps the database, so that strace sees only the restore.
            let target = Site::prepare(Options::default().without_template());
            fs::create_dir_all(target.data()).unwrap();
            let output = output(target.command(&strace::killing(call, n), &["restore", &backup])).await;
            if output.status.success() {
                break;
            }
            tally.injected();
            site::wait_for_postgres(&target.data());
            // What is half restored is not taken for whole: it says that it is not empty, and serves nothing wrong.
            let again = target.run(&["restore", &backup]);
            let text = told(&again);
            assert!(again.status.success() || text.contains("not empty"), "{text}");
            fs::remove_dir_all(target.data()).unwrap();
            let _ = fs::remove_dir_all(target.uploads());
            succeeds(&target, &["restore", &backup]);
            succeeds(&target, &["verify", "--all"]);
        }
    }
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

async fn import(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let site = Site::start();
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    let old = site.folder().join("old");
    fs::create_dir(&old).unwrap();
    let map = site.folder().join("map.csv");
    let mut made: Vec<(String, [u8; 32])> = Vec::new();
    // New files for each run: those before are there already, so that nothing of them is left to break.
    let more = || {
        let name = format!("{}_old-{}.pdf", uuid::Uuid::new_v4(), made.len());
        let bytes = pdf(1_000_000 + made.len() as u64);
        fs::write(old.join(&name), &bytes).unwrap();
        made.push((name, Sha256::digest(&bytes).into()));
        let lines: String = made.iter().map(|(name, _)| format!("{name},OLD-1\n")).collect();
        fs::write(&map, format!("stored_name,batch_number\n{lines}")).unwrap();
    };
    let more = std::cell::RefCell::new(more);
    let words = ["import", old.to_str().unwrap(), "--map", map.to_str().unwrap()];
    let arguments = || words.map(str::to_owned).to_vec();
    command(
        scale,
        &site,
        arguments,
        &mut tally,
        async || (more.borrow_mut())(),
        async |_| {
            succeeds(&site, &words);
        },
    )
    .await;
    succeeds(&site, &words);
    for (name, sha256) in &made {
        let answer = site.person().get(&format!("/api/production/attachment/{name}")).await;
        assert_eq!(answer.status(), 200, "{name}");
        assert_eq!(<[u8; 32]>::from(Sha256::digest(answer.body())), *sha256, "{name}");
    }
    tally.compare(&site).await;
    let mut row = tally.row(&ledger);
    row.acknowledged = made.len();
    row
}

/// A site with a bucket beside it.
fn hybrid(s3: &S3) -> Options {
    let options = Options::default().env("AWS_ENDPOINT_URL", format!("http://{}", s3.address));
    s3::environment(&s3.bucket(), "hybrid")
        .into_iter()
        .fold(options, |options, (name, value)| options.env(name, value))
}

fn first_file(site: &Site) -> PathBuf {
    let mut names: Vec<_> = fs::read_dir(site.uploads().join("batches")).unwrap().flatten().collect();
    names.sort_by_key(fs::DirEntry::file_name);
    names[0].path()
}

async fn heal(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let s3 = S3::start();
    let site = Site::start_with(hybrid(&s3));
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    some_files(&site, &ledger, 3).await;
    succeeds(&site, &["sync", "--wait"]);
    let arguments = || ["verify", "--all", "--heal"].map(str::to_owned).to_vec();
    let damage = async || {
        let path = first_file(&site);
        let mut bytes = fs::read(&path).unwrap();
        bytes[20] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    command(scale, &site, arguments, &mut tally, damage, async |_| {
        succeeds(&site, &["verify", "--all", "--heal"]);
    })
    .await;
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

async fn storage_move(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let s3 = S3::start();
    let site = Site::start_with(hybrid(&s3));
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    some_files(&site, &ledger, 3).await;
    succeeds(&site, &["sync", "--wait"]);
    for (there, back) in [("cloud", "local"), ("local", "cloud")] {
        let evict = if there == "cloud" { vec!["--evict"] } else { Vec::new() };
        let words = [vec!["storage", "move", "--to", there], evict].concat();
        let arguments = || words.iter().map(|&word| word.to_owned()).collect();
        let before = async || {
            succeeds(&site, &["storage", "move", "--to", back]);
        };
        command(scale, &site, arguments, &mut tally, before, async |_| succeeds(&site, &words)).await;
    }
    succeeds(&site, &["storage", "move", "--to", "local"]);
    tally.check_all(&site, &ledger).await;
    tally.row(&ledger)
}

/// Everything is traced: `initdb`, PostgreSQL and the server.
async fn first_start(scale: Scale) -> Row {
    if let Some(why) = strace::missing() {
        return Row::not_run(why);
    }
    let (ledger, mut tally) = (Ledger::default(), Tally::default());
    for (call, step) in [("fsync", 5), ("rename", 1), ("unlink", 2), ("fdatasync", 2)] {
        for n in (1..=scale.pick(1, 20)).step_by(scale.pick(1, step)) {
            let wrapper = strace::killing(call, n);
            let mut site = Site::prepare(Options::default().without_template().wrapped(&wrapper));
            site.begin();
            // It died, or what it needs died and it says so, or it went on without harm.
            site.wait_ready(START);
            site.kill();
            site.options.wrapper.clear();
            tally.injected();
            tally.recovered(site.start_again());
            let (base, password) = (site.base(), site::PASSWORD);
            let person = Person::sign_in(&base, "ann", password).await.expect("the first admin");
            let batch = ledger.new_batch(&person).await.expect("a batch");
            assert!(ledger.upload(&person, &batch).await.is_some(), "{:?}", ledger.refusals());
        }
    }
    tally.row(&ledger)
}
