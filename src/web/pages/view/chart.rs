//! Bars, and a line above them, as inline SVG: drawn here to whole coordinates, so that the page needs no script. Bars
//! have an outline and a pattern of their own where they are not done yet; nothing is told by colour alone.

use std::fmt::Write as _;

use super::format;

/// One bar with its place on the line.
pub struct Point {
    /// Below the bar.
    pub label: String,
    /// On hover, and in words.
    pub tip: String,
    /// Bytes.
    pub bar: i64,
    /// Bytes; not drawn when the chart has no line.
    pub line: i64,
}

/// A chart in two widths, of which the page shows the one that fits.
pub struct Chart {
    pub id: &'static str,
    /// Says in a sentence what is to be seen.
    pub title: String,
    pub drawings: [Drawing; 2],
}

pub struct Drawing {
    /// `wide` or `narrow`
    pub class: &'static str,
    pub width: i64,
    pub height: i64,
    pub left: i64,
    pub right: i64,
    pub base: i64,
    pub ticks: Vec<Tick>,
    pub bars: Vec<Bar>,
    /// The path of the line; empty when there is none.
    pub line: String,
    pub dots: Vec<(i64, i64)>,
}

pub struct Tick {
    pub y: i64,
    pub left: String,
    /// Empty without a line.
    pub right: String,
}

pub struct Bar {
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
    pub tip: String,
    /// Empty where there is no room for it.
    pub label: String,
    pub middle: i64,
    /// Still under way.
    pub is_open: bool,
}

/// Lines across the chart above its base.
const TICKS: i64 = 4;
const TOP: i64 = 14;

struct Size {
    class: &'static str,
    width: i64,
    height: i64,
    /// Pixels that a label takes.
    label: i64,
}

const SIZES: [Size; 2] = [
    Size { class: "wide", width: 720, height: 250, label: 46 },
    Size { class: "narrow", width: 350, height: 230, label: 52 },
];

impl Chart {
    /// `None` when there is nothing to draw. The last point is still under way.
    pub fn new(id: &'static str, title: String, points: &[Point], has_line: bool) -> Option<Self> {
        let is_empty = points.iter().all(|point| point.bar == 0 && (point.line == 0 || !has_line));
        (!is_empty).then(|| Self { id, title, drawings: SIZES.map(|size| draw(&size, points, has_line)) })
    }
}

fn draw(size: &Size, points: &[Point], has_line: bool) -> Drawing {
    let (left, right) = (52, if has_line { size.width - 52 } else { size.width - 4 });
    let base = size.height - 24;
    let step = tick_step(points.iter().map(|point| point.bar).max().unwrap_or(0));
    let line_step = tick_step(points.iter().map(|point| point.line).max().unwrap_or(0));
    let y_of = |value: i64, step: i64| {
        let height = i128::from(value.max(0)) * i128::from(base - TOP) / i128::from(step * TICKS);
        base - i64::try_from(height).unwrap_or(0)
    };
    let ticks = (0..=TICKS).map(|nth| Tick {
        y: y_of(nth * step, step),
        left: format::size(nth * step).replace("0 bytes", "0").replace(".0 ", " "),
        right: if has_line {
            format::size(nth * line_step).replace("0 bytes", "0").replace(".0 ", " ")
        } else {
            String::new()
        },
    });
    let count = (points.len() as i64).max(1);
    let slot = |nth: i64| left + (right - left) * nth / count;
    let every = (size.label * count / (right - left).max(1) + 1).max(1);
    let bars: Vec<Bar> = points
        .iter()
        .zip(0..)
        .map(|(point, nth)| {
            let room = slot(nth + 1) - slot(nth);
            let gap = (room * 2 / 9).max(1);
            let y = y_of(point.bar, step);
            // A little is seen as a little, not as nothing.
            let y = if point.bar > 0 { y.min(base - 1) } else { y };
            Bar {
                x: slot(nth) + gap,
                y,
                width: (room - 2 * gap).max(1),
                height: base - y,
                tip: point.tip.clone(),
                label: if (count - 1 - nth) % every == 0 { point.label.clone() } else { String::new() },
                middle: slot(nth) + room / 2,
                is_open: nth == count - 1,
            }
        })
        .collect();
    let dots: Vec<(i64, i64)> = if has_line {
        bars.iter().zip(points).map(|(bar, point)| (bar.middle, y_of(point.line, line_step))).collect()
    } else {
        Vec::new()
    };
    let mut line = String::new();
    for (nth, (x, y)) in dots.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(line, "{}{x} {y}", if nth == 0 { 'M' } else { 'L' });
    }
    Drawing {
        class: size.class,
        width: size.width,
        height: size.height,
        left,
        right,
        base,
        ticks: ticks.collect(),
        bars,
        line,
        dots,
    }
}

/// A round number of bytes of which [`TICKS`] are as much as `most` or more.
fn tick_step(most: i64) -> i64 {
    const ROUND: [i64; 14] = [1, 2, 3, 5, 10, 15, 20, 25, 30, 50, 75, 100, 150, 250];
    let mut unit: i64 = 1;
    loop {
        for round in ROUND {
            let step = unit.saturating_mul(round);
            if step.saturating_mul(TICKS) >= most || step > i64::MAX / 1024 {
                return step.min(i64::MAX / TICKS);
            }
        }
        unit = unit.saturating_mul(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(bars: &[i64]) -> Vec<Point> {
        let point = |&bar: &i64| Point { label: "L".into(), tip: "t".into(), bar, line: bar * 2 };
        bars.iter().map(point).collect()
    }

    #[test]
    fn axes_end_at_round_numbers_above_the_highest_bar() {
        let mb = 1024 * 1024;
        let table = [
            (0, 1),
            (4, 1),
            (5, 2),
            (1000, 250),
            (1001, 1024),
            (9 * mb, 3 * mb),
            (1000 * mb, 250 * mb),
            (1001 * mb, 1024 * mb),
        ];
        for (most, step) in table {
            assert_eq!(tick_step(most), step, "{most}");
        }
        assert!(tick_step(i64::MAX) > 0);
    }

    #[test]
    fn every_bar_stays_inside_and_is_in_order() {
        for count in [1, 12, 30] {
            let bars: Vec<i64> = (0..count).map(|nth| nth * 1_000_003).collect();
            let Some(chart) = Chart::new("x", String::new(), &points(&bars), true) else {
                assert_eq!(count, 1, "only nothing is not drawn");
                continue;
            };
            for drawing in &chart.drawings {
                assert_eq!(drawing.bars.len() as i64, count);
                for (bar, next) in drawing.bars.iter().zip(&drawing.bars[1..]) {
                    assert!(bar.x + bar.width <= next.x && bar.height <= next.height);
                }
                for bar in &drawing.bars {
                    assert!(bar.x >= drawing.left && bar.x + bar.width <= drawing.right);
                    assert!(bar.y >= TOP && bar.y + bar.height == drawing.base);
                }
                assert_eq!(drawing.dots.len() as i64, count);
                assert!(drawing.line.starts_with('M') && drawing.ticks.len() == 5);
                let open: Vec<bool> = drawing.bars.iter().map(|bar| bar.is_open).collect();
                assert_eq!(open.iter().filter(|&&open| open).count(), 1);
                assert!(open.last().is_some_and(|&open| open));
            }
        }
        assert!(Chart::new("x", String::new(), &points(&[0, 0]), true).is_none());
        assert!(Chart::new("x", String::new(), &points(&[i64::MAX / 4, 1]), true).is_some());
    }
}
