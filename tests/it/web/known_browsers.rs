//! A browser that somebody signed in with before has a count of attempts of its own.

use chrono::TimeDelta;
use stillage::domain::{access::Role, throttle};

use crate::support::{Client, PASSWORD, TestApp};

const COOKIE: &str = "stillage-browser";
const WRONG: &str = "wrong horse battery";

/// A stranger in the same network tries whatever there is, so that nobody unknown is let try for years.
async fn use_up_the_network(app: &TestApp) {
    let address = "127.0.0.1".parse().unwrap();
    throttle::from_network(&app.app, address).await.unwrap();
    let until = (app.app.clock.now() + TimeDelta::seconds(100)).to_rfc3339();
    app.execute(&format!("UPDATE throttles SET free_at = '{until}' WHERE key = sha256('network 127.0.0.1')"));
}

/// Strangers in many networks guess at one account until no unknown browser may try.
async fn use_up_the_account(app: &TestApp, name: &str) {
    throttle::attempt(&app.app, name, "198.51.100.7".parse().unwrap()).await.unwrap();
    let key = format!("sha256('account {name}')");
    app.execute(&format!("UPDATE throttles SET free_at = now() + interval '100 minutes' WHERE key = {key}"));
}

/// Guesses until it is refused, and keeps it so.
async fn guess_until_refused(app: &TestApp, by: &Client, name: &str) {
    for _ in 0..40 {
        if by.post_login(name, WRONG).await.status == 429 {
            app.execute("UPDATE throttles SET free_at = greatest(free_at, now()) + interval '100 seconds' WHERE free_at > now()");
            return;
        }
    }
    panic!("never refused");
}

/// Somebody whose browser has this cookie and nothing else.
fn with_cookie(app: &TestApp, cookie: &str) -> Client {
    app.stranger().with_cookie(cookie)
}

#[tokio::test]
async fn a_stranger_in_the_same_network_keeps_nobody_out() {
    let app = TestApp::start();
    let ines = app.new_user("ines", Role::Staff, &[]).await;
    ines.post_form("/logout", &[]).await.is(303);
    use_up_the_network(&app).await;
    app.stranger().post_login("ines", PASSWORD).await.is(429);
    for _ in 0..12 {
        ines.post_login("ines", PASSWORD).await.is(303);
    }
    // It is the cookie that counts, and the account that it names.
    let cookie = ines.cookie_named(COOKIE);
    with_cookie(&app, &cookie).post_login("ines", PASSWORD).await.is(303);
    app.add_user("otto", Role::Staff, &[]).await;
    with_cookie(&app, &cookie).post_login("otto", PASSWORD).await.is(429);
    with_cookie(&app, &cookie).post_login("nobody", PASSWORD).await.is(429);
}

#[tokio::test]
async fn guesses_from_many_networks_do_not_keep_the_owner_out() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let ines = app.new_user("ines", Role::Staff, &[]).await;
    ines.post_form("/logout", &[]).await.is(303);
    use_up_the_account(&app, "ines").await;
    let new_device = app.stranger();
    new_device.post_login("ines", PASSWORD).await.is(429).shows("A browser in which you signed in before");
    ines.post_login("ines", PASSWORD).await.is(303);
    // Who has a link to choose a password is known in the browser that opens it.
    let id = app.value("SELECT id FROM users WHERE username = 'ines'");
    let page = admin.post_form(&format!("/admin/users/{id}/reset"), &[]).await.is(200).text();
    let (_, rest) = page.split_once("/password?token=").unwrap();
    let token: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    let fields = [("token", token.as_str()), ("password", "another horse battery")];
    new_device.post_form("/password", &fields).await.is(303);
    new_device.post_login("ines", "another horse battery").await.is(303);
    app.stranger().post_login("ines", "another horse battery").await.is(429);
}

#[tokio::test]
async fn a_known_browser_guesses_no_faster_than_others() {
    let app = TestApp::start();
    let ines = app.new_user("ines", Role::Staff, &[]).await;
    let cookie = ines.cookie_named(COOKIE);
    guess_until_refused(&app, &ines, "ines").await;
    // The same browser, with another session and with other people's sign-ins in between.
    app.add_user("otto", Role::Staff, &[]).await;
    let thief = with_cookie(&app, &cookie);
    thief.post_login("otto", PASSWORD).await.is(303);
    thief.post_login("ines", PASSWORD).await.is(429);
    with_cookie(&app, &thief.cookie_named(COOKIE)).post_login("ines", PASSWORD).await.is(429);
    // From elsewhere nobody notices.
    app.stranger().post_login("ines", PASSWORD).await.is(303);
}

#[tokio::test]
async fn only_what_was_signed_here_counts_and_not_for_ever() {
    let app = TestApp::start();
    let ines = app.new_user("ines", Role::Staff, &[]).await;
    let cookie = ines.cookie_named(COOKIE);
    let (text, signature) = cookie.rsplit_once('.').unwrap();
    let (name, account) = text.split_once('.').unwrap();
    let otto = app.new_user("otto", Role::Staff, &[]).await.cookie_named(COOKIE);
    let (ottos, _) = otto.rsplit_once('.').unwrap();
    use_up_the_network(&app).await;
    for forged in [
        format!("{COOKIE}="),
        format!("{COOKIE}=x"),
        text.to_owned(),
        format!("{text}."),
        format!("{text}.{}", "0".repeat(64)),
        format!("{text}0.{signature}"),
        format!("{name}.{signature}"),
        format!("{ottos}.{account}.{signature}"),
        format!("{ottos}.{signature}"),
    ] {
        with_cookie(&app, &forged).post_login("ines", PASSWORD).await.is(429);
    }
    app.advance(TimeDelta::days(399));
    with_cookie(&app, &cookie).post_login("ines", WRONG).await.is(401);
    app.advance(TimeDelta::days(2));
    use_up_the_network(&app).await;
    with_cookie(&app, &cookie).post_login("ines", PASSWORD).await.is(429);
}

#[tokio::test]
async fn the_cookie_is_for_this_server_only_and_opens_nothing() {
    for (public_url, name, secure) in
        [("http://127.0.0.1", COOKIE, false), ("https://files.example", "__Host-stillage-browser", true)]
    {
        let app = TestApp::with(&[("PUBLIC_URL", public_url)]);
        app.add_user("ines", Role::Staff, &[]).await;
        let ines = app.stranger();
        let page = ines.get_html("/login").await.is(200);
        let session = page.header("set-cookie").split(';').next().unwrap().to_owned();
        let (_, rest) = page
            .text()
            .split_once("name=\"csrf_token\" value=\"")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let token = rest.split('"').next().unwrap();
        let fields = [("csrf_token", token), ("username", "ines"), ("password", PASSWORD)];
        let request = app.stranger().request(reqwest::Method::POST, "/login").header("Cookie", session);
        let answer = crate::support::Answer::to(request.form(&fields)).await.is(303);
        let set = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned());
        let cookie = set.into_iter().find(|cookie| cookie.starts_with(&format!("{name}="))).unwrap();
        let flags: Vec<&str> = cookie.split("; ").skip(1).collect();
        assert_eq!(flags.contains(&"Secure"), secure, "{cookie}");
        for flag in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"] {
            assert!(flags.contains(&flag), "{flag} in {cookie}");
        }
        assert!(!flags.iter().any(|flag| flag.starts_with("Domain")), "{cookie}");
        let value = cookie.split(';').next().unwrap();
        with_cookie(&app, value).get("/batches").await.is(401);
        assert!(!value.contains("ines"));
    }
}
