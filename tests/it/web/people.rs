//! The admin's pages about people.

use stillage::domain::{
    access::{Actor, Role},
    password_links,
    people::{self, Change},
    users,
};
use uuid::Uuid;

use crate::support::{Client, PASSWORD, TestApp};

fn id_of(app: &TestApp, username: &str) -> Uuid {
    app.value(&format!("SELECT id FROM users WHERE username = '{username}'")).parse().unwrap()
}

fn page_of(app: &TestApp, username: &str) -> String {
    format!("/admin/users/{}", id_of(app, username))
}

/// What the trail says of one person, sign-ins left out.
fn trail(app: &TestApp, username: &str) -> String {
    app.value(&format!(
        "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_events
          WHERE details ->> 'username' = '{username}' AND action LIKE 'user.%'"
    ))
}

fn details(app: &TestApp, action: &str) -> String {
    app.value(&format!("SELECT details FROM audit_events WHERE action = '{action}' ORDER BY id DESC LIMIT 1"))
}

#[tokio::test]
async fn who_cannot_be_added_is_told_why() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let long = "n".repeat(81);
    let add = async |username, name, role, sites: &[&str]| {
        let mut fields = vec![("username", username), ("display_name", name), ("role", role)];
        fields.extend(sites.iter().map(|site| ("sites", *site)));
        admin.post_form("/admin/users", &fields).await
    };
    let table = [
        ("", "Ann", "staff", 422, "A user name has 1 to 64"),
        ("a b", "Ann", "staff", 422, "A user name has 1 to 64"),
        ("ann", &long, "staff", 422, "A name has 1 to 80"),
        ("ann", "An\u{202E}n", "staff", 422, "A name has 1 to 80"),
        ("ann", "An\0n", "staff", 422, "A name has 1 to 80"),
        ("ann", "Ann", "root", 422, "The role is admin, staff or viewer."),
        ("ADA", "Ann", "staff", 409, "There is a user ada already."),
    ];
    for (username, name, role, status, message) in table {
        let page = add(username, name, role, &[]).await.is(status).shows(message);
        page.shows("aria-invalid=\"true\"").shows(&format!("value=\"{username}\""));
    }
    app.add_site("Oliwa");
    let nowhere = Uuid::new_v4().to_string();
    add("ann", "Ann", "viewer", &[]).await.is(422).shows("Choose at least one site");
    add("ann", "Ann", "viewer", &["nonsense"]).await.is(422).shows("Choose one of the sites.");
    add("ann", "Ann", "viewer", &[&nowhere]).await.is(422).shows("One of the sites is gone.");
    assert_eq!(app.value("SELECT count(*) FROM users"), "1");
    assert_eq!(app.value("SELECT count(*) FROM password_links"), "0");
    // Admins need to belong nowhere.
    add("ann", "", "admin", &[]).await.is(200).shows("A link for ann");
}

