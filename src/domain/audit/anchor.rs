//! The head of the trail in the bucket: out of reach of whoever can change the database, it proves later that nothing
//! before it was changed. Each head is an object of its own and is never overwritten.

use std::sync::Arc;

use super::verify;
use crate::{
    app::App,
    domain::access::Actor,
    error::{Error, Result},
};

/// Puts the head into the bucket, if there is a bucket and a head. Doing it twice changes nothing.
///
/// # Errors
/// The bucket cannot be reached, or holds another hash for this seal.
pub async fn drop_anchor(app: &Arc<App>) -> Result<()> {
    let Some(bucket) = &app.cloud else { return Ok(()) };
    let Some(head) = verify::head(app, &Actor::system()).await? else { return Ok(()) };
    let text = serde_json::to_vec(&head).map_err(Error::internal)?;
    bucket.put_head(head.seal, text).await.map_err(Error::internal)
}
