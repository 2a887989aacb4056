//! Photos of trays and scales, and a printed label.

use super::{
    canvas::{Canvas, Colour, Rect},
    story::Dice,
};
use crate::error::Result;

const PAPER: Colour = [246, 244, 238];
const INK: Colour = [32, 34, 38];

/// Bars on a steel tray, with the batch's plate.
pub fn tray(number: &str, colour: Colour, side: u32, seed: u64) -> Result<Vec<u8>> {
    let mut dice = Dice::new(seed);
    let light = 150 + dice.roll(60) as u32;
    let mut canvas = Canvas::new(side, side * 3 / 4, |x, y| {
        // Light falls from one upper corner and fades towards the edges.
        let (dx, dy) = (x.abs_diff(300), y.abs_diff(250));
        let shade = light.saturating_sub((dx + dy) / 14) as u8;
        [shade.saturating_add(6), shade.saturating_add(8), shade.saturating_add(12)]
    });
    let unit = side as i32 / 100;
    let (columns, rows) = (4 + dice.roll(3) as i32, 3 + dice.roll(2) as i32);
    let (width, height) = (84 * unit / columns, 56 * unit / rows);
    for row in 0..rows {
        for column in 0..columns {
            let (lean, tint) = (dice.roll(unit as u64 + 1) as i32, dice.roll(18) as u8);
            let bar = Rect {
                x: 8 * unit + column * width + lean,
                y: 6 * unit + row * height + lean / 2,
                width: width - 2 * unit,
                height: height - 2 * unit,
            };
            let shadow = Rect { x: bar.x + unit, y: bar.y + unit, ..bar };
            canvas.fill(shadow, 2 * unit, [20, 20, 24], 40);
            canvas.fill(bar, 2 * unit, colour.map(|value| value.saturating_add(tint)), 100);
            let top = Rect { height: bar.height / 3, ..bar };
            canvas.fill(top, 2 * unit, [255; 3], 14);
            let stamp = Rect {
                x: bar.x + bar.width / 4,
                y: bar.y + bar.height / 2 - unit,
                width: bar.width / 2,
                height: 2 * unit,
            };
            canvas.fill(stamp, unit, [0; 3], 12);
        }
    }
    plate(&mut canvas, number, 58 * unit, 63 * unit, unit);
    canvas.grain(|| dice.roll(u64::MAX));
    canvas.jpeg()
}

/// A weighing scale and what it shows.
pub fn scale(number: &str, side: u32, seed: u64) -> Result<Vec<u8>> {
    let mut dice = Dice::new(seed);
    let mut canvas = Canvas::new(side, side * 3 / 4, |_, y| {
        let shade = (206 - y / 12) as u8;
        [shade, shade.saturating_sub(4), shade.saturating_sub(12)]
    });
    let unit = side as i32 / 100;
    canvas.fill(
        Rect { x: 14 * unit, y: 40 * unit, width: 72 * unit, height: 28 * unit },
        3 * unit,
        [70, 74, 82],
        100,
    );
    canvas.fill(
        Rect { x: 10 * unit, y: 34 * unit, width: 80 * unit, height: 7 * unit },
        2 * unit,
        [190, 194, 200],
        100,
    );
    let screen = Rect { x: 24 * unit, y: 46 * unit, width: 52 * unit, height: 16 * unit };
    canvas.fill(screen, unit, [24, 40, 34], 100);
    let weight = format!("{}.{:02} KG", 8 + dice.roll(5), dice.roll(100));
    canvas.write(&weight, 28 * unit, 49 * unit, 3 * unit / 2, [120, 240, 160]);
    plate(&mut canvas, number, 10 * unit, 8 * unit, unit);
    canvas.grain(|| dice.roll(u64::MAX));
    canvas.jpeg()
}

/// A printed pallet label with bars to scan.
pub fn label(number: &str, product: &str, seed: u64) -> Result<Vec<u8>> {
    let mut dice = Dice::new(seed);
    let mut canvas = Canvas::new(900, 600, |_, _| PAPER);
    canvas.fill(Rect { x: 30, y: 30, width: 840, height: 8 }, 0, INK, 100);
    canvas.write(number, 40, 70, 15, INK);
    canvas.write(product, 40, 190, 6, INK);
    let mut x = 40;
    while x < 840 {
        let width = 3 + 3 * dice.roll(3) as i32;
        canvas.fill(Rect { x, y: 270, width, height: 230 }, 0, INK, 100);
        x += width + 3 + 3 * dice.roll(3) as i32;
    }
    canvas.write("STILLAGE", 40, 530, 6, INK);
    canvas.png()
}

/// A small sign with the batch's number.
fn plate(canvas: &mut Canvas, number: &str, x: i32, y: i32, unit: i32) {
    // Four points for each letter, two for the margins.
    let width = (number.chars().count() as i32 * 4 + 3) * unit * 2 / 3;
    canvas.fill(Rect { x, y, width, height: 7 * unit }, unit, PAPER, 100);
    canvas.write(number, x + unit * 4 / 3, y + 2 * unit, unit * 2 / 3, INK);
}
