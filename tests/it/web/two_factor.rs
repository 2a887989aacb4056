//! Two-factor: turned on, used, lost, turned off.

use chrono::TimeDelta;
use futures_util::future::join_all;
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
    let fields = [("code", code(app, &secret)), ("password", PASSWORD.to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let page = by.post_form("/account/two-factor/confirm", &fields).await.is(200).text();
    (secret, codes_on(&page))
}

fn codes_on(page: &str) -> Vec<String> {
    let list = between(page, "codes\">", "</ul>");
    list.split("<li>").skip(1).map(|item| item.replace("</li>", "")).collect()
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
async fn recovery_code_counts_however_it_is_typed() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let (_, codes) = turn_on(&app, &stan).await;
    assert!(codes.iter().all(|code| code.replace('-', "").len() == 24), "120 bits: {codes:?}");
    let typed = [
        codes[0].replace('-', ""),
        codes[1].replace('-', " ").to_lowercase(),
        format!("  {}\u{a0}", codes[2].replace('-', "\u{2013}")),
        codes[3].replace('O', "0").replace('I', "1").replace('B', "8"),
    ];
    for code in typed {
        let visitor = app.stranger();
        let half = half_way(&visitor).await;
        second(&visitor, &half, &code).await.is(303);
    }
    stan.get_html("/account/two-factor").await.shows("6 recovery codes left");
}

#[tokio::test]
async fn recovery_code_of_an_earlier_version_counts_until_new_ones_are_made() {
    let app = TestApp::start();
    let stan = app.staff().await;
    turn_on(&app, &stan).await;
    for earlier in ["ABCDEFGH234567QR", "QRSTUVWX234567AB"] {
        app.execute(&format!(
            "INSERT INTO recovery_codes (user_id, code_hash) SELECT id, sha256('{earlier}') FROM users"
        ));
    }
    let visitor = app.stranger();
    let half = half_way(&visitor).await;
    second(&visitor, &half, "abcd-efgh-2345-67qr").await.is(303);
    stan.post_form("/account/two-factor/codes", &[("password", PASSWORD)]).await.is(200);
    let visitor = app.stranger();
    let half = half_way(&visitor).await;
    second(&visitor, &half, "qrst-uvwx-2345-67ab").await.is(401);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_codes_is_slowed_down() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let (secret, codes) = turn_on(&app, &stan).await;
    app.advance(TimeDelta::seconds(60));
    let guesser = app.stranger();
    let half = half_way(&guesser).await;
    let guesses: Vec<String> = (0..20).map(|n| format!("{n:06}")).collect();
    let mut refused = join_all(guesses.iter().map(|guess| second(&guesser, &half, guess))).await;
    assert!(refused.iter().all(|answer| [401, 429].contains(&answer.status)));
    refused.retain(|answer| answer.status == 429);
    assert_eq!(refused.len(), 15, "five at once");
    let seconds: u64 = refused[0].header("retry-after").parse().unwrap();
    assert!((25..=30).contains(&seconds), "{seconds}");
    // Not even the right one, but a recovery code counts: the owner is not locked out.
    second(&guesser, &half, &code(&app, &secret)).await.is(429).shows("A recovery code counts at once");
    let owner = app.stranger();
    let owners = half_way(&owner).await;
    second(&owner, &owners, &codes[0]).await.is(303);
    assert_eq!(app.value("SELECT wrong_codes FROM two_factors"), "0");
    let trail = "SELECT string_agg(details->>'in_a_row', ',' ORDER BY id) FROM audit_events
                  WHERE action LIKE 'login.second_%'";
    assert_eq!(app.value(trail), "1,2,3,4,5");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'login.second_slowed'"), "1");
}

#[tokio::test]
async fn each_wrong_code_makes_the_wait_longer_until_only_recovery_codes_count() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let (secret, codes) = turn_on(&app, &stan).await;
    let guesser = app.stranger();
    for wait in [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900] {
        let half = half_way(&guesser).await;
        second(&guesser, &half, "000000").await.is(401);
        let waits = "SELECT extract(epoch FROM wait_until)::bigint FROM two_factors";
        let until: i64 = app.value(waits).parse().unwrap_or_default();
        let left = if wait == 0 { 0 } else { until - app.app.clock.now().timestamp() };
        assert!((wait - 5..=wait + 1).contains(&left), "{left} of {wait}");
        app.advance(TimeDelta::seconds(wait));
    }
    // A right one ends it.
    let half = half_way(&guesser).await;
    second(&guesser, &half, &code(&app, &secret)).await.is(303);
    assert_eq!(app.value("SELECT wrong_codes || ' ' || (wait_until IS NULL) FROM two_factors"), "0 true");

    app.advance(TimeDelta::seconds(60));
    app.execute("UPDATE two_factors SET wrong_codes = 99");
    let guesser = app.stranger();
    let half = half_way(&guesser).await;
    second(&guesser, &half, "000000").await.is(401);
    app.advance(TimeDelta::hours(1));
    let half = half_way(&guesser).await;
    second(&guesser, &half, &code(&app, &secret)).await.is(409).shows("only a recovery code counts");
    second(&guesser, &half, &codes[1][..15]).await.is(401);
    second(&guesser, &half, &codes[1]).await.is(303);
    let again = app.stranger();
    let half = half_way(&again).await;
    second(&again, &half, &code(&app, &secret)).await.is(303);
    let locked = "SELECT details->>'in_a_row' FROM audit_events WHERE action = 'login.second_locked'";
    assert_eq!(app.value(locked), "100");
}

