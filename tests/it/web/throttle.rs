//! Guessing is slowed down, on all instances together.

use std::{net::IpAddr, sync::Arc, time::Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use stillage::{
    domain::{access::Role, auth, browsers::Visitor, maintenance, throttle},
    error::Error,
};

use crate::support::{PASSWORD, TestApp};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn from(address: IpAddr) -> Visitor {
    Visitor { address: Some(address), cookie: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_elsewhere_is_an_attempt() {
    let app = TestApp::start();
    let instances = [Arc::clone(&app.app), app.instance()];
    let (stranger, owner) = (address("203.0.113.9"), address("198.51.100.7"));
    let begun = Instant::now();
    let all = (0..40).map(|n| throttle::attempt(&instances[n % 2], "ann", stranger));
    let passed = join_all(all).await.into_iter().filter(Result::is_ok).count() as u64;
    // One more for each six seconds that this took.
    assert!((10..=10 + begun.elapsed().as_secs() / 6 + 1).contains(&passed), "{passed}");
    for instance in &instances {
        let refused = throttle::attempt(instance, "ann", stranger).await;
        let Err(Error::Throttled { retry_after }) = refused else { panic!("{refused:?}") };
        assert!(retry_after.as_secs() <= 6, "{retry_after:?}");
        // A stranger locks nobody out of their account, nor out of any other.
        throttle::attempt(instance, "ann", owner).await.unwrap();
        throttle::attempt(instance, "bob", stranger).await.unwrap();
    }
    // By signing in, too: neither instance even looks at the password.
    for instance in &instances {
        let refused = auth::sign_in(instance, "ann", "wrong horse battery".into(), &from(stranger)).await;
        assert!(matches!(refused, Err(Error::Throttled { .. })));
    }
    app.advance(TimeDelta::seconds(6));
    throttle::attempt(&instances[1], "ann", stranger).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_bounded_over_all_accounts() {
    let app = TestApp::start();
    let instances = [Arc::clone(&app.app), app.instance()];
    let begun = Instant::now();
    let mut passed = 0;
    for n in 0..300 {
        let address = address(&format!("2001:db8::{n:x}"));
        let attempt = throttle::attempt(&instances[n % 2], &format!("user{n}"), address).await;
        passed += u128::from(attempt.is_ok());
    }
    assert!((100..=101 + begun.elapsed().as_millis() / 600).contains(&passed), "{passed}");
}

/// How many of `count` attempts at one account pass, each from the address that `of` gives, and how long it took.
async fn attempts(app: &TestApp, account: &str, count: u32, of: impl Fn(u32) -> String) -> (u64, u64) {
    let begun = Instant::now();
    let mut passed = 0;
    for n in 0..count {
        passed += u64::from(throttle::attempt(&app.app, account, address(&of(n))).await.is_ok());
    }
    (passed, begun.elapsed().as_secs())
}

#[tokio::test]
async fn guesses_at_one_account_from_many_networks_are_added_up() {
    let app = TestApp::start();
    let (passed, took) = attempts(&app, "ann", 150, |n| format!("198.51.{}.{}", n / 100, n % 100)).await;
    assert!((100..=101 + took / 36).contains(&passed), "{passed}");
    // Neither a network of another kind nor a /48 of its own helps.
    assert_eq!(attempts(&app, "ann", 3, |n| format!("2001:db8:{n:x}::1")).await.0, 0);
    let refused = throttle::attempt(&app.app, "ann", address("192.0.2.1")).await;
    let Err(Error::Throttled { retry_after }) = refused else { panic!("{refused:?}") };
    assert!(retry_after.as_secs() <= 36, "a delay, no lock: {retry_after:?}");
    throttle::attempt(&app.app, "bob", address("192.0.2.1")).await.unwrap();
    app.advance(TimeDelta::seconds(36));
    throttle::attempt(&app.app, "ann", address("192.0.2.2")).await.unwrap();
}

#[tokio::test]
async fn networks_of_one_block_are_added_up() {
    let app = TestApp::start();
    let (passed, took) = attempts(&app, "ann", 60, |n| format!("2001:db8:1:{n:x}::1")).await;
    assert!((20..=21 + took / 6).contains(&passed), "one account: {passed}");
    let begun = Instant::now();
    let mut passed = 0;
    for n in 0..400 {
        let address = address(&format!("2001:db8:2:{n:x}::1"));
        passed += u128::from(throttle::attempt(&app.app, &format!("user{n}"), address).await.is_ok());
    }
    assert!((300..=301 + begun.elapsed().as_millis() / 200).contains(&passed), "all accounts: {passed}");
}

#[tokio::test]
async fn account_that_does_not_exist_is_throttled_like_one_that_does() {
    let app = TestApp::start();
    app.add_user("ines", Role::Staff, &[]).await;
    let mut answers = Vec::new();
    for name in ["ines", "nobody.here"] {
        attempts(&app, name, 120, |n| format!("198.51.100.{n}")).await;
        // Time moves in the test's computer too: all within the same moment.
        app.execute("UPDATE throttles SET free_at = greatest(free_at, now()) + interval '100 seconds'");
        answers.push(app.stranger().post_login(name, "wrong horse battery").await.is(429).text());
        app.execute("DELETE FROM throttles");
    }
    let same = |text: &str, name: &str| {
        let lines = text.lines().filter(|line| !line.contains("csrf_token")).collect::<String>();
        lines
            .replace(name, "")
            .split("Try again in ")
            .map(|part| part.trim_start_matches(char::is_numeric))
            .collect::<String>()
    };
    assert_eq!(same(&answers[0], "ines"), same(&answers[1], "nobody.here"));
    assert!(answers[0].contains("Ask an admin for a link"), "{}", answers[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_signs_in_from_one_address() {
    let app = TestApp::start();
    app.add_user("ann", Role::Staff, &[]).await;
    let factory = address("198.51.100.7");
    for n in 0..150 {
        // As many people, without the hashing.
        throttle::attempt(&app.app, &format!("user{n}"), factory)
            .await
            .unwrap()
            .was_no_guess(&app.app)
            .await
            .unwrap();
    }
    for _ in 0..12 {
        auth::sign_in(&app.app, "ann", PASSWORD.into(), &from(factory)).await.unwrap();
    }
    assert_eq!(app.value("SELECT count(*) FROM throttles WHERE free_at > now()"), "0");
    // A right one in between makes no room for more guesses.
    let begun = Instant::now();
    let mut passed = 0;
    for _ in 0..30 {
        let guess = auth::sign_in(&app.app, "ann", "wrong horse battery".into(), &from(factory)).await;
        passed += u64::from(matches!(guess, Err(Error::Unauthenticated)));
        let _ = auth::sign_in(&app.app, "ann", PASSWORD.into(), &from(factory)).await;
    }
    assert!((10..=10 + begun.elapsed().as_secs() / 6 + 1).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_refused_attempt_is_not_counted_at_all() {
    let app = TestApp::start();
    let factory = address("198.51.100.7");
    let mut passed = 0;
    for _ in 0..200 {
        passed += u32::from(throttle::attempt(&app.app, "ann", factory).await.is_ok());
    }
    assert!(passed < 20, "{passed}");
    // The network is not used up by who was refused.
    throttle::attempt(&app.app, "bob", factory).await.unwrap();
}

#[tokio::test]
async fn what_slows_nobody_down_is_forgotten() {
    let app = TestApp::start();
    throttle::attempt(&app.app, "ann", address("203.0.113.9")).await.unwrap();
    let rows = "SELECT count(*) FROM throttles";
    assert_eq!(app.value(rows), "3", "of the account here, of the account anywhere, and of the network");
    app.advance(TimeDelta::seconds(61));
    maintenance::expire_sessions(&app.app).await.unwrap();
    assert_eq!(app.value(rows), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_of_a_clock_that_ran_ahead_lock_nobody_out_when_it_is_set_back() {
    let app = TestApp::start();
    let stranger = address("203.0.113.9");
    app.advance(TimeDelta::days(1));
    for _ in 0..10 {
        throttle::attempt(&app.app, "ann", stranger).await.unwrap();
    }
    app.advance(-TimeDelta::days(1));
    for _ in 0..10 {
        throttle::attempt(&app.app, "ann", stranger).await.unwrap();
    }
    let refused = throttle::attempt(&app.app, "ann", stranger).await;
    assert!(matches!(refused, Err(Error::Throttled { .. })), "counted from now on");
}
