//! Whether to stay on the local disk, keep a copy in the cloud, or move there: one recommendation, with its reason.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::costs::GB;

/// From here on a copy in the cloud pays.
pub const COPY_FROM: i64 = 50 * GB;
/// From here on the cloud is the better first place.
pub const MOVE_FROM: i64 = 100 * GB;
/// A disk that is full sooner is nearly full.
pub const NEARLY_FULL_DAYS: i64 = 90;
/// So is one that is fuller than this, in percent.
pub const NEARLY_FULL_PERCENT: i64 = 90;

/// What the cloud is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cloud {
    #[default]
    Off,
    /// Files are local, with a copy there.
    Copy,
    /// Files are there.
    Primary,
}

/// What Stillage cannot see and an admin says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Circumstances {
    /// Backups are kept in another place.
    pub backup_elsewhere: bool,
    /// Several servers run Stillage.
    pub several_servers: bool,
    /// Rules ask for a certified place.
    pub compliance: bool,
    /// Many people fetch files from far away.
    pub distant_users: bool,
}

/// What the recommendation depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Situation {
    /// Bytes on the disk, those in the trash too.
    pub bytes: i64,
    pub cloud: Cloud,
    pub circumstances: Circumstances,
    pub days_until_full: Option<i64>,
    pub percent_full: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    StayLocal,
    CloudCopy,
    MoveToCloud,
    StayInCloud,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Advice {
    pub verdict: Verdict,
    /// One sentence with the reason.
    pub sentence: String,
}

/// The recommendation. What speaks for moving goes before what speaks for a copy.
pub fn advise(situation: &Situation) -> Advice {
    let advice = |verdict, sentence: String| Advice { verdict, sentence };
    if situation.cloud == Cloud::Primary {
        let sentence =
            "Stay in the cloud: the files are there already, and nothing is gained by coming back.";
        return advice(Verdict::StayInCloud, sentence.to_owned());
    }
    if let Some(reason) = reason_to_move(situation) {
        return advice(Verdict::MoveToCloud, format!("Move the files to the cloud: {reason}."));
    }
    if situation.cloud == Cloud::Copy {
        let sentence = "Stay local: the files fit on the disk, and the cloud has a copy of each.";
        return advice(Verdict::StayLocal, sentence.to_owned());
    }
    if let Some(reason) = reason_to_copy(situation) {
        return advice(Verdict::CloudCopy, format!("Turn on the copy in the cloud: {reason}."));
    }
    let why = if situation.bytes == 0 {
        "nothing is stored yet"
    } else {
        "less than 50 GB are stored, and a backup is kept in another place"
    };
    advice(Verdict::StayLocal, format!("Stay local: {why}."))
}

fn reason_to_move(situation: &Situation) -> Option<String> {
    let Circumstances { several_servers, compliance, distant_users, .. } = situation.circumstances;
    let soon = situation.days_until_full.filter(|&days| days <= NEARLY_FULL_DAYS);
    if let Some(days) = soon {
        let when = match days {
            0 => "today".to_owned(),
            1 => "tomorrow".to_owned(),
            days => format!("in {days} days"),
        };
        Some(format!("at its growth of the last days the disk is full {when}"))
    } else if situation.percent_full >= NEARLY_FULL_PERCENT {
        Some(format!("the disk is {} % full", situation.percent_full))
    } else if several_servers {
        Some("several servers share the files, and a bucket serves all of them alike".to_owned())
    } else if compliance {
        Some("rules ask for a certified place".to_owned())
    } else if distant_users {
        Some("people far away get files faster from a network near them".to_owned())
    } else if situation.bytes >= MOVE_FROM {
        Some("100 GB and more are stored, which a bucket keeps safer than one disk".to_owned())
    } else {
        None
    }
}

fn reason_to_copy(situation: &Situation) -> Option<&'static str> {
    if situation.bytes >= COPY_FROM {
        Some("50 GB and more are stored, too much to lose or to upload again")
    } else if situation.bytes > 0 && !situation.circumstances.backup_elsewhere {
        Some("no copy of the files is kept in another place")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_leads_to_its_recommendation() {
        use Verdict::{CloudCopy, MoveToCloud, StayInCloud, StayLocal};
        let elsewhere = Circumstances { backup_elsewhere: true, ..Circumstances::default() };
        let safe = Situation { bytes: GB, circumstances: elsewhere, ..Situation::default() };
        let said = |circumstances| Situation { circumstances, ..safe };
        let table = [
            (safe, StayLocal, "less than 50 GB"),
            (Situation::default(), StayLocal, "nothing is stored"),
            (Situation { circumstances: Circumstances::default(), ..safe }, CloudCopy, "another place"),
            (Situation { bytes: COPY_FROM - 1, ..safe }, StayLocal, "less than 50 GB"),
            (Situation { bytes: COPY_FROM, ..safe }, CloudCopy, "50 GB and more"),
            (Situation { bytes: COPY_FROM, cloud: Cloud::Copy, ..safe }, StayLocal, "a copy of each"),
            (Situation { bytes: MOVE_FROM - 1, ..safe }, CloudCopy, "50 GB and more"),
            (Situation { bytes: MOVE_FROM, ..safe }, MoveToCloud, "100 GB and more"),
            (Situation { bytes: MOVE_FROM, cloud: Cloud::Copy, ..safe }, MoveToCloud, "100 GB"),
            (Situation { bytes: MOVE_FROM, cloud: Cloud::Primary, ..safe }, StayInCloud, "already"),
            (Situation { days_until_full: Some(91), ..safe }, StayLocal, "less than"),
            (Situation { days_until_full: Some(90), ..safe }, MoveToCloud, "full in 90 days"),
            (Situation { days_until_full: Some(1), ..safe }, MoveToCloud, "full tomorrow"),
            (Situation { days_until_full: Some(0), ..safe }, MoveToCloud, "full today"),
            (Situation { percent_full: 89, ..safe }, StayLocal, "less than"),
            (Situation { percent_full: 90, ..safe }, MoveToCloud, "90 % full"),
            (said(Circumstances { several_servers: true, ..elsewhere }), MoveToCloud, "several servers"),
            (said(Circumstances { compliance: true, ..elsewhere }), MoveToCloud, "certified"),
            (said(Circumstances { distant_users: true, ..elsewhere }), MoveToCloud, "far away"),
        ];
        for (situation, verdict, reason) in table {
            let advice = advise(&situation);
            assert_eq!(advice.verdict, verdict, "{situation:?}");
            assert!(advice.sentence.contains(reason), "{}", advice.sentence);
            assert!(advice.sentence.ends_with('.') && advice.sentence.matches('.').count() == 1);
        }
    }
}
