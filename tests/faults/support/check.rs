//! The questions after a fault.

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use stillage::{
    app::App,
    clock::Clock,
    config::Config,
    db::embedded::Owner,
    domain::{
        access::Actor,
        orphans::{self, Report, Wanted},
    },
};

use super::{
    Ledger, Row, Site,
    load::{Entry, State},
};

/// Adds up what came of one fault that is injected again and again.
#[derive(Default)]
pub struct Tally {
    injected: usize,
    recovery: Duration,
    lost: BTreeSet<String>,
    unacknowledged: BTreeSet<String>,
    orphans: Vec<String>,
    /// Files whose answer has been checked already.
    checked: BTreeSet<String>,
}

impl Tally {
    pub fn injected(&mut self) {
        self.injected += 1;
    }

    /// The server was ready again after so long.
    pub fn recovered(&mut self, after: Duration) {
        self.recovery = self.recovery.max(after);
    }

    /// Downloads what was acknowledged since the last time, up to fifty files: cheap enough for every repetition.
    pub async fn check_new(&mut self, site: &Site, ledger: &Ledger) {
        let news: Vec<_> =
            ledger.stored().into_iter().filter(|(name, _)| !self.checked.contains(name)).collect();
        for (name, entry) in news.into_iter().rev().take(50) {
            let lost = self.lost.clone();
            self.check_stored(site, &name, &entry).await;
            // A load that goes on may have deleted it meanwhile.
            if ledger.entries().get(&name).is_none_or(|entry| entry.state != State::Stored) {
                self.lost = lost;
            }
            self.checked.insert(name);
        }
    }

    async fn check_stored(&mut self, site: &Site, name: &str, entry: &Entry) {
        let id = entry.id.as_deref().expect("an acknowledged file has an id");
        let answer = site.person().download(id).await;
        if answer.status() != 200 {
            self.lost.insert(format!("{name} ({id}): {} {:?}", answer.status(), answer));
        } else if <[u8; 32]>::from(Sha256::digest(answer.body())) != entry.sha256 {
            self.lost.insert(format!("{name} ({id}): other bytes"));
        }
    }

    /// All of the questions. The load has ended; the server runs and is ready.
    pub async fn check_all(&mut self, site: &Site, ledger: &Ledger) {
        let entries = ledger.entries();
        for (name, entry) in &entries {
            match entry.state {
                State::Stored => self.check_stored(site, name, entry).await,
                // There or in the trash, but not gone: restoring it says which.
                State::Trashed | State::InDoubt => self.check_kept(site, name, entry).await,
                State::Unknown | State::Refused => {}
            }
        }
        self.check_visible(site, ledger).await;
        self.compare(site).await;
    }

    async fn check_kept(&mut self, site: &Site, name: &str, entry: &Entry) {
        let (person, id) = (site.person(), entry.id.as_deref().unwrap_or_default());
        let visible = person.download(id).await.status() == 200;
        if entry.state == State::Trashed && visible {
            self.unacknowledged.insert(format!("{name} ({id}): in the trash, and visible"));
        }
        if !visible {
            person.post(&format!("/attachments/{id}/restore"), &[]).await;
        }
        self.check_stored(site, name, entry).await;
        if entry.state == State::Trashed {
            person.post(&format!("/attachments/{id}/delete"), &[]).await;
        }
    }

    /// Whatever the batches show is in the ledger, was not refused, and comes out whole.
    async fn check_visible(&mut self, site: &Site, ledger: &Ledger) {
        let entries = ledger.entries();
        for batch in ledger.batches() {
            let answer = site.person().batch(&batch).await;
            if answer.status() != 200 {
                self.lost.insert(format!("batch {batch}: {}", answer.status()));
                continue;
            }
            let whole = answer.json();
            let files = whole["attachments"].as_array().cloned().unwrap_or_default();
            for file in files {
                let (name, id) =
                    (file["filename"].as_str().unwrap_or_default(), file["id"].as_str().unwrap_or_default());
                match entries.get(name) {
                    None => drop(self.unacknowledged.insert(format!("{name} ({id}): nobody sent it"))),
                    Some(entry) if entry.state == State::Refused => {
                        self.unacknowledged.insert(format!("{name} ({id}): it was refused"));
                    }
                    Some(entry) if entry.state == State::Unknown => {
                        let found = Entry { id: Some(id.to_owned()), ..entry.clone() };
                        self.check_stored(site, name, &found).await;
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// Lets the comparison of storage and database do its work as if two hours had passed, and notes what it leaves.
    pub async fn compare(&mut self, site: &Site) {
        let found = look(site, true).await;
        let left = look(site, false).await;
        let more = [
            ("published without a row", left.published.names.clone()),
            ("staged", left.staged.names.clone()),
            ("objects without a row", left.objects.names.clone()),
            ("in .trash/ and missed by a row", left.wanted_back.names.clone()),
        ];
        for (what, names) in more {
            self.orphans.extend(names.into_iter().map(|name| format!("{what}: {name}")));
        }
        if left.previews > 0 {
            self.orphans.push(format!("{} folders of previews", left.previews));
        }
        if found.rows_without_file > 0 {
            self.lost.insert(format!("{} rows without their file", found.rows_without_file));
        }
    }

    /// The row; a fault that lost, left or showed anything fails.
    pub fn row(self, ledger: &Ledger) -> Row {
        let Self { injected, recovery, lost, unacknowledged, orphans, .. } = self;
        let mut row = Row::passed();
        if !lost.is_empty() || !unacknowledged.is_empty() || !orphans.is_empty() {
            row = Row::failed(format!(
                "lost: {lost:?}; visible without acknowledgement: {unacknowledged:?}; orphans: {orphans:?}"
            ));
        }
        row.injected = injected;
        row.acknowledged = ledger.acknowledged();
        row.lost = lost.len();
        row.unacknowledged = unacknowledged.len();
        row.orphans = orphans.len();
        row.recovery = recovery;
        row
    }
}

/// The comparison two hours later, beside the running server.
async fn look(site: &Site, apply: bool) -> Report {
    let environment = site.environment();
    let config = Config::from_lookup(|name| {
        environment.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    })
    .unwrap();
    let app = tokio::task::spawn_blocking(move || {
        let clock = Clock::default();
        clock.advance(TimeDelta::hours(2));
        App::start(config, Owner::Command, clock).unwrap()
    })
    .await
    .unwrap();
    let wanted = Wanted { older_than: TimeDelta::zero(), apply: false, expect: None };
    let report = orphans::clean_up(&app, &Actor::console(), wanted).await.unwrap();
    if apply {
        let wanted = Wanted { apply: true, expect: Some(report.going()), ..wanted };
        orphans::clean_up(&app, &Actor::console(), wanted).await.unwrap();
    }
    // It stops or leaves the database on a thread of its own, which may block.
    tokio::task::spawn_blocking(move || drop(app)).await.unwrap();
    report
}
