//! What happened in the demo: who did what to which batch, and when.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::{paper, picture};
use crate::error::Result;

/// How far back the story begins.
const DAYS: i64 = 118;

/// Indices into [`super::PEOPLE`].
const ADMIN: usize = 0;
const STAFF: [[usize; 2]; 2] = [[1, 2], [3, 2]];
const VIEWER: usize = 4;

/// A product and the colour of its bars.
const PRODUCTS: [(&str, [u8; 3]); 8] = [
    ("Olive & bay soap bar 100 g", [148, 153, 92]),
    ("Lavender hand wash 500 ml", [150, 131, 178]),
    ("Oat shampoo bar 80 g", [206, 184, 147]),
    ("Almond body oil 200 ml", [201, 160, 96]),
    ("Cedar shaving soap 150 g", [150, 96, 66]),
    ("Rose hand cream 75 ml", [208, 146, 150]),
    ("Mint foot balm 100 ml", [140, 184, 160]),
    ("Charcoal face bar 90 g", [84, 86, 92]),
];

const NOTES: [&str; 5] = [
    "",
    "Retained samples on shelf 4.",
    "Second line was down from 10:40 to 11:15; trays 9 to 11 were weighed twice.",
    "",
    "Customer wants the signed release before shipping.",
];

pub struct Step {
    pub at: DateTime<Utc>,
    pub by: usize,
    pub batch: usize,
    pub act: Act,
}

pub enum Act {
    Make {
        number: String,
        product: &'static str,
        notes: &'static str,
        site: usize,
    },
    Add {
        nth: usize,
        file: Made,
    },
    Note {
        number: String,
        product: &'static str,
        notes: &'static str,
    },
    Close,
    Reopen,
    Trash,
    TrashFile(usize),
    RestoreFile(usize),
    /// Looks at a file, or downloads it.
    Look(usize),
    Take(usize),
    Hold(&'static str),
}

/// A file that is to be drawn.
pub struct Made {
    pub name: String,
    pub subject: Subject,
    number: String,
    product: &'static str,
    colour: [u8; 3],
    at: DateTime<Utc>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
pub enum Subject {
    Tray,
    Scale,
    Label,
    Certificate,
    Release,
}

impl Made {
    /// Its bytes; `photo` is the longer side of photos in pixels.
    pub fn draw(&self, photo: u32) -> Result<Vec<u8>> {
        let date = self.at.format("%d %b %Y").to_string();
        match self.subject {
            Subject::Tray => picture::tray(&self.number, self.colour, photo, self.seed),
            Subject::Scale => picture::scale(&self.number, photo, self.seed),
            Subject::Label => picture::label(&self.number, self.product, self.seed),
            Subject::Certificate => Ok(paper::certificate(&self.number, self.product, &date, self.seed)),
            Subject::Release => Ok(paper::release(&self.number, self.product, &date)),
        }
    }
}

/// Numbers that look thrown and are the same every time.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Everything that happened to so many batches up to now, in order. Numbers go on after `offset`.
pub fn tell(now: DateTime<Utc>, batches: usize, offset: usize) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..batches).flat_map(|batch| of_batch(now, batch, batches, offset)).collect();
    steps.retain(|step| step.at < now);
    steps.sort_by_key(|step| step.at);
    steps
}

