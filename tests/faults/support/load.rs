//! A load of a few clients, and the ledger of what the server acknowledged to them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use super::{Answer, Person, Site};

/// Between two requests to a server that does not answer.
const PAUSE: Duration = Duration::from_millis(40);
/// Files of one batch: what is listed whole stays small.
const IN_A_BATCH: usize = 60;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The answer was lost or said that the outcome is not known: there or not, either is right.
    Unknown,
    /// The upload was refused.
    Refused,
    /// The upload was acknowledged.
    Stored,
    /// Moved to the trash, and that was acknowledged.
    Trashed,
    /// Acknowledged once, and an answer to deleting or restoring it was lost: there or in the trash.
    InDoubt,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub id: Option<String>,
    pub sha256: [u8; 32],
    pub state: State,
    /// The address of its resumable upload.
    pub upload: Option<String>,
}

/// Files by their names, which are never used twice.
#[derive(Clone, Default)]
pub struct Ledger {
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
    batches: Arc<Mutex<Vec<String>>>,
    /// Answers that refused: status and body, to look at when a test fails.
    refusals: Arc<Mutex<Vec<String>>>,
    seed: Arc<AtomicU64>,
}

impl Ledger {
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        self.entries.lock().unwrap().clone()
    }

    pub fn batches(&self) -> Vec<String> {
        self.batches.lock().unwrap().clone()
    }

    pub fn refusals(&self) -> Vec<String> {
        self.refusals.lock().unwrap().clone()
    }

    /// How many files were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        let entries = self.entries.lock().unwrap();
        entries.values().filter(|entry| !matches!(entry.state, State::Unknown | State::Refused)).count()
    }

    fn refused(&self, answer: &Answer) {
        let text = answer.text();
        let mut refusals = self.refusals.lock().unwrap();
        refusals.push(format!("{} {}", answer.status(), text.chars().take(300).collect::<String>()));
    }

    /// For files outside the ledger.
    pub fn next_seed(&self) -> u64 {
        self.seed.fetch_add(1, Ordering::Relaxed)
    }

    /// Files acknowledged as stored, with their ids and hashes.
    pub fn stored(&self) -> Vec<(String, Entry)> {
        let entries = self.entries();
        entries.into_iter().filter(|(_, entry)| entry.state == State::Stored).collect()
    }

    /// A new file that is not known to be stored: its name and bytes.
    pub fn begin(&self, kind: &str) -> (String, Vec<u8>) {
        let seed = self.next_seed();
        let (name, bytes) = (format!("{kind}-{seed}.pdf"), pdf(seed));
        let entry =
            Entry { id: None, sha256: Sha256::digest(&bytes).into(), state: State::Unknown, upload: None };
        self.entries.lock().unwrap().insert(name.clone(), entry);
        (name, bytes)
    }

    fn set(&self, name: &str, state: State, id: Option<&str>) {
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(name).unwrap();
        entry.state = state;
        if let Some(id) = id {
            entry.id = Some(id.to_owned());
        }
    }

    /// Makes a batch that the ledger watches; `None` when that was not acknowledged.
    pub async fn new_batch(&self, person: &Person) -> Option<String> {
        let seed = self.seed.fetch_add(1, Ordering::Relaxed);
        let batch = person.new_batch(&format!("B-{seed}")).await?;
        self.batches.lock().unwrap().push(batch.clone());
        Some(batch)
    }

    /// One upload by form; the name, when it was acknowledged.
    pub async fn upload(&self, person: &Person, batch: &str) -> Option<String> {
        let (name, bytes) = self.begin("form");
        let answer = person.upload(batch, &name, bytes).await;
        let id = answer.json()["results"][0]["attachment"]["id"].as_str().map(str::to_owned);
        match (answer.status(), id) {
            (201, Some(id)) => {
                self.set(&name, State::Stored, Some(&id));
                return Some(name);
            }
            _ if is_unknown(&answer) => {}
            _ => {
                self.refused(&answer);
                self.set(&name, State::Refused, None);
            }
        }
        None
    }

    /// One resumable upload in several steps, resumed when an answer is lost; the name, when it was acknowledged.
    pub async fn upload_by_tus(&self, person: &Person, batch: &str) -> Option<String> {
        self.by_tus(person, batch, 40).await
    }

    /// The same by a client that gives up at the first answer that is lost or refused.
    pub async fn upload_by_tus_once(&self, person: &Person, batch: &str) -> Option<String> {
        self.by_tus(person, batch, 0).await
    }

    async fn by_tus(&self, person: &Person, batch: &str, patience: usize) -> Option<String> {
        let (name, bytes) = self.begin("tus");
        let created = person.tus_create(batch, &name, bytes.len()).await;
        let Some(upload) = created.header("location").map(str::to_owned) else {
            if !is_unknown(&created) {
                self.refused(&created);
                self.set(&name, State::Refused, None);
            }
            return None;
        };
        if let Some(entry) = self.entries.lock().unwrap().get_mut(&name) {
            entry.upload = Some(upload.clone());
        }
        self.finish_tus(person, &name, &upload, &bytes, patience).await
    }

    /// Sends what the server does not have yet; the name, when the whole was acknowledged. After `patience` answers
    /// that were lost or refused it gives up.
    pub async fn finish_tus(
        &self,
        person: &Person,
        name: &str,
        upload: &str,
        bytes: &[u8],
        mut patience: usize,
    ) -> Option<String> {
        let step = bytes.len().div_ceil(3).max(1);
        let mut answer = person.tus_look(upload).await;
        loop {
            if let Some(id) = answer.header("x-attachment-id") {
                self.set(name, State::Stored, Some(id));
                return Some(name.to_owned());
            }
            match answer.status() {
                404 | 410 => return None,
                200 | 204 => {
                    let offset = answer.header("upload-offset").and_then(|at| at.parse().ok()).unwrap_or(0);
                    let end = (offset + step).min(bytes.len());
                    answer = person.tus_append(upload, offset, &bytes[offset..end]).await;
                    if answer.status() == 204 {
                        continue;
                    }
                    self.refused_unless_lost(&answer);
                }
                _ => {}
            }
            if patience == 0 {
                return None;
            }
            patience -= 1;
            tokio::time::sleep(PAUSE * 3).await;
            answer = person.tus_look(upload).await;
        }
    }

    /// Asks what became of resumable uploads whose answers were lost, as a client does that comes back.
    pub async fn resolve(&self, person: &Person) {
        for (name, entry) in self.entries() {
            let (State::Unknown, Some(upload)) = (entry.state, entry.upload) else { continue };
            let answer = person.tus_look(&upload).await;
            if let Some(id) = answer.header("x-attachment-id") {
                self.set(&name, State::Stored, Some(id));
            }
        }
    }

    pub async fn delete(&self, person: &Person, name: &str) {
        self.change(person, name, "delete", State::Trashed).await;
    }

    pub async fn restore(&self, person: &Person, name: &str) {
        self.change(person, name, "restore", State::Stored).await;
    }

    async fn change(&self, person: &Person, name: &str, what: &str, then: State) {
        let Some(id) = self.entries.lock().unwrap().get(name).and_then(|entry| entry.id.clone()) else {
            return;
        };
        // Until the answer it may be either.
        self.set(name, State::InDoubt, None);
        let answer = person.post(&format!("/attachments/{id}/{what}"), &[]).await;
        match answer.status() {
            200..=399 => self.set(name, then, None),
            _ => self.refused_unless_lost(&answer),
        }
    }

    fn refused_unless_lost(&self, answer: &Answer) {
        if answer.status() != 0 {
            self.refused(answer);
        }
    }
}

