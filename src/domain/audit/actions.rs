//! Every act that the trail knows, with its group and its sentence. A test holds this against the code, so that no
//! act is recorded that nobody can read.

/// What acts have to do with, for a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Files,
    /// Views and downloads, archives and share links included.
    Reads,
    Batches,
    Shares,
    SignIn,
    People,
    Upkeep,
}

impl Group {
    pub const ALL: [Self; 7] =
        [Self::Files, Self::Reads, Self::Batches, Self::Shares, Self::SignIn, Self::People, Self::Upkeep];

    /// The acts of this group.
    pub fn actions(self) -> Vec<&'static str> {
        TABLE.iter().filter(|known| known.group == self).map(|known| known.action).collect()
    }
}

/// An act that is known.
#[derive(Debug)]
pub struct Known {
    pub action: &'static str,
    pub group: Group,
    /// What was done, to stand after the actor's name. In braces: `{batch}`, `{file}`, `{person}`, `{site}` for what the
    /// event is about, `{thing}` for the file or else the batch, any other word for that detail.
    pub sentence: &'static str,
    /// Of something that went wrong, or that somebody should look at.
    pub is_trouble: bool,
}

const fn known(action: &'static str, group: Group, sentence: &'static str) -> Known {
    Known { action, group, sentence, is_trouble: false }
}

const fn trouble(action: &'static str, group: Group, sentence: &'static str) -> Known {
    Known { action, group, sentence, is_trouble: true }
}

pub const TABLE: &[Known] = &[
    known("batch.create", Group::Batches, "made the batch {batch}"),
    known("batch.edit", Group::Batches, "changed the details of {batch}"),
    known("batch.close", Group::Batches, "closed {batch}"),
    known("batch.reopen", Group::Batches, "opened {batch} again"),
    known("batch.trash", Group::Batches, "moved {batch} to the trash"),
    known("batch.restore", Group::Batches, "restored {batch} from the trash"),
    known("batch.archive", Group::Reads, "took a ZIP of {batch} with {files} files"),
    known("attachment.upload", Group::Files, "added {file} to {batch}"),
    known("attachment.edit", Group::Files, "changed kind or note of {file} in {batch}"),
    known("attachment.trash", Group::Files, "moved {file} of {batch} to the trash"),
    known("attachment.restore", Group::Files, "restored {file} to {batch}"),
    known("attachment.view", Group::Reads, "looked at {file} of {batch}"),
    known("attachment.download", Group::Reads, "downloaded {file} of {batch}"),
    trouble("attachment.quarantine", Group::Files, "locked {file} of {batch} away: {found}"),
    known(
        "quarantine.seen",
        Group::Upkeep,
        "looked through the uploads that were refused because of malware",
    ),
    known("attachment.release", Group::Files, "let {file} of {batch} out of quarantine"),
    known("batch.hold", Group::Batches, "put {batch} on hold"),
    known("batch.release", Group::Batches, "took {batch} off hold"),
    known("batch.purge_now", Group::Batches, "had {batch} removed for good"),
    known("batch.purge", Group::Batches, "removed {batch} for good"),
    known("attachment.purge_now", Group::Files, "had {file} of {batch} removed for good"),
    known("attachment.purge", Group::Files, "removed {file} of {batch} for good"),
    known("trash.empty", Group::Files, "emptied the trash"),
    known("attachment.import", Group::Files, "imported {file} into {batch}"),
    known("copy.heal", Group::Upkeep, "mended a copy of {file} of {batch} ({place})"),
    trouble("copy.missing", Group::Upkeep, "found a copy of {file} of {batch} missing ({place})"),
    trouble("copy.corrupt", Group::Upkeep, "found a copy of {file} of {batch} damaged ({place})"),
    known("copy.retry", Group::Upkeep, "tried the copy of {file} of {batch} again"),
    known("copy.move", Group::Upkeep, "moved {file} of {batch} ({to})"),
    known("copy.evict", Group::Upkeep, "removed the local copy of {file} of {batch}"),
    trouble("attachment.missing", Group::Files, "found no bytes of {file} of {batch}"),
    known("attachment.found", Group::Files, "found the bytes of {file} of {batch} again"),
    trouble(
        "attachment.infected",
        Group::Files,
        "sent malware ({found}) as {file} to {batch}; it was refused",
    ),
    known("share.create", Group::Shares, "made a share link to {thing}"),
    known("share.download", Group::Reads, "downloaded {file} of {batch} by a share link"),
    known("share.archive", Group::Reads, "took a ZIP of {batch} with {files} files by a share link"),
    trouble("share.refused", Group::Shares, "gave a wrong password for a share link to {thing}"),
    known("share.revoke", Group::Shares, "ended a share link to {thing}"),
    known("login.success", Group::SignIn, "signed in"),
    trouble("login.failure", Group::SignIn, "could not sign in as {username}"),
    trouble("login.second_failure", Group::SignIn, "gave a wrong code after the right password"),
    trouble(
        "login.second_slowed",
        Group::SignIn,
        "gave {in_a_row} wrong codes in a row after the right password; the next ones have to wait",
    ),
    trouble(
        "login.second_locked",
        Group::SignIn,
        "gave {in_a_row} wrong codes in a row after the right password; only recovery codes count now",
    ),
    known("session.end", Group::SignIn, "signed out"),
    known("session.revoke", Group::SignIn, "ended {sessions} of their other sessions"),
    known("user.add", Group::People, "added {person} as {role}"),
    known("user.change", Group::People, "changed the name of {person}"),
    known("user.role", Group::People, "changed the role of {person}"),
    known("user.sites", Group::People, "changed the sites of {person}"),
    known("user.enable", Group::People, "enabled {person}"),
    known("user.disable", Group::People, "disabled {person}"),
    known("user.password", Group::People, "set a new password for {person}"),
    trouble("user.password_refused", Group::People, "gave a wrong password for a change of {person}"),
    known("user.reset_link", Group::People, "made a link to choose a password for {person}"),
    known("two_factor.on", Group::People, "turned two-factor on for {person}"),
    known("two_factor.off", Group::People, "turned two-factor off for {person}"),
    known("two_factor.codes", Group::People, "made new recovery codes for {person}"),
    known("token.create", Group::People, "made the API token {name} ({scope})"),
    known("token.revoke", Group::People, "ended the API token {name}"),
    known("site.add", Group::People, "added the site {name}"),
    known("site.rename", Group::People, "renamed the site {site}"),
    known("site.remove", Group::People, "removed the site {name}"),
    known("site.retention", Group::People, "changed how long {site} keeps its files"),
    known("settings.two_factor", Group::People, "changed who must use two-factor"),
    known("setting.change", Group::Upkeep, "changed the setting {setting}"),
    known("settings.prices", Group::Upkeep, "changed prices and circumstances"),
    known("storage.clean_up_now", Group::Upkeep, "had {expect} files without a row moved aside"),
    known("storage.clean_up", Group::Upkeep, "moved files without a row aside"),
    known("storage.aside_removed", Group::Upkeep, "removed for good what was moved aside long ago"),
    known(
        "storage.set_aside",
        Group::Upkeep,
        "moved {stored_name}, which belongs to nothing, out of the way",
    ),
    known("storage.move", Group::Upkeep, "began to move {files} files ({to})"),
    known("storage.move_stop", Group::Upkeep, "stopped the move of files"),
    known("storage.pause", Group::Upkeep, "put off the making of copies"),
    known("storage.resume", Group::Upkeep, "went on with the making of copies"),
    known("storage.sync", Group::Upkeep, "sent {enqueued} files to be copied"),
    known("backup.make", Group::Upkeep, "made a backup of {files} files"),
    known(
        "backup.restore",
        Group::Upkeep,
        "restored the backup of {as_of}; {shares} share links and {tokens} API tokens ended",
    ),
    trouble(
        "job.refused",
        Group::Upkeep,
        "did not do the job {job}: {person}, who ordered it, is no admin any more",
    ),
    known("job.retry", Group::Upkeep, "sent the job {job} to work again"),
    known("job.retry_dead", Group::Upkeep, "sent {jobs} dead jobs to work again"),
    known("job.discard", Group::Upkeep, "discarded the job {job}"),
    known("audit.export", Group::Upkeep, "exported the trail as {format}"),
];

