//! Who an event is by: a person, by whatever way, or nobody with an account. Told by whether the event has an account,
//! never by a name that somebody could choose.

use serde_json::Value;
use uuid::Uuid;

/// The detail that names the API token by which a person acted.
pub const TOKEN: &str = "by_token";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// Somebody with an account.
    Person,
    /// A script with an API token of theirs.
    Token,
    /// Whoever has a shell on the server.
    Console,
    /// Somebody with a share link.
    Visitor,
    /// Somebody who tried to sign in.
    Anonymous,
    /// Stillage by itself.
    System,
}

impl ActorKind {
    /// From the event's actor, the id of their account, and its details.
    pub fn of(actor: &str, account: Option<Uuid>, details: &Value) -> Self {
        match (account, actor) {
            (Some(_), _) if details.get(TOKEN).is_some() => Self::Token,
            (Some(_), _) => Self::Person,
            (None, "console") => Self::Console,
            (None, "visitor") => Self::Visitor,
            (None, "anonymous") => Self::Anonymous,
            (None, _) => Self::System,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "user",
            Self::Token => "token",
            Self::Console => "console",
            Self::Visitor => "visitor",
            Self::Anonymous => "anonymous",
            Self::System => "system",
        }
    }

    /// Whether an account is behind it.
    pub fn has_account(self) -> bool {
        matches!(self, Self::Person | Self::Token)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_makes_nobody_the_system() {
        let id = Some(Uuid::from_u128(1));
        for name in ["system", "console", "visitor", "anonymous", "Ada"] {
            assert_eq!(ActorKind::of(name, id, &json!({})), ActorKind::Person);
            assert_eq!(ActorKind::of(name, id, &json!({ TOKEN: "script" })), ActorKind::Token);
        }
        for (name, kind) in [
            ("system", ActorKind::System),
            ("console", ActorKind::Console),
            ("visitor", ActorKind::Visitor),
            ("anonymous", ActorKind::Anonymous),
        ] {
            assert_eq!((ActorKind::of(name, None, &json!({})), kind.as_str()), (kind, name));
        }
    }
}