/// An answer that leaves open whether the file is stored.
fn is_unknown(answer: &Answer) -> bool {
    let code = &answer.json()["error"]["code"];
    match answer.status() {
        0 => true,
        // Nothing is kept, says the contract.
        503 if code == "scanner_unavailable" => false,
        500 | 502 | 503 | 504 => true,
        _ => false,
    }
}

/// A PDF of its own for each seed, up to about 300 kB.
pub fn pdf(seed: u64) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..(8 + seed * 7919 % 37_000) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend(state.to_be_bytes());
    }
    bytes
}

/// Clients that upload, download, delete and restore until they are stopped, whatever the server does.
pub struct Load {
    stopping: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Four clients.
    pub fn start(site: &Site, ledger: &Ledger) -> Self {
        Self::with(&site.person(), ledger, 4)
    }

    pub fn with(person: &Person, ledger: &Ledger, clients: usize) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let clients = (0..clients)
            .map(|at| {
                let client = Client { person: person.clone(), ledger: ledger.clone() };
                tokio::spawn(client.work(at, Arc::clone(&stopping)))
            })
            .collect();
        Self { stopping, clients }
    }

    /// Lets every client end what it has begun.
    pub async fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
    }
}

struct Client {
    person: Person,
    ledger: Ledger,
}

impl Client {
    async fn work(self, at: usize, stopping: Arc<AtomicBool>) {
        let (mut batch, mut in_batch) = (None, 0);
        let mut own: Vec<String> = Vec::new();
        let mut trashed: Vec<String> = Vec::new();
        let mut turn = at;
        while !stopping.load(Ordering::Relaxed) {
            if batch.is_none() || in_batch == IN_A_BATCH {
                batch = self.ledger.new_batch(&self.person).await;
                in_batch = 0;
            }
            let Some(batch) = &batch else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            turn += 1;
            let stored = match turn % 8 {
                3 | 6 => {
                    in_batch += 1;
                    self.ledger.upload_by_tus(&self.person, batch).await
                }
                4 => {
                    self.read(own.last()).await;
                    None
                }
                5 if own.len() > 3 => {
                    let name = own.remove(0);
                    self.ledger.delete(&self.person, &name).await;
                    trashed.push(name);
                    None
                }
                7 if trashed.len() > 1 => {
                    self.ledger.restore(&self.person, &trashed.remove(0)).await;
                    None
                }
                _ => {
                    in_batch += 1;
                    self.ledger.upload(&self.person, batch).await
                }
            };
            match stored {
                Some(name) => own.push(name),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// A download under way when the fault comes: what arrives whole is right.
    async fn read(&self, name: Option<&String>) {
        let Some(entry) = name.and_then(|name| self.ledger.entries().get(name).cloned()) else { return };
        let answer = self.person.download(entry.id.as_deref().unwrap_or_default()).await;
        if answer.status() == 200 {
            assert_eq!(
                <[u8; 32]>::from(Sha256::digest(answer.body())),
                entry.sha256,
                "a download came out wrong"
            );
        }
    }
}
