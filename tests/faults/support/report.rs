//! Rows, and the table of docs/reliability.md.

use std::{fmt::Write, fs, path::PathBuf, time::Duration};

const BEGIN: &str = "<!-- faults: begin; written by make test-faults -->";
const END: &str = "<!-- faults: end -->";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// It cannot be injected on this machine; why not.
    NotRun(String),
    Failed(String),
}

/// What came of one fault.
#[derive(Clone, Debug)]
pub struct Row {
    pub fault: String,
    /// How often it was injected.
    pub injected: usize,
    /// Files whose upload was acknowledged.
    pub acknowledged: usize,
    /// Of these, how many were not there afterwards, or with other bytes.
    pub lost: usize,
    /// Files without a row that the comparison left.
    pub orphans: usize,
    /// Files that could be seen although their upload was refused.
    pub unacknowledged: usize,
    /// The longest time until the server was ready again.
    pub recovery: Duration,
    pub outcome: Outcome,
}

impl Row {
    fn empty(outcome: Outcome) -> Self {
        Self {
            fault: String::new(),
            injected: 0,
            acknowledged: 0,
            lost: 0,
            orphans: 0,
            unacknowledged: 0,
            recovery: Duration::ZERO,
            outcome,
        }
    }

    pub fn passed() -> Self {
        Self::empty(Outcome::Passed)
    }

    /// For faults that this machine cannot inject: they stay visible in the table.
    pub fn not_run(why: impl Into<String>) -> Self {
        Self::empty(Outcome::NotRun(why.into()))
    }

    pub fn failed(why: impl Into<String>) -> Self {
        Self::empty(Outcome::Failed(why.into()))
    }

    pub fn named(mut self, fault: &str) -> Self {
        self.fault = fault.to_owned();
        self
    }

    /// The row as a line of Markdown.
    pub fn line(&self) -> String {
        let Self { fault, injected, acknowledged, lost, orphans, unacknowledged, recovery, .. } = self;
        let one_line = |text: &str| text.replace('|', "/").split_whitespace().collect::<Vec<_>>().join(" ");
        match &self.outcome {
            Outcome::NotRun(why) => format!("| {fault} | not run: {} | | | | | |", one_line(why)),
            Outcome::Failed(why) => format!("| {fault} | **failed**: {} | | | | | |", one_line(why)),
            Outcome::Passed => format!(
                "| {fault} | {injected} | {acknowledged} | {lost} | {orphans} | {unacknowledged} | {:.1} s |",
                recovery.as_secs_f32()
            ),
        }
    }
}

/// The whole table.
pub fn table(rows: &[Row]) -> String {
    let mut text = "| fault | injected | acknowledged | lost | orphans | visible without acknowledgement | \
                    longest recovery |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        writeln!(text, "{}", row.line()).unwrap();
    }
    text
}

/// Puts the rows into docs/reliability.md: each in the place of the one of the same name, new ones at the end.
pub fn write(rows: &[Row]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the marker where the table begins");
    let (old, after) = rest.split_once(END).expect("the marker where the table ends");
    let name = |line: &str| line.split('|').nth(1).unwrap_or_default().trim().to_owned();
    let mut lines: Vec<String> =
        old.lines().skip_while(|line| !line.starts_with("|---")).skip(1).map(String::from).collect();
    lines.retain(|line| line.starts_with('|'));
    for row in rows {
        match lines.iter_mut().find(|line| name(line) == row.fault) {
            Some(line) => *line = row.line(),
            None => lines.push(row.line()),
        }
    }
    let table = table(&[]);
    let body = lines.iter().fold(String::new(), |body, line| body + line.as_str() + "\n");
    fs::write(&path, format!("{before}{BEGIN}\n{table}{body}{END}{after}")).unwrap();
}