#[tokio::test]
async fn an_open_screen_changes_no_second_factor() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let page = stan.post_form("/account/two-factor", &[]).await.is(200).text();
    let secret = between(&page, "<p class=\"secret mono\">", "</p>").to_owned();
    let now = code(&app, &secret);
    let confirm = async |password: &str| {
        stan.post_form("/account/two-factor/confirm", &[("code", &now), ("password", password)]).await
    };
    for wrong in ["", "wrong horse battery"] {
        confirm(wrong).await.is(422).shows("This is not your password.").shows(&secret);
    }
    confirm(PASSWORD).await.is(200).shows("Two-factor is on");
    stan.post_form("/account/two-factor/codes", &[]).await.is(422).shows("codes-password-error");
    stan.post_form("/account/two-factor/disable", &[]).await.is(422).shows("id=\"password-error\"");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'user.password_refused'"), "4");
    // All of them count together.
    let mut status = 422;
    for _ in 0..12 {
        status = stan.post_form("/account/two-factor/disable", &[("password", "x")]).await.status;
        if status != 422 {
            break;
        }
    }
    assert_eq!(status, 429);
    stan.post_form("/account/two-factor/codes", &[("password", PASSWORD)]).await.is(429);
    assert_eq!(app.value("SELECT count(*) FROM recovery_codes"), "10");
}

#[tokio::test]
async fn new_recovery_codes_replace_the_old_ones() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let renew = async || stan.post_form("/account/two-factor/codes", &[("password", PASSWORD)]).await;
    renew().await.is(409);
    let (_, old) = turn_on(&app, &stan).await;
    let visitor = app.stranger();
    let half = half_way(&visitor).await;
    second(&visitor, &half, &old[0]).await.is(303);
    let new = codes_on(&renew().await.is(200).shows("the old ones are void").text());
    assert_eq!(new.len(), 10);
    stan.get_html("/account/two-factor").await.is(200).shows("10 recovery codes left").hides(&new[0]);
    let visitor = app.stranger();
    let half = half_way(&visitor).await;
    second(&visitor, &half, &old[1]).await.is(401);
    second(&visitor, &half, &new[1]).await.is(303);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'two_factor.codes'"), "1");
}

#[tokio::test]
async fn it_is_on_only_after_the_first_code_and_off_only_with_the_password() {
    let app = TestApp::start();
    let stan = app.staff().await;
    stan.get_html("/account/two-factor").await.is(200).shows("It is off");
    stan.post_form("/account/two-factor/confirm", &[("code", "000000")]).await.is(409);
    let first = stan.post_form("/account/two-factor", &[]).await.is(200).text();
    stan.post_form("/account/two-factor/confirm", &[("code", ""), ("password", PASSWORD)])
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
