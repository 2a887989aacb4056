//! Events in words: sentences with links, what an edit changed, who read a file.

use serde_json::Value;
use uuid::Uuid;

use super::view::{
    activity::Change,
    format,
    trail::{Line, Piece, PieceKind, Reader, Who, group_icon},
};
use crate::domain::audit::{
    actions::{self, Known, Part},
    list::{Names, WholeEvent},
    reads,
    who::{ActorKind, TOKEN},
};

/// Fields that an edit may change, and what they are called.
const FIELDS: [(&str, &str); 8] = [
    ("number", "Number"),
    ("product", "Product"),
    ("notes", "Notes"),
    ("kind", "Kind"),
    ("note", "Note"),
    ("display_name", "Name"),
    ("role", "Role"),
    ("sites", "Sites"),
];

/// One event as a line. `for_admin` adds links to pages of admins.
pub(super) fn line(event: WholeEvent, seal: Option<i64>, names: &Names, for_admin: bool) -> Line {
    let known = actions::find(&event.action);
    let username = event.actor_id.and_then(|id| names.users.get(&id)).map(|(username, _)| username.clone());
    let pieces = match known {
        Some(known) => {
            actions::parts(known.sentence).map(|part| piece(part, &event, names, for_admin)).collect()
        }
        // Of a later version, or of the time before an act was renamed.
        None => vec![words("did "), name(event.action.clone(), None)],
    };
    Line {
        id: event.id,
        at: event.at,
        actor_href: event.actor_id.filter(|_| for_admin).map(|id| format!("/admin/users/{id}")),
        icon: icon(known, &event.action),
        is_trouble: known.is_some_and(|known| known.is_trouble),
        pieces,
        changes: changes(&event),
        who: who(event.actor, event.actor_id, username, &event.details),
        address: event.address,
        seal,
    }
}

/// Who an event is by.
pub(super) fn who(actor: String, account: Option<Uuid>, username: Option<String>, details: &Value) -> Who {
    let token = details[TOKEN].as_str().map(str::to_owned);
    Who { kind: ActorKind::of(&actor, account, details), name: actor, username, token }
}

fn words(text: impl Into<String>) -> Piece {
    Piece { text: text.into(), kind: PieceKind::Words, href: None }
}

fn name(text: impl Into<String>, href: Option<String>) -> Piece {
    Piece { text: text.into(), kind: PieceKind::Name, href }
}

fn piece(part: Part<'_>, event: &WholeEvent, names: &Names, for_admin: bool) -> Piece {
    match part {
        Part::Words(text) => words(text),
        Part::Name("batch") => batch(event, names),
        Part::Name("file") => file(event, names),
        Part::Name("thing") if event.attachment_id.is_some() => file(event, names),
        Part::Name("thing") => batch(event, names),
        Part::Name("person") => {
            let id = id_after("user:", event);
            if id.is_some() && id == event.actor_id {
                return words("themselves");
            }
            let known = id.and_then(|id| names.users.get(&id)).map(|(username, shown)| both(username, shown));
            let text = known.or_else(|| detail(event, "username")).unwrap_or_else(|| "somebody".to_owned());
            name(text, id.filter(|_| for_admin).map(|id| format!("/admin/users/{id}")))
        }
        Part::Name("site") => {
            let id = id_after("site:", event);
            let known = id.and_then(|id| names.sites.get(&id).cloned());
            name(
                known.unwrap_or_else(|| "that is gone".to_owned()),
                id.filter(|_| for_admin).map(|id| format!("/admin/sites/{id}")),
            )
        }
        Part::Name(key) => name(detail(event, key).unwrap_or_else(|| "nothing".to_owned()), None),
    }
}

/// A person's name with the user name that tells them from another one of that name.
fn both(username: &str, shown: &str) -> String {
    if username == shown { shown.to_owned() } else { format!("{shown} ({username})") }
}

fn id_after(kind: &str, event: &WholeEvent) -> Option<Uuid> {
    event.subject.strip_prefix(kind)?.parse().ok()
}

fn batch(event: &WholeEvent, names: &Names) -> Piece {
    let known = event.batch_id.and_then(|id| Some((id, names.batches.get(&id)?)));
    match known {
        Some((id, number)) => {
            Piece { text: number.clone(), kind: PieceKind::Batch, href: Some(format!("/batches/{id}")) }
        }
        None => name(detail(event, "number").unwrap_or_else(|| "a batch that is gone".to_owned()), None),
    }
}

fn file(event: &WholeEvent, names: &Names) -> Piece {
    let known = event.attachment_id.and_then(|id| Some((id, names.files.get(&id)?)));
    match known {
        Some((id, (file, is_there))) => {
            name(format::shown_name(file), is_there.then(|| format!("/attachments/{id}")))
        }
        None => {
            let text = detail(event, "filename").map(|file| format::shown_name(&file));
            name(text.unwrap_or_else(|| "a file".to_owned()), None)
        }
    }
}

fn detail(event: &WholeEvent, key: &str) -> Option<String> {
    text_of(&event.details[key])
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_i64().map_or_else(|| number.to_string(), format::grouped)),
        Value::Array(all) => {
            let texts: Vec<String> = all.iter().filter_map(text_of).collect();
            Some(texts.join(", "))
        }
        _ => None,
    }
}

/// What an edit changed, from the event's `field: [before, after]`.
fn changes(event: &WholeEvent) -> Vec<Change> {
    let change = |(key, field): (&str, &'static str)| match event.details[key].as_array()?.as_slice() {
        [before, after] => Some(Change { field, before: text_of(before)?, after: text_of(after)? }),
        _ => None,
    };
    let is_edit = ["batch.edit", "attachment.edit", "user.change", "user.role", "user.sites"];
    if !is_edit.contains(&event.action.as_str()) {
        return Vec::new();
    }
    FIELDS.into_iter().filter_map(change).collect()
}

fn icon(known: Option<&Known>, action: &str) -> &'static str {
    match action {
        "attachment.upload" => "upload",
        "attachment.download" | "share.download" | "share.archive" | "batch.archive" => "download",
        "attachment.trash" | "batch.trash" => "trash",
        "attachment.restore" | "batch.restore" => "undo",
        "attachment.edit" | "batch.edit" => "pencil",
        "batch.close" => "closed",
        "batch.reopen" => "open",
        "session.end" => "out",
        _ => match known {
            Some(known) if known.is_trouble => "alert",
            Some(known) => group_icon(known.group),
            None => "dot",
        },
    }
}

/// Who read a file. Visitors have no account and all one name.
pub(super) fn readers(readers: Vec<reads::Reader>) -> Vec<Reader> {
    let shown = readers.into_iter().map(|reader| Reader {
        name: reader.actor_id.map(|_| reader.actor),
        username: reader.username,
        views: reader.views,
        downloads: reader.downloads,
        last: reader.last,
    });
    shown.collect()
}