/// The act of this name.
pub fn find(action: &str) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.action == action)
}

/// A part of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Words(&'a str),
    /// What stood in braces.
    Name(&'a str),
}

/// A sentence in its parts.
pub fn parts(sentence: &str) -> impl Iterator<Item = Part<'_>> {
    sentence
        .split('{')
        .enumerate()
        .flat_map(|(nth, piece)| match piece.split_once('}') {
            Some((name, words)) if nth > 0 => [Some(Part::Name(name)), words_of(words)],
            _ => [words_of(piece), None],
        })
        .flatten()
}

fn words_of(words: &str) -> Option<Part<'_>> {
    (!words.is_empty()).then_some(Part::Words(words))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sentences_come_apart() {
        let of = |sentence| parts(sentence).collect::<Vec<_>>();
        assert_eq!(of("closed {batch}"), [Part::Words("closed "), Part::Name("batch")]);
        assert_eq!(of("{a}{b} c"), [Part::Name("a"), Part::Name("b"), Part::Words(" c")]);
        assert_eq!(of("signed in"), [Part::Words("signed in")]);
    }

    #[test]
    fn every_act_stands_once_and_every_group_has_some() {
        let names: BTreeSet<_> = TABLE.iter().map(|known| known.action).collect();
        assert_eq!(names.len(), TABLE.len());
        for group in Group::ALL {
            assert!(!group.actions().is_empty(), "{group:?}");
        }
        for known in TABLE {
            assert_eq!(known.sentence.matches('{').count(), known.sentence.matches('}').count(), "{known:?}");
        }
    }
}