fn of_batch(now: DateTime<Utc>, batch: usize, batches: usize, offset: usize) -> Vec<Step> {
    let mut dice = Dice::new((batch + offset) as u64 + 1);
    let age = TimeDelta::days(DAYS) * (batches - 1 - batch) as i32 / batches as i32;
    // The youngest batch is half an hour old, whenever the demo is made.
    let begun = now - age + TimeDelta::minutes(dice.roll(300) as i64) * i32::from(batch + 1 < batches);
    let begun = begun.min(now - TimeDelta::minutes(30));
    let number = format!("B-{}-{:04}", begun.year(), 101 + offset + batch);
    let (product, colour) = PRODUCTS[dice.roll(PRODUCTS.len() as u64) as usize];
    let notes = NOTES[dice.roll(NOTES.len() as u64) as usize];
    let site = usize::from(batch % 3 == 2);
    let staff = STAFF[site];

    let mut steps = Vec::new();
    let mut at = begun;
    let mut happens = |steps: &mut Vec<Step>, minutes: u64, by: usize, act: Act| {
        at += TimeDelta::minutes(minutes as i64);
        steps.push(Step { at, by, batch, act });
    };
    let made = Act::Make { number: number.clone(), product, notes, site };
    happens(&mut steps, 0, staff[0], made);

    // One in twelve waits for its first file.
    let files = if batch % 12 == 7 { 0 } else { 2 + dice.roll(7) as usize };
    let subjects =
        [Subject::Tray, Subject::Certificate, Subject::Scale, Subject::Tray, Subject::Label, Subject::Tray];
    for nth in 0..files {
        let subject =
            if nth + 1 == files && files > 4 { Subject::Release } else { subjects[nth % subjects.len()] };
        let minutes = if nth == 0 { 3 } else { 1 + dice.roll(if nth % 3 == 0 { 900 } else { 4 }) };
        let by = staff[dice.roll(2) as usize];
        let seed = dice.roll(u64::MAX);
        let taken = begun + TimeDelta::minutes(3 + nth as i64);
        let name = match subject {
            Subject::Tray => format!("IMG_{}.jpg", taken.format("%Y%m%d_%H%M%S")),
            Subject::Scale => format!("Scale 2 tray {}.jpg", 1 + dice.roll(14)),
            Subject::Label => format!("Pallet label {number}.png"),
            Subject::Certificate => format!("CoA_Oakwell_26-{}.pdf", 11_000 + dice.roll(2_000)),
            Subject::Release => format!("Signed release {number}.pdf"),
        };
        let file = Made { name, subject, number: number.clone(), product, colour, at: taken, seed };
        happens(&mut steps, minutes, by, Act::Add { nth, file });
    }
    // Every other batch is looked into: by the viewer, and by the second of the staff, who takes something along.
    if batch.is_multiple_of(2) {
        for nth in 0..files.min(3) {
            happens(&mut steps, 20, VIEWER, Act::Look(nth));
            happens(&mut steps, 3, staff[1], Act::Look(nth));
        }
        if files > 1 {
            happens(&mut steps, 1, staff[1], Act::Take(0));
            happens(&mut steps, 7, VIEWER, Act::Take(1));
        }
    }
    if batch % 9 == 4 {
        let notes = "Retained samples moved to shelf 6.";
        happens(&mut steps, 45, staff[1], Act::Note { number: number.clone(), product, notes });
    }
    if batch % 5 == 2 && files > 2 {
        happens(&mut steps, 12, staff[0], Act::TrashFile(1));
        if batch.is_multiple_of(2) {
            happens(&mut steps, 2, staff[0], Act::RestoreFile(1));
        }
    }
    if batch % 14 == 3 {
        happens(
            &mut steps,
            90,
            ADMIN,
            Act::Hold("Customer complaint 26-118: nothing goes until it is settled."),
        );
    } else if batch % 16 == 11 {
        happens(&mut steps, 60, staff[0], Act::Trash);
    } else if batch % 4 != 3 && files > 0 {
        happens(&mut steps, 60 * 24 * (2 + dice.roll(9)), staff[1], Act::Close);
        if batch % 13 == 6 {
            happens(&mut steps, 600, ADMIN, Act::Reopen);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_goes_forward_and_ends_now() {
        let now = crate::clock::Clock::default().now();
        let steps = tell(now, 48, 0);
        assert!(steps.is_sorted_by_key(|step| step.at));
        assert!(steps.iter().all(|step| step.at < now));
        let made = steps.iter().filter(|step| matches!(step.act, Act::Make { .. })).count();
        assert_eq!(made, 48);
        let youngest = steps.last().map(|step| now - step.at);
        assert!(youngest.is_some_and(|age| age < TimeDelta::hours(1)), "{youngest:?}");
    }
}
