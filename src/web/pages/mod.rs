//! Pages and plain forms: one file of handlers per resource. What a page shows is a struct in [`view`].

pub mod account;
pub mod admin;
pub mod attachments;
mod audit_words;
pub mod auth;
pub mod batch_form;
pub mod batches;
pub mod files;
pub mod history;
pub mod hold;
pub mod labels;
pub mod password;
mod preview;
mod search;
pub mod shares;
pub mod tokens;
pub mod trash;
pub mod two_factor;
pub mod view;

use actix_session::SessionExt;
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header};
use askama::Template;

use self::view::{
    activity::{Act, Activity, Change},
    frame::{Banner, Brand, Frame, FrameUser, Place, Theme},
};
use super::{
    error::WebResult,
    extract::{CurrentUser, Parts},
    flash, session,
};
use crate::{
    app::App,
    domain::{access::Role, audit::EventRow, settings::DEFAULT_NAME},
};

/// The frame of a page for somebody who is signed in.
pub(in crate::web) fn frame(
    req: &HttpRequest,
    by: &CurrentUser,
    title: impl Into<String>,
    here: Place,
) -> Frame {
    let banner = req.app_data::<Parts>().and_then(|app| banner(app));
    Frame {
        user: Some(frame_user(&by.user)),
        here,
        banner,
        flashes: flash::take(&by.session),
        ..frame_of_stranger(req, title)
    }
}

/// What holds on every page, if anything does.
fn banner(app: &App) -> Option<Banner> {
    if app.settings.now().maintenance {
        return Some(Banner {
            title: "Read-only for maintenance".to_owned(),
            text: "Everything can be read and downloaded; nothing can be stored or changed until an admin ends it."
                .to_owned(),
        });
    }
    app.store.trouble().map(|text| Banner {
        title: "No file can be stored right now".to_owned(),
        text: format!("{text} What you upload is refused and stays on your device."),
    })
}

fn brand(req: &HttpRequest) -> Brand {
    let Some(app) = req.app_data::<Parts>() else {
        return Brand { name: DEFAULT_NAME.to_owned(), logo_url: None };
    };
    let settings = app.settings.now();
    let logo_url = settings.logo.as_ref().map(|hash| format!("/brand/{hash}.png"));
    Brand { name: settings.name.clone(), logo_url }
}

/// The frame of a page for everybody.
fn frame_of_stranger(req: &HttpRequest, title: impl Into<String>) -> Frame {
    Frame { csrf_token: session::csrf_token(&req.get_session()), ..bare_frame(req, title) }
}

/// A frame without anything to send, so that it begins no session.
fn bare_frame(req: &HttpRequest, title: impl Into<String>) -> Frame {
    Frame {
        title: title.into(),
        brand: brand(req),
        here: Place::Elsewhere,
        user: None,
        csrf_token: String::new(),
        query: String::new(),
        flashes: Vec::new(),
        theme: theme(req),
        trash_count: None,
        banner: None,
        sites_shown: false,
        findings: None,
    }
}

/// The frame of an error page: whoever is signed in keeps their way around.
pub(super) fn frame_of_error(req: &HttpRequest, title: &str) -> Frame {
    match session::signed_in(req) {
        Some(user) => Frame { user: Some(frame_user(&user)), ..frame_of_stranger(req, title) },
        None => bare_frame(req, title),
    }
}

fn frame_user(user: &session::SignedIn) -> FrameUser {
    let role_word = match user.role {
        Role::Viewer => "Viewer",
        Role::Staff => "Staff",
        Role::Admin => "Admin",
    };
    FrameUser {
        name: user.display_name.clone(),
        role_word: role_word.to_owned(),
        is_admin: user.role == Role::Admin,
        sees_trash: user.role != Role::Viewer,
    }
}

fn theme(req: &HttpRequest) -> Option<Theme> {
    match req.cookie("theme")?.value() {
        "light" => Some(Theme::Light),
        "dark" => Some(Theme::Dark),
        _ => None,
    }
}

pub(in crate::web) fn render(page: &impl Template) -> WebResult {
    render_as(StatusCode::OK, page)
}

fn render_as(status: StatusCode, page: &impl Template) -> WebResult {
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(page.render()?))
}

/// 303, as after every form.
pub(super) fn see_other(path: impl AsRef<str>) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path.as_ref())).finish()
}

/// Lines of activity, equal acts of one person in a row summed up. `of_file` leaves the file's name out, on
/// its own page.
fn activity(events: Vec<EventRow>, of_file: bool) -> Vec<Activity> {
    let mut lines: Vec<Activity> = Vec::new();
    for event in events {
        let Some(act) = act(&event.action) else { continue };
        let who = audit_words::who(event.actor, event.actor_id, event.username, &event.details);
        let is_about_a_file = event.action.starts_with("attachment.");
        match lines.last_mut() {
            Some(last) if is_about_a_file && last.act == act && last.who == who => {
                last.count += 1;
                last.filename = None;
            }
            _ => {
                let filename = event.details["filename"].as_str().filter(|_| !of_file).map(str::to_owned);
                let changes = if act == Act::BatchEdited { changes(&event.details) } else { Vec::new() };
                lines.push(Activity { act, who, filename, count: 1, changes, at: event.at });
            }
        }
    }
    lines
}

/// What an edit changed, from the event's `field: [before, after]`.
fn changes(details: &serde_json::Value) -> Vec<Change> {
    let fields = [("number", "Number"), ("product", "Product"), ("notes", "Notes")];
    let change = |(key, field): (&str, &'static str)| {
        let text = |nth: usize| details[key][nth].as_str().map(str::to_owned);
        Some(Change { field, before: text(0)?, after: text(1)? })
    };
    fields.into_iter().filter_map(change).collect()
}

fn act(action: &str) -> Option<Act> {
    Some(match action {
        "batch.create" => Act::BatchCreated,
        "batch.edit" => Act::BatchEdited,
        "batch.close" => Act::BatchClosed,
        "batch.reopen" => Act::BatchReopened,
        "batch.trash" => Act::BatchTrashed,
        "batch.restore" => Act::BatchRestored,
        "batch.hold" => Act::BatchHeld,
        "batch.release" => Act::BatchReleased,
        "attachment.upload" | "attachment.import" => Act::FileAdded,
        "attachment.trash" => Act::FileTrashed,
        "attachment.restore" => Act::FileRestored,
        "attachment.purge_now" => Act::FilePurgeOrdered,
        "attachment.purge" => Act::FilePurged,
        "attachment.missing" => Act::FileMissing,
        "attachment.found" => Act::FileFound,
        "attachment.edit" => Act::FileDescribed,
        "batch.archive" => Act::ArchiveTaken,
        "share.create" => Act::Shared,
        "share.download" => Act::ShareUsed,
        "share.archive" => Act::ShareArchive,
        "share.refused" => Act::ShareRefused,
        "share.revoke" => Act::ShareEnded,
        "attachment.infected" => Act::FileInfected,
        "attachment.quarantine" => Act::FileLockedAway,
        "attachment.release" => Act::FileReleased,
        _ => return None,
    })
}
