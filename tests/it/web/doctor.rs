//! The doctor's page.

use std::fs;

use crate::support::TestApp;

#[tokio::test]
async fn admins_see_what_the_doctor_finds_and_what_mends_it() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let page = admin.get_html("/admin/doctor").await.is(200);
    page.shows("belongs to this database")
        .shows("leads to this server")
        .shows("href=\"/admin/doctor\" aria-current");
    let marker = app.store().join(".stillage-store");
    let right = fs::read(&marker).unwrap();
    fs::write(&marker, "somebody else's").unwrap();
    admin.get_html("/admin/doctor").await.is(200).shows("1 check failed").shows("stillage config | grep");
    fs::write(&marker, right).unwrap();
}