#[tokio::test]
async fn name_role_and_sites_are_changed_and_written_down() {
    let app = TestApp::start();
    let oliwa = app.add_site("Oliwa").to_string();
    let main = app.value("SELECT id FROM sites WHERE is_default");
    let (admin, stan) = (app.admin().await, app.staff().await);
    let phone = app.stranger().sign_in("stan").await;
    let page = page_of(&app, "stan");
    let save = async |name: &str, role: &str, sites: &[&str]| {
        let mut fields = vec![("display_name", name), ("role", role), ("choose_sites", "1")];
        fields.extend(sites.iter().map(|site| ("sites", *site)));
        admin.post_form(&page, &fields).await
    };
    let shown = admin.get_html(&page).await.is(200).shows("value=\"stan\"").shows("Signed in on 2 devices");
    shown.shows(&format!("value=\"{main}\" checked")).shows(&format!("value=\"{oliwa}\">"));

    // As it was: no trace.
    assert_eq!(save("stan", "staff", &[&main]).await.is(303).location(), page);
    assert_eq!(trail(&app, "stan"), "user.add");
    admin.get_html(&page).await.shows("Saved stan");

    save(" Stan Lee ", "staff", &[&oliwa]).await.is(303);
    assert_eq!(details(&app, "user.change"), r#"{"username": "stan", "display_name": ["stan", "Stan Lee"]}"#);
    assert_eq!(details(&app, "user.sites"), r#"{"sites": [["Main"], ["Oliwa"]], "username": "stan"}"#);
    stan.get_html("/account").await.is(200).shows("Staff at Oliwa");
    phone.get("/batches").await.is(200);

    save("Stan Lee", "viewer", &[&oliwa]).await.is(303);
    assert_eq!(details(&app, "user.role"), r#"{"role": ["staff", "viewer"], "username": "stan"}"#);
    admin.get_html(&page).await.shows("Saved Stan Lee. The new role holds from their next sign-in");
    stan.get("/batches").await.is(401);
    phone.get("/batches").await.is(401);
    let stan = stan.sign_in("stan").await;
    stan.get("/batches/new").await.is(403);
    assert_eq!(trail(&app, "stan"), "user.add user.change user.sites user.role");

    for (name, role, sites, message) in [
        ("", "viewer", &[oliwa.as_str()][..], "A name has 1 to 80"),
        ("Kept", "viewer", &[], "Choose at least one site"),
        ("Kept", "king", &[&oliwa], "The role is admin"),
    ] {
        save(name, role, sites).await.is(422).shows(message).shows(&format!("value=\"{name}\""));
    }
    stan.get("/batches").await.is(200);
    assert_eq!(trail(&app, "stan"), "user.add user.change user.sites user.role");
    save("Boss", "admin", &[]).await.is(303);
    let nobody = format!("/admin/users/{}", Uuid::new_v4());
    admin.get_html(&nobody).await.is(404);
    admin.post_form(&nobody, &[("display_name", "X"), ("role", "staff")]).await.is(404);
}

#[tokio::test]
async fn where_sites_are_not_mentioned_they_stay_as_they_are() {
    let app = TestApp::start();
    let admin = app.admin().await;
    app.staff().await;
    app.execute("DELETE FROM site_members WHERE user_id = (SELECT id FROM users WHERE username = 'ada')");
    let page = page_of(&app, "stan");
    for shown in [&page, "/admin/users", "/account"] {
        admin.get_html(shown).await.is(200).hides("name=\"sites\"").hides("p-sites").hides(">Main<");
    }
    admin.post_form(&page, &[("display_name", "Stan"), ("role", "viewer")]).await.is(303);
    let sites = "SELECT count(*) FROM site_members m JOIN users u ON u.id = m.user_id WHERE username = ";
    assert_eq!(app.value(&format!("{sites}'stan'")), "1");
    // An admin who belonged nowhere does not end up seeing nothing.
    app.add_user("bob", Role::Admin, &[]).await;
    let bob = app.stranger().sign_in("bob").await;
    let fields = [("display_name", "ada"), ("role", "staff")];
    bob.post_form(&page_of(&app, "ada"), &fields).await.is(303);
    assert_eq!(app.value(&format!("{sites}'ada'")), "1");
}

#[tokio::test]
async fn a_disabled_person_is_out_at_once_everywhere() {
    let app = TestApp::start();
    let (admin, stan) = (app.admin().await, app.staff().await);
    let phone = app.stranger().sign_in("stan").await;
    let page = page_of(&app, "stan");
    let act = async |act: &str| admin.post_form(&format!("{page}/{act}"), &[]).await.is(303);
    for _ in 0..2 {
        assert_eq!(act("disable").await.location(), page);
    }
    let shown = admin.get_html(&page).await.shows("Disabled stan. They are signed out everywhere");
    shown.shows(&format!("{page}/enable")).hides("ask-reset").hides("ask-disable");
    assert_eq!(stan.get_html("/batches").await.is(303).location(), "/login?next=%2Fbatches");
    phone.get("/batches").await.is(401);
    phone.post_login("stan", PASSWORD).await.is(401);
    assert_eq!(app.value("SELECT count(*) FROM sessions"), "1");
    act("enable").await;
    stan.get("/batches").await.is(401);
    phone.post_login("stan", PASSWORD).await.is(303);
    assert_eq!(trail(&app, "stan"), "user.add user.disable user.enable");
    admin.post_form(&format!("/admin/users/{}/disable", Uuid::new_v4()), &[]).await.is(404);
}

/// Both ways in which an admin can leave on their own.
async fn leave(by: &Client, page: &str) -> [crate::support::Answer; 2] {
    let demote = [("display_name", "ada"), ("role", "staff")];
    [by.post_form(page, &demote).await, by.post_form(&format!("{page}/disable"), &[]).await]
}

#[tokio::test]
async fn the_last_admin_who_can_sign_in_stays() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let page = page_of(&app, "ada");
    let refused = async || {
        let [demoted, disabled] = leave(&admin, &page).await;
        demoted.is(409).shows("This is the last admin who can sign in.").shows("aria-invalid=\"true\"");
        disabled.is(409).shows("This is the last admin who can sign in.");
        let console = users::set_enabled(&app.app, &Actor::console(), "ada", false).await;
        assert_eq!(console.unwrap_err().code(), "last_admin");
    };
    refused().await;
    // Neither a disabled admin counts, nor one who never chose a password.
    app.add_user("bob", Role::Admin, &[]).await;
    users::set_enabled(&app.app, &Actor::console(), "bob", false).await.unwrap();
    let fields = [("username", "new"), ("role", "admin")];
    admin.post_form("/admin/users", &fields).await.is(200);
    refused().await;
    admin.get_html("/admin/users").await.is(200);
    let console = password_links::reset(&app.app, &Actor::console(), id_of(&app, "ada")).await;
    assert_eq!(console.err().unwrap().code(), "last_admin");
    assert_eq!(app.value("SELECT role FROM users WHERE username = 'ada' AND disabled_at IS NULL"), "admin");
}

#[tokio::test]
async fn an_admin_may_leave_while_another_stays() {
    for way in [0, 1] {
        let app = TestApp::start();
        let admin = app.admin().await;
        app.add_user("bob", Role::Admin, &[]).await;
        let page = page_of(&app, "ada");
        admin.get_html(&page).await.is(200).shows("This is you").shows("you are signed out at once");
        let answer = if way == 0 {
            admin.post_form(&page, &[("display_name", "ada"), ("role", "staff")]).await
        } else {
            admin.post_form(&format!("{page}/disable"), &[]).await
        };
        assert_eq!(answer.is(303).location(), "/login?after=leaving");
        admin.get_html("/login?after=leaving").await.is(200).shows("Your own sessions have ended with it.");
        admin.get("/batches").await.is(401);
    }
}

#[tokio::test]
async fn two_admins_cannot_put_each_other_out_at_once() {
    let app = TestApp::start();
    for name in ["ada", "bob"] {
        app.add_user(name, Role::Admin, &[]).await;
    }
    let actor = |name: &str| Actor::user(id_of(&app, name), name.to_owned(), Role::Admin, Vec::new(), None);
    let out = async |by: &str, whom: &str, way: usize| {
        let (by, whom) = (actor(by), id_of(&app, whom));
        let change = Change { display_name: "x".to_owned(), role: Role::Staff, sites: None };
        match way {
            0 => people::set_enabled(&app.app, &by, whom, false).await.map(drop),
            1 => people::change(&app.app, &by, whom, change).await.map(drop),
            _ => password_links::reset(&app.app, &by, whom).await.map(drop),
        }
    };
    for round in 0..9 {
        app.execute("UPDATE users SET role = 'admin', disabled_at = NULL, password_set_at = now()");
        let (first, second) = tokio::join!(out("ada", "bob", round % 3), out("bob", "ada", round / 3));
        let refused = [first, second].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert_eq!(refused.len(), 1, "round {round}: {refused:?}");
        // Who was put out first may do nothing any more; who would put out the last admin may not.
        assert!(["last_admin", "unauthenticated", "forbidden"].contains(&refused[0].code()), "round {round}");
        let able = "SELECT count(*) FROM users
                     WHERE role = 'admin' AND disabled_at IS NULL AND password_set_at IS NOT NULL";
        assert_eq!(app.value(able), "1", "round {round}");
    }
}

#[tokio::test]
async fn the_way_to_the_admin_pages_is_for_admins() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    admin.get_html("/admin").await.is(200).shows("href=\"/admin/users\"");
    admin.get_html("/batches").await.is(200).shows("href=\"/admin\"").shows("href=\"/account\"");
    staff.get_html("/batches").await.is(200).hides("href=\"/admin").shows("href=\"/account\"");
    admin.get_html("/admin/users").await.shows("aria-current=\"page\"").shows("href=\"/admin/sites\"");
}

#[tokio::test]
async fn names_are_never_markup() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let odd = "\"'><script>alert(1)</script>";
    let fields = [("username", "odd"), ("display_name", odd), ("role", "staff")];
    admin.post_form("/admin/users", &fields).await.is(200).hides("<script>alert");
    admin.post_form("/admin/sites", &[("name", odd)]).await.is(303);
    let site = app.value("SELECT id FROM sites WHERE NOT is_default");
    for page in [
        "/admin/users",
        "/admin/users?q=%3Cscript%3Ealert(1)%3C/script%3E",
        &page_of(&app, "odd"),
        "/admin/sites",
        &format!("/admin/sites/{site}"),
    ] {
        admin.get_html(page).await.is(200).hides("<script>alert").shows("&#60;script&#62;");
    }
}
