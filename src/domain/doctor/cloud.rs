//! The bucket: an object is put into it, read back and deleted.

use super::{Finding, Patient};
use crate::{
    config::StorageMode,
    storage::{ObjectStorage, StorageError},
};

pub(super) async fn check(patient: &Patient) -> Vec<Finding> {
    let Some(cloud) = &patient.config.cloud else {
        return vec![
            Finding::note("Cloud storage is off: no copy of a file leaves this place.")
                .mend("ENABLE_ATTACHMENT_CLOUD_STORAGE=true  # and the bucket's keys, see .env.sample"),
        ];
    };
    let bucket = match ObjectStorage::new(&cloud.bucket, cloud.patience) {
        Ok(bucket) => bucket,
        Err(error) => return vec![Finding::failure(format!("The bucket cannot be used: {error}."))],
    };
    match bucket.probe().await {
        Ok(()) => vec![Finding::ok(format!(
            "The bucket {} takes an object, gives it back and deletes it.",
            bucket.place()
        ))],
        Err(error) => vec![refused(patient, &bucket.place(), &error)],
    }
}

/// In cloud mode nothing is taken in without the bucket; elsewhere files wait for it.
fn refused(patient: &Patient, place: &str, error: &StorageError) -> Finding {
    let meanwhile = match patient.config.storage_mode {
        StorageMode::Cloud => "Until it does, no file is taken in.",
        StorageMode::Local | StorageMode::Hybrid => "Uploads go on; their copies wait.",
    };
    let what = format!("The bucket {place} does not work: {error} {meanwhile}");
    Finding::failure(what).mend(
        "stillage config | grep -E 'R2_|AWS_|S3_'  # endpoint, region, bucket, keys; then: stillage sync",
    )
}
