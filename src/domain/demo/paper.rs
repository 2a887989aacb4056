//! Papers: one page of text and lines as a PDF (ISO 32000-1), written by hand.

use std::fmt::Write;

use super::story::Dice;

/// What an analysis looks at: name, unit, least and most, in hundredths.
const TESTS: [(&str, &str, u64, u64); 6] = [
    ("Total fatty matter", "%", 7600, 8100),
    ("Free caustic alkali", "%", 1, 5),
    ("Moisture", "%", 900, 1300),
    ("pH (1 % solution)", "", 890, 1010),
    ("Chloride", "%", 30, 60),
    ("Weight, mean of 20", "g", 9950, 10090),
];

/// A supplier's certificate of analysis.
pub fn certificate(number: &str, product: &str, date: &str, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut page = Page::new("Certificate of analysis", number, product, date);
    page.text(72, 560, 10, true, "Test");
    page.text(300, 560, 10, true, "Result");
    page.text(400, 560, 10, true, "Limits");
    page.line(72, 552, 523, 552);
    for (row, (test, unit, least, most)) in TESTS.into_iter().enumerate() {
        let y = 532 - 22 * row as u32;
        let result = least + dice.roll(most - least + 1);
        page.text(72, y, 10, false, test);
        page.text(300, y, 10, false, &format!("{} {unit}", hundredths(result)));
        page.text(400, y, 10, false, &format!("{} to {} {unit}", hundredths(least), hundredths(most)));
        page.line(72, y - 7, 523, y - 7);
    }
    page.text(72, 380, 10, false, "The sample meets the specification. Oakwell Laboratories, Leeds.");
    page.end()
}

/// A release that somebody has signed.
pub fn release(number: &str, product: &str, date: &str) -> Vec<u8> {
    let mut page = Page::new("Batch release", number, product, date);
    let lines = [
        "All weights, pictures and certificates of this batch were reviewed.",
        "No deviation is open. Retained samples are on the shelf.",
        "The batch is released for sale.",
    ];
    for (row, line) in lines.into_iter().enumerate() {
        page.text(72, 560 - 20 * row as u32, 11, false, line);
    }
    page.line(72, 430, 280, 430);
    page.text(72, 416, 9, false, "Quality, signed");
    // A signature: one swing of the pen.
    page.draw("1.4 w 0.1 0.2 0.5 RG 84 440 m 104 480 118 430 128 446 c 140 468 150 432 166 448 c 190 470 176 430 232 452 c S");
    page.end()
}

fn hundredths(n: u64) -> String {
    format!("{}.{:02}", n / 100, n % 100)
}

/// One page of A4, measured in points from its lower left corner.
struct Page(String);

impl Page {
    fn new(title: &str, number: &str, product: &str, date: &str) -> Self {
        let mut page = Self(String::new());
        page.draw("0.93 0.94 0.91 rg 0 760 595 82 re f 0 g 0.6 G 0.5 w");
        page.text(72, 792, 22, true, title);
        for (row, (name, value)) in
            [("Batch", number), ("Product", product), ("Date", date)].into_iter().enumerate()
        {
            let y = 700 - 22 * row as u32;
            page.text(72, y, 11, true, name);
            page.text(160, y, 11, false, value);
        }
        page
    }

    fn draw(&mut self, operators: &str) {
        self.0.push_str(operators);
        self.0.push('\n');
    }

    fn line(&mut self, x1: u32, y1: u32, x2: u32, y2: u32) {
        self.draw(&format!("{x1} {y1} m {x2} {y2} l S"));
    }

    fn text(&mut self, x: u32, y: u32, size: u32, bold: bool, text: &str) {
        let font = if bold { "B" } else { "R" };
        let text = text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
        self.draw(&format!("BT /{font} {size} Tf {x} {y} Td ({text}) Tj ET"));
    }

    fn end(self) -> Vec<u8> {
        let fonts = "<</Font<</R<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\
                     /B<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>>>>>";
        let objects = [
            "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
            "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
            format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources{fonts}>>"),
            format!("<</Length {}>>\nstream\n{}\nendstream", self.0.len(), self.0),
        ];
        let mut file = "%PDF-1.4\n".to_owned();
        let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
        for (nth, object) in objects.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{:010} 00000 n ", file.len());
            let _ = write!(file, "{} 0 obj\n{object}\nendobj\n", nth + 1);
        }
        let start = file.len();
        let _ = write!(
            file,
            "{table}trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n",
            objects.len() + 1
        );
        file.into_bytes()
    }
}
