//! What happened today: people signed in, somebody failed to, a job died, and the trail was verified.

use std::{net::IpAddr, sync::Arc};

use chrono::TimeDelta;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::PEOPLE;
use crate::{
    app::App,
    db::jobs::{self, Kinds, NewJob},
    domain::{
        audit::{seal, watch},
        auth,
        browsers::Visitor,
    },
    error::{Error, Result},
};

/// Where somebody sits who guesses.
const ELSEWHERE: [u8; 4] = [203, 0, 113, 77];

pub(super) async fn play(app: &Arc<App>, password: &SecretString) -> Result<()> {
    let wrong = SecretString::from("not the password".to_owned());
    for username in ["administrator", PEOPLE[0].username] {
        sign_in(app, username, &wrong, ELSEWHERE).await?;
    }
    for (nth, person) in PEOPLE.iter().enumerate() {
        sign_in(app, person.username, password, [10, 20, 1, 30 + nth as u8]).await?;
    }
    lose_a_job(app).await?;
    seal::seal_pending(app).await?;
    watch::verify(app).await?;
    Ok(())
}

/// Whether it works is the trail's affair: people who were there before have passwords of their own.
async fn sign_in(app: &App, username: &str, password: &SecretString, from: [u8; 4]) -> Result<()> {
    let visitor = Visitor { address: Some(IpAddr::from(from)), cookie: None };
    match auth::sign_in(app, username, password.clone(), &visitor).await {
        Ok(_) | Err(Error::Unauthenticated | Error::Throttled { .. }) => Ok(()),
        Err(other) => Err(other),
    }
}

/// A job that was given up, so that the page of jobs has something to mend. It does well when it is sent again.
async fn lose_a_job(app: &Arc<App>) -> Result<()> {
    const KIND: &str = "expire_sessions";
    let now = app.clock.now();
    app.db
        .transaction(move |conn| {
            let job = NewJob {
                id: Uuid::now_v7(),
                kind: KIND,
                payload: json!({ "kind": KIND }),
                dedupe_key: None,
                run_at: now,
                max_attempts: 1,
                created_at: now,
                updated_at: now,
                fair_key: Uuid::nil(),
            };
            jobs::enqueue(conn, &job)?;
            let worker = Uuid::now_v7();
            let lease = now + TimeDelta::minutes(1);
            if let Some(claimed) = jobs::claim(conn, worker, Kinds::Only(&[KIND]), now, lease)? {
                let problem = "canceling statement due to statement timeout";
                jobs::fail(conn, claimed.id, worker, problem, None, now)?;
            }
            Ok(())
        })
        .await
}
