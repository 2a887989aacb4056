//! What the admin pages share: the tabs between them.

/// One entry of the tabs.
pub struct Tab {
    /// Names the entry to `components/admin.html`, which marks the current one.
    pub key: &'static str,
    pub path: &'static str,
    pub icon: &'static str,
    pub word: &'static str,
}

const fn tab(key: &'static str, path: &'static str, icon: &'static str, word: &'static str) -> Tab {
    Tab { key, path, icon, word }
}

/// The admin pages that there are, in the order they are shown: a page gets its entry by a line here.
const TABS: &[Tab] = &[
    tab("stats", "/admin", "chart", "Overview"),
    tab("storage", "/admin/storage", "disks", "Storage"),
    tab("audit", "/admin/audit", "seal", "Audit"),
    tab("quarantine", "/admin/quarantine", "lock", "Quarantine"),
    tab("shares", "/admin/shares", "link", "Share links"),
    tab("users", "/admin/users", "users", "Users"),
    tab("sites", "/admin/sites", "site", "Sites"),
    tab("jobs", "/admin/jobs", "jobs", "Jobs"),
    tab("trash", "/admin/trash", "trash", "Trash"),
    tab("settings", "/admin/settings", "settings", "Settings"),
    // Last.
    tab("doctor", "/admin/doctor", "heart", "Health"),
];

pub fn tabs() -> &'static [Tab] {
    TABS
}
