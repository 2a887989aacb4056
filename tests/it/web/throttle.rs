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
    assert_eq!(app.value(rows), "2", "the account's and the network's");
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
