//! What surrounds every page.

use super::format;

/// The head, the side bar, the top line and the messages of a page. Every page struct has one as `frame`.
pub struct Frame {
    /// Stands before the installation's name in the tab.
    pub title: String,
    pub brand: Brand,
    /// Which entry of the side bar is marked as the current place.
    pub here: Place,
    /// `None`: nobody is signed in, and the page shows neither side bar nor search.
    pub user: Option<FrameUser>,
    /// Goes into every form as `csrf_token`; `upload.js` reads it from the upload form.
    pub csrf_token: String,
    /// What stands in the search field; on the list of batches its `q`, elsewhere empty.
    pub query: String,
    pub flashes: Vec<Flash>,
    /// From the `theme` cookie (`light` or `dark`); `None` follows the system.
    pub theme: Option<Theme>,
    /// Shown beside "Trash"; `None` or zero shows no number.
    pub trash_count: Option<i64>,
    /// Something that holds on every page, as a store that is read-only.
    pub banner: Option<Banner>,
    /// False while there is only one site: the pages then do not mention sites.
    pub sites_shown: bool,
    /// Malware that was found; only the admin's pages tell of it.
    pub findings: Option<Findings>,
}

/// How many findings of malware there are; each number counts no further than one past [`Findings::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Findings {
    pub locked: i64,
    pub unseen: i64,
    pub recent: i64,
}

/// What the installation calls itself.
pub struct Brand {
    pub name: String,
    /// The address of its logo; without one, the mark of Stillage stands there.
    pub logo_url: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Batches,
    Trash,
    Admin,
    /// No entry is marked.
    Elsewhere,
}

pub struct FrameUser {
    pub name: String,
    /// "Admin", "Staff" or "Viewer"
    pub role_word: String,
    pub is_admin: bool,
    /// Whether the trash is among the entries.
    pub sees_trash: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// A message about what was just done; it names the thing.
pub struct Flash {
    pub kind: FlashKind,
    pub text: String,
    /// A button that takes the act back.
    pub undo: Option<Undo>,
    /// What became of each file of an upload without JavaScript, in the order they were sent.
    pub files: Vec<FileResult>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FlashKind {
    Done,
    Warning,
    Failed,
}

/// Where the undo button posts to (with the CSRF token) and what it says.
pub struct Undo {
    pub action_url: String,
    pub label: String,
}

pub struct FileResult {
    pub filename: String,
    pub stored: bool,
    /// Why it was refused and what to do; for a stored file anything worth saying, or empty.
    pub message: String,
}

pub struct Banner {
    pub title: String,
    pub text: String,
}

impl Frame {
    /// The value of `data-theme` on `<html>`; empty follows the system.
    pub fn theme_name(&self) -> &'static str {
        match self.theme {
            Some(Theme::Light) => "light",
            Some(Theme::Dark) => "dark",
            None => "",
        }
    }

    pub fn is_here(&self, place: &str) -> bool {
        match self.here {
            Place::Batches => place == "batches",
            Place::Trash => place == "trash",
            Place::Admin => place == "admin",
            Place::Elsewhere => false,
        }
    }

    pub fn sees_trash(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.sees_trash)
    }

    /// How many things the trash holds, when there are any.
    pub fn trash_shown(&self) -> Option<String> {
        self.trash_count.filter(|&n| n > 0).map(format::grouped)
    }
}

impl Findings {
    /// More are not counted, but said to be more.
    pub const MOST: i64 = 99;

    /// Beside the tab, when something waits for an admin.
    pub fn badge(self) -> Option<String> {
        match self.locked + self.unseen {
            0 => None,
            n => Some(Self::number(n)),
        }
    }

    /// The findings in a sentence, when there are any.
    pub fn sentence(self) -> Option<String> {
        let count = |n, one: &str, many: &str| match n {
            1 => format!("1 {one}"),
            n => format!("{} {many}", Self::number(n)),
        };
        let locked = count(self.locked, "file is locked away", "files are locked away");
        let recent = count(self.recent, "upload was refused", "uploads were refused");
        match (self.locked, self.recent) {
            (0, 0) if self.unseen == 0 => None,
            (0, 0) => {
                let unseen = count(self.unseen, "refused upload", "refused uploads");
                Some(format!("Malware: nobody has looked at {unseen} yet."))
            }
            (_, 0) => Some(format!("Malware: {locked}.")),
            (0, _) => Some(format!("Malware: {recent} in the last 7 days.")),
            _ => Some(format!("Malware: {locked}; {recent} in the last 7 days.")),
        }
    }

    fn number(n: i64) -> String {
        if n > Self::MOST { format!("{}+", Self::MOST) } else { n.to_string() }
    }
}

impl FrameUser {
    pub fn initials(&self) -> String {
        format::initials(&self.name)
    }
}

impl FlashKind {
    pub fn icon(self) -> &'static str {
        match self {
            FlashKind::Done => "check",
            FlashKind::Warning => "alert",
            FlashKind::Failed => "stop",
        }
    }

    /// The ending of the CSS class.
    pub fn tone(self) -> &'static str {
        match self {
            FlashKind::Done => "done",
            FlashKind::Warning => "warn",
            FlashKind::Failed => "bad",
        }
    }
}

impl Flash {
    /// "2 of 5 files stored", the heading over the results of an upload.
    pub fn files_heading(&self) -> String {
        let total = self.files.len();
        let stored = self.files.iter().filter(|file| file.stored).count();
        match (stored, total) {
            (1, 1) => "1 file stored".to_owned(),
            (0, 1) => "1 file was not stored".to_owned(),
            (0, _) => format!("None of {total} files was stored"),
            _ if stored == total => format!("{total} files stored"),
            _ => format!("{stored} of {total} files stored"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_until_somebody_has_dealt_with_them() {
        let of = |locked, unseen, recent| {
            let findings = Findings { locked, unseen, recent };
            (findings.badge(), findings.sentence())
        };
        let told = |badge: &str, sentence: &str| (Some(badge.to_owned()), Some(sentence.to_owned()));
        assert_eq!(of(0, 0, 0), (None, None));
        assert_eq!(of(1, 0, 0), told("1", "Malware: 1 file is locked away."));
        assert_eq!(
            of(2, 1, 1),
            told("3", "Malware: 2 files are locked away; 1 upload was refused in the last 7 days.")
        );
        assert_eq!(of(0, 99, 100), told("99", "Malware: 99+ uploads were refused in the last 7 days."));
        assert_eq!(of(0, 100, 0), told("99+", "Malware: nobody has looked at 99+ refused uploads yet."));
        // Seen, but not long ago.
        assert_eq!(of(0, 0, 1), (None, Some("Malware: 1 upload was refused in the last 7 days.".to_owned())));
    }
}
