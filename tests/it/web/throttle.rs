//! Guessing is slowed down, on all instances together.

use std::{net::IpAddr, sync::Arc, time::Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use stillage::{
    app::App,
    domain::{auth, maintenance, throttle},
    error::Error,
};

use crate::support::TestApp;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Another instance on the same database and store.
fn second(app: &TestApp) -> Arc<App> {
    let (config, clock) = (app.app.config.clone(), app.app.clock.clone());
    App::assemble(config, app.database.url.clone(), None, clock, 3).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_elsewhere_is_an_attempt() {
    let app = TestApp::start();
    let instances = [Arc::clone(&app.app), second(&app)];
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
        let refused = auth::sign_in(instance, "ann", "wrong horse battery".into(), Some(stranger)).await;
        assert!(matches!(refused, Err(Error::Throttled { .. })));
    }
    app.advance(TimeDelta::seconds(6));
    throttle::attempt(&instances[1], "ann", stranger).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_bounded_over_all_accounts() {
    let app = TestApp::start();
    let instances = [Arc::clone(&app.app), second(&app)];
    let begun = Instant::now();
    let mut passed = 0;
    for n in 0..300 {
        let address = address(&format!("2001:db8::{n:x}"));
        let attempt = throttle::attempt(&instances[n % 2], &format!("user{n}"), address).await;
        passed += u128::from(attempt.is_ok());
    }
    assert!((100..=101 + begun.elapsed().as_millis() / 600).contains(&passed), "{passed}");
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
