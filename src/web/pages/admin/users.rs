//! The list of people, and adding one.

use actix_web::{HttpRequest, web};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{
        auth::problem,
        render, render_as,
        view::{
            form::{Field, SiteOption},
            people::{
                AddForm, Filters, LinkPage, PersonRow, PersonState, RoleChoice, RoleWord, SiteBox, UsersPage,
            },
        },
    },
    admin_frame, mendable,
};
use crate::{
    domain::{
        access::Role,
        password_links::Link,
        people::{self, Invitation, State, Wanted},
        sites::Site,
        users::UserRow,
    },
    error::{Error, FieldError, Result},
    web::{
        error::WebResult,
        extract::{CurrentUser, Fields, Parts, Posted},
        query,
    },
};

#[derive(Default, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    site: String,
    cursor: Option<String>,
}

/// `GET /admin/users`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser, query: web::Query<ListQuery>) -> WebResult {
    let draft = Draft { role: Role::Staff.to_string(), ..Draft::default() };
    render(&page(&req, &app, &by, &query, draft, &[]).await?)
}

/// `POST /admin/users`: answers with the link itself, for nothing keeps it that could show it later.
pub async fn add(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let draft = Draft::of(&fields);
    let invited = match draft.invitation() {
        Ok(invitation) => people::invite(&app, &by.actor, invitation).await,
        Err(error) => Err(error),
    };
    match invited {
        Ok((user, link)) => render(&link_page(&req, &app, &by, &user, &link, true).await),
        Err(error) => {
            let (status, problems) = mendable(error, &[("username_taken", "username")])?;
            let page = page(&req, &app, &by, &ListQuery::default(), draft, &problems).await?;
            render_as(status, &page)
        }
    }
}

/// What was typed to add somebody.
#[derive(Default)]
struct Draft {
    username: String,
    display_name: String,
    role: String,
    sites: Vec<String>,
}

impl Draft {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            username: text("username"),
            display_name: text("display_name"),
            role: text("role"),
            sites: fields.all("sites").map(str::to_owned).collect(),
        }
    }

    fn invitation(&self) -> Result<Invitation> {
        Ok(Invitation {
            username: self.username.clone(),
            display_name: self.display_name.clone(),
            role: self.role.parse()?,
            sites: site_ids(&self.sites)?,
        })
    }
}

/// The sites that were ticked.
pub(super) fn site_ids(ticked: &[String]) -> Result<Vec<Uuid>> {
    let ids = ticked.iter().map(|id| id.parse()).collect::<Result<_, _>>();
    ids.map_err(|_| Error::invalid("sites", "Choose one of the sites."))
}

async fn page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    asked: &ListQuery,
    draft: Draft,
    problems: &[FieldError],
) -> Result<UsersPage> {
    let role = asked.role.parse::<Role>().ok();
    let state = PersonState::all().into_iter().find(|state| state.key() == asked.state);
    let wanted = Wanted {
        query: asked.q.clone(),
        role,
        state: state.map(|state| match state {
            PersonState::Able => State::Able,
            PersonState::Waiting => State::Waiting,
            PersonState::Disabled => State::Disabled,
        }),
        site: asked.site.parse().ok(),
        after: query::parse_cursor(asked.cursor.as_deref())?,
    };
    let is_first_page = wanted.after.is_none();
    let list = people::list(app, &by.actor, wanted).await?;
    let mut frame = admin_frame(req, by, "Users").await;
    frame.sites_shown = list.sites.len() > 1;
    let filters = Filters {
        q: asked.q.trim().to_owned(),
        role: role.map(role_word),
        state,
        site: asked.site.parse().ok(),
        sites: list.sites.iter().map(|site| SiteOption { id: site.id, name: site.name.clone() }).collect(),
    };
    let next_url = match list.next {
        Some(after) => Some(filters.url(&query::cursor(after)?)),
        None => None,
    };
    Ok(UsersPage {
        frame,
        form: AddForm {
            username: Field { value: draft.username, error: problem(problems, "username") },
            display_name: Field { value: draft.display_name, error: problem(problems, "display_name") },
            role: RoleChoice {
                chosen: draft.role.parse().map_or(RoleWord::Staff, role_word),
                error: problem(problems, "role"),
            },
            sites: boxes(&list.sites, |site| draft.sites.contains(&site.id.to_string())),
            sites_error: problem(problems, "sites"),
        },
        second: list.second_rule,
        filters,
        people: list.people.into_iter().map(row).collect::<Result<_>>()?,
        next_url,
        is_first_page,
    })
}

fn row((user, sites): (UserRow, Vec<String>)) -> Result<PersonRow> {
    let role = role_word(user.role.parse()?);
    Ok(PersonRow {
        id: user.id,
        state: state(&user),
        sites: if role == RoleWord::Admin { "All sites".to_owned() } else { sites.join(", ") },
        role,
        last_seen: user.last_seen_at,
        name: user.display_name,
        username: user.username,
    })
}

/// The sites of the house as boxes to tick.
pub(super) fn boxes(sites: &[Site], is_chosen: impl Fn(&Site) -> bool) -> Vec<SiteBox> {
    let boxes =
        sites.iter().map(|site| SiteBox { id: site.id, name: site.name.clone(), is_chosen: is_chosen(site) });
    boxes.collect()
}

pub(super) fn role_word(role: Role) -> RoleWord {
    match role {
        Role::Viewer => RoleWord::Viewer,
        Role::Staff => RoleWord::Staff,
        Role::Admin => RoleWord::Admin,
    }
}

pub(super) fn state(user: &UserRow) -> PersonState {
    match State::of(user) {
        State::Able => PersonState::Able,
        State::Waiting => PersonState::Waiting,
        State::Disabled => PersonState::Disabled,
    }
}

pub(super) async fn link_page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    user: &UserRow,
    link: &Link,
    is_new: bool,
) -> LinkPage {
    LinkPage {
        frame: admin_frame(req, by, format!("Link for {}", user.display_name)).await,
        person: user.id,
        name: user.display_name.clone(),
        username: user.username.clone(),
        url: format!("{}/password?token={}", app.config.public_url, link.token),
        expires_at: link.expires_at,
        is_new,
    }
}
