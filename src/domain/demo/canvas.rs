//! A picture to draw on: rectangles with round corners, letters of five by three points, and an encoder.

use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder};

use crate::error::{Error, Result};

pub type Colour = [u8; 3];

/// Quality of JPEGs: what phones choose.
const QUALITY: u8 = 82;

pub struct Canvas {
    pub width: u32,
    pub height: u32,
    pixels: Vec<u8>,
}

/// A rectangle by its upper left corner and size.
#[derive(Clone, Copy, Debug)]
pub struct Rect {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

impl Canvas {
    /// One that `colour_at` paints, given each place in thousandths of width and height.
    pub fn new(width: u32, height: u32, colour_at: impl Fn(u32, u32) -> Colour) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x * 1000 / width, y * 1000 / height)));
        Self { width, height, pixels: places.flat_map(|(x, y)| colour_at(x, y)).collect() }
    }

    /// Lays a colour over a rectangle, `share` of it in hundredths.
    pub fn fill(&mut self, rect: Rect, radius: i32, colour: Colour, share: u32) {
        for y in rect.y.max(0)..(rect.y + rect.height).min(self.height as i32) {
            for x in rect.x.max(0)..(rect.x + rect.width).min(self.width as i32) {
                if rect.holds(x, y, radius) {
                    self.blend(x as u32, y as u32, colour, share);
                }
            }
        }
    }

    fn blend(&mut self, x: u32, y: u32, colour: Colour, share: u32) {
        let at = ((y * self.width + x) * 3) as usize;
        for (old, new) in self.pixels[at..at + 3].iter_mut().zip(colour) {
            *old = ((u32::from(*old) * (100 - share) + u32::from(new) * share) / 100) as u8;
        }
    }

    /// Writes capitals, digits and dashes, each point of a letter `point` pixels wide.
    pub fn write(&mut self, text: &str, x: i32, y: i32, point: i32, colour: Colour) {
        for (nth, letter) in text.to_uppercase().chars().enumerate() {
            for (row, bits) in glyph(letter).into_iter().enumerate() {
                for column in (0..3).filter(|column| bits & (4 >> column) != 0) {
                    let (x, y) = (x + (nth as i32 * 4 + column) * point, y + row as i32 * point);
                    self.fill(Rect { x, y, width: point, height: point }, 0, colour, 100);
                }
            }
        }
    }

    /// Makes every pixel a little lighter or darker, as sensors do.
    pub fn grain(&mut self, mut next: impl FnMut() -> u64) {
        for pixel in self.pixels.chunks_exact_mut(3) {
            let shift = (next() % 5) as i16 - 2;
            pixel.iter_mut().for_each(|value| *value = (i16::from(*value) + shift).clamp(0, 255) as u8);
        }
    }

    pub fn jpeg(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, QUALITY)
            .write_image(&self.pixels, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(Error::internal)?;
        Ok(bytes)
    }

    pub fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes)
            .write_image(&self.pixels, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(Error::internal)?;
        Ok(bytes)
    }
}

impl Rect {
    fn holds(self, x: i32, y: i32, radius: i32) -> bool {
        // How far the place reaches into a corner, beyond the middle of its circle.
        let beyond = |at: i32, length: i32| (radius - at).max(at - (length - 1 - radius)).max(0);
        let (dx, dy) = (beyond(x - self.x, self.width), beyond(y - self.y, self.height));
        dx * dx + dy * dy <= radius * radius
    }
}

/// The five rows of a letter, three bits each.
fn glyph(letter: char) -> [u8; 5] {
    match letter {
        '0' | 'O' => [7, 5, 5, 5, 7],
        '1' => [2, 6, 2, 2, 7],
        '2' => [7, 1, 7, 4, 7],
        '3' => [7, 1, 7, 1, 7],
        '4' => [5, 5, 7, 1, 1],
        '5' | 'S' => [7, 4, 7, 1, 7],
        '6' => [7, 4, 7, 5, 7],
        '7' => [7, 1, 1, 1, 1],
        '8' => [7, 5, 7, 5, 7],
        '9' => [7, 5, 7, 1, 7],
        'A' => [2, 5, 7, 5, 5],
        'B' => [6, 5, 6, 5, 6],
        'C' => [3, 4, 4, 4, 3],
        'D' => [6, 5, 5, 5, 6],
        'E' => [7, 4, 6, 4, 7],
        'F' => [7, 4, 6, 4, 4],
        'G' => [3, 4, 5, 5, 3],
        'H' => [5, 5, 7, 5, 5],
        'I' => [7, 2, 2, 2, 7],
        'J' => [1, 1, 1, 5, 2],
        'K' => [5, 5, 6, 5, 5],
        'L' => [4, 4, 4, 4, 7],
        'M' => [5, 7, 7, 5, 5],
        'N' => [6, 5, 5, 5, 5],
        'P' => [6, 5, 6, 4, 4],
        'Q' => [2, 5, 5, 6, 3],
        'R' => [6, 5, 6, 5, 5],
        'T' => [7, 2, 2, 2, 2],
        'U' => [5, 5, 5, 5, 7],
        'V' => [5, 5, 5, 5, 2],
        'W' => [5, 5, 7, 7, 5],
        'X' => [5, 5, 2, 5, 5],
        'Y' => [5, 5, 2, 2, 2],
        'Z' => [7, 1, 2, 4, 7],
        '-' => [0, 0, 7, 0, 0],
        '.' => [0, 0, 0, 0, 2],
        '&' => [2, 5, 2, 5, 3],
        _ => [0; 5],
    }
}
