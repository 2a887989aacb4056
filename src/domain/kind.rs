//! What a file is to its batch.

/// Said by people; an upload begins with what its type suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Photo,
    Certificate,
    BatchRecord,
    Label,
    Other,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Photo, Self::Certificate, Self::BatchRecord, Self::Label, Self::Other];

    /// As rows, forms and addresses have it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Certificate => "certificate",
            Self::BatchRecord => "batch_record",
            Self::Label => "label",
            Self::Other => "other",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Photo => "Photo",
            Self::Certificate => "Certificate",
            Self::BatchRecord => "Batch record",
            Self::Label => "Label",
            Self::Other => "Other",
        }
    }

    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// What a new file of this media type most likely is.
    pub fn of_type(media_type: &str) -> Self {
        if media_type.starts_with("image/") { Self::Photo } else { Self::Other }
    }

    /// The kind of a row. The database knows no other keys; a release that does not know a newer one's says "Other".
    pub fn of_row(key: &str) -> Self {
        Self::parse(key).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_the_type_suggests_a_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.key()), Some(kind));
            assert_eq!(Kind::of_row(kind.key()), kind);
        }
        assert_eq!(Kind::parse("Photo"), None);
        assert_eq!(Kind::of_row("video"), Kind::Other);
        assert_eq!(Kind::of_type("image/png"), Kind::Photo);
        assert_eq!(Kind::of_type("application/pdf"), Kind::Other);
    }
}
