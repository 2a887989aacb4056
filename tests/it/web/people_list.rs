//! The list of people: search, filters, pages.

use stillage::domain::{
    access::{Actor, Role},
    users,
};

use crate::support::TestApp;

#[tokio::test]
async fn people_are_found() {
    let app = TestApp::start();
    let oliwa = app.add_site("Oliwa");
    let admin = app.admin().await;
    app.new_user("vic", Role::Viewer, &["Oliwa"]).await;
    app.add_user("stan", Role::Staff, &["Main", "Oliwa"]).await;
    users::set_enabled(&app.app, &Actor::console(), "stan", false).await.unwrap();
    let fields = [("username", "wait"), ("display_name", "Wim_Aiting"), ("role", "admin")];
    admin.post_form("/admin/users", &fields).await.is(200);
    let all = ["ada", "vic", "stan", "wait"];
    let table: [(&str, &[&str]); 13] = [
        ("", &all),
        ("?q=VIC", &["vic"]),
        ("?q=m_a", &["wait"]),
        ("?q=%25", &[]),
        ("?q=%00vic", &["vic"]),
        ("?role=admin", &["ada", "wait"]),
        ("?role=nonsense&state=&site=", &all),
        ("?state=able", &["ada", "vic"]),
        ("?state=waiting", &["wait"]),
        ("?state=disabled", &["stan"]),
        (&format!("?site={oliwa}"), &["vic", "stan"]),
        (&format!("?site={oliwa}&role=staff&q=st"), &["stan"]),
        ("?q=nobody", &[]),
    ];
    for (query, expected) in table {
        let page = admin.get_html(&format!("/admin/users{query}")).await.is(200);
        for name in all {
            let row = format!("<small class=\"clip\">{name}</small>");
            assert_eq!(page.text().contains(&row), expected.contains(&name), "{query}: {name}");
        }
        assert_eq!(page.text().contains("Nobody found"), expected.is_empty(), "{query}");
    }
    let page = admin.get_html("/admin/users").await.shows("Main, Oliwa").shows("All sites");
    page.shows("Never").shows("Can sign in").shows("No password yet").shows("Disabled");
}

#[tokio::test]
async fn many_people_come_in_pages() {
    let app = TestApp::start();
    let admin = app.admin().await;
    app.execute(
        "INSERT INTO users (id, username, display_name, password_hash, role, created_at, updated_at)
         SELECT gen_random_uuid(), 'n' || lpad(n::text, 4, '0'), 'Person ' || n, '', 'viewer', now(), now()
           FROM generate_series(1, 250) n",
    );
    let (mut path, mut seen) = ("/admin/users?role=viewer".to_owned(), Vec::new());
    loop {
        let text = admin.get_html(&path).await.is(200).text();
        seen.extend(text.split("<small class=\"clip\">").skip(1).map(|rest| rest[..5].to_owned()));
        let Some((before, _)) = text.split_once("\">Next") else { break };
        path = before.rsplit("href=\"").next().unwrap().replace("&#38;", "&");
    }
    let expected: Vec<String> = (1..=250).map(|n| format!("n{n:04}")).collect();
    assert_eq!(seen, expected);
    admin.get("/admin/users?cursor=nonsense").await.is(400);
}
