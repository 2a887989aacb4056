//! People come, are let in, and go.

use crate::{
    harness::{Browser, Stillage},
    journeys::{self, PASSWORD},
};

#[tokio::test]
async fn somebody_is_added_chooses_a_password_and_is_disabled() {
    let stillage = Stillage::start();
    let admin = Browser::start().await;
    journeys::set_up(&admin, &stillage).await;

    admin.click("nav.side a[href='/admin']").await;
    admin.click("nav.tabs a[href='/admin/users']").await;
    admin.fill("#username", "tomasz.wilk").await;
    admin.fill("#display_name", "Tomasz Wilk").await;
    admin.click("main form button.btn-primary").await;
    admin.sees("A link for Tomasz Wilk").await;
    let link = admin.text("#link").await;

    let tomasz = Browser::start().await;
    tomasz.open(&link).await;
    tomasz.sees("Choose a password").await;
    tomasz.fill("#password", PASSWORD).await;
    tomasz.click("main form button.btn-primary").await;
    tomasz.sees("Your password is set").await;
    tomasz.fill("#username", "tomasz.wilk").await;
    tomasz.fill("#password", PASSWORD).await;
    tomasz.click("main form button.btn-primary").await;
    tomasz.sees("No batches yet").await;

    admin.click("main a.btn-primary").await;
    admin.sees("Signed in on 1 device").await;
    admin.click("button[popovertarget=ask-disable]").await;
    admin.click("#ask-disable button.btn-destroy").await;
    admin.sees("Disabled Tomasz Wilk").await;

    tomasz.click("nav.side a[href='/trash']").await;
    tomasz.sees("Password forgotten?").await;
    assert_eq!(tomasz.path().await, "/login");
    tomasz.finish().await;
    admin.finish().await;
}
