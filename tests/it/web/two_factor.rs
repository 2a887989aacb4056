//! Two-factor: turned on, used, lost, turned off.

use chrono::TimeDelta;
use stillage::domain::{access::Actor, two_factor};
use totp_rs::{Builder, Secret};

use crate::support::{Answer, Client, PASSWORD, TestApp};

/// What stands between two marks on a page.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(begin).unwrap_or_else(|| panic!("{begin} on {page}"));
    rest.split_once(end).unwrap().0
}

/// The code that an app would show.
fn code(app: &TestApp, secret: &str) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    totp.generate(app.app.clock.now().timestamp() as u64).to_string()
}

/// Turns two-factor on and returns the secret and the recovery codes.
pub(super) async fn turn_on(app: &TestApp, by: &Client) -> (String, Vec<String>) {
    let page = by.post_form("/account/two-factor", &[]).await.is(200).text();
    assert!(page.contains("<svg viewBox"));
    let secret = between(&page, "<p class=\"secret mono\">", "</p>").to_owned();
    let page =
        by.post_form("/account/two-factor/confirm", &[("code", &code(app, &secret))]).await.is(200).text();
    let list = between(&page, "codes\">", "</ul>");
    let codes = list.split("<li>").skip(1).map(|item| item.replace("</li>", "")).collect();
    (secret, codes)
}

/// Gives the password, and the proof of it that the next page carries.
async fn half_way(by: &Client) -> String {
    let page = by.post_login("stan", PASSWORD).await.is(200).text();
    between(&page, "name=\"half\" value=\"", "\"").to_owned()
}

async fn second(by: &Client, half: &str, code: &str) -> Answer {
    by.post_form("/login/second", &[("half", half), ("code", code), ("next", "/trash")]).await
}

#[tokio::test]
async fn the_password_alone_no_longer_opens() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let (secret, codes) = turn_on(&app, &stan).await;
    assert_eq!(codes.len(), 10);
    stan.get_html("/account/two-factor").await.is(200).shows("10 recovery codes left").hides(&secret);
    app.advance(TimeDelta::seconds(60));

    let visitor = app.stranger();
    let half = half_way(&visitor).await;
    visitor.get("/batches").await.is(401);
    for wrong in ["", "000000", "12345", &codes[0][..12], &secret] {
        second(&visitor, &half, wrong).await.is(401).shows("does not count");
    }
    let now = code(&app, &secret);
    assert_eq!(second(&visitor, &half, &now).await.is(303).location(), "/trash");
    visitor.get("/batches").await.is(200);

    // The same code again, by somebody who looked over the shoulder and knows the password.
    let thief = app.stranger();
    let half = half_way(&thief).await;
    second(&thief, &half, &now).await.is(401);
    app.advance(TimeDelta::seconds(30));
    second(&thief, &half, &now).await.is(401);
    let trail = app.value("SELECT string_agg(DISTINCT action, ' ' ORDER BY action) FROM audit_events WHERE action LIKE '%factor%' OR action LIKE 'login.second%'");
    assert_eq!(trail, "login.second_failure two_factor.on");
}

#[tokio::test]
async fn a_recovery_code_counts_once() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let (_, codes) = turn_on(&app, &stan).await;
    let visitor = app.stranger();
    let half = half_way(&visitor).await;
    second(&visitor, &half, &codes[3].to_lowercase()).await.is(303);
    visitor.get_html("/account/two-factor").await.is(200).shows("9 recovery codes left");
    let again = app.stranger();
    let half = half_way(&again).await;
    second(&again, &half, &codes[3]).await.is(401);
    second(&again, &half, &codes[4]).await.is(303);
    let kept = app.value("SELECT string_agg(encode(code_hash, 'escape'), '') FROM recovery_codes");
    assert!(!kept.contains(&codes[5]) && !kept.contains(&codes[5].replace('-', "")));
}

#[tokio::test]
async fn half_way_in_is_for_this_browser_and_not_for_long() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let (secret, codes) = turn_on(&app, &stan).await;
    app.advance(TimeDelta::seconds(60));
    let visitor = app.stranger();
    let half = half_way(&visitor).await;
    second(&app.stranger(), &half, &codes[0]).await.is(401);
    let forged = half.replacen(&half[..8], "00000000", 1);
    let (begin, mac) = half.rsplit_once('.').unwrap();
    for wrong in ["", "x", &forged, begin, &format!("{begin}.{}", "00".repeat(mac.len() / 2))] {
        second(&visitor, wrong, &codes[0]).await.is(401);
    }
    app.advance(TimeDelta::seconds(301));
    second(&visitor, &half, &code(&app, &secret)).await.is(401);
    let half = half_way(&visitor).await;
    second(&visitor, &half, &code(&app, &secret)).await.is(303);
}

#[tokio::test]
async fn guessing_codes_is_slowed_down() {
    let app = TestApp::start();
    let stan = app.staff().await;
    turn_on(&app, &stan).await;
    let guesser = app.stranger();
    let half = half_way(&guesser).await;
    let mut refused = None;
    for n in 0..12 {
        let answer = second(&guesser, &half, &format!("{n:06}")).await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }
    assert!(!refused.expect("a refusal").header("retry-after").is_empty());
}

#[tokio::test]
async fn it_is_on_only_after_the_first_code_and_off_only_with_the_password() {
    let app = TestApp::start();
    let stan = app.staff().await;
    stan.get_html("/account/two-factor").await.is(200).shows("It is off");
    stan.post_form("/account/two-factor/confirm", &[("code", "000000")]).await.is(409);
    let first = stan.post_form("/account/two-factor", &[]).await.is(200).text();
    stan.post_form("/account/two-factor/confirm", &[("code", "")])
        .await
        .is(422)
        .shows("This is not the code");
    app.stranger().sign_in("stan").await;
    let (secret, _) = turn_on(&app, &stan).await;
    assert!(!first.contains(&secret), "each beginning has a secret of its own");
    stan.post_form("/account/two-factor", &[]).await.is(409);
    stan.post_form("/account/two-factor/disable", &[("password", "wrong horse battery")]).await.is(422);
    stan.post_form("/account/two-factor/disable", &[("password", PASSWORD)]).await.is(303);
    app.stranger().sign_in("stan").await;
}

#[tokio::test]
async fn an_admin_can_take_it_away_from_who_has_lost_it() {
    let app = TestApp::start();
    let stan = app.staff().await;
    turn_on(&app, &stan).await;
    two_factor::reset(&app.app, &Actor::console(), "stan").await.unwrap();
    stan.get("/batches").await.is(401);
    app.stranger().sign_in("stan").await;
    assert_eq!(app.value("SELECT count(*) FROM recovery_codes"), "0");
}
