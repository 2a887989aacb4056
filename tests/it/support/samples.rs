//! Real files of every allowed type, as long as a test wants them.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// A red picture of 3 × 2 pixels.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAFUlEQVR4nGM8ISfHwMDAwMDAxAADABMuAQhqwGVhAAAAAElFTkSu\
    QmCC";

/// The same as a JPEG.
const JPEG: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////\
    ////////////////////2wBDAVVaWnhpeOuCguv////////////////////////////////////////////////////////////////////\
    /////wAARCAACAAMDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAP/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAA\
    AAAAAAAAAgT/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCQAKH/2Q==";

pub fn png() -> Vec<u8> {
    STANDARD.decode(PNG).unwrap()
}

pub fn jpeg() -> Vec<u8> {
    STANDARD.decode(JPEG).unwrap()
}

/// A PDF with this text in it.
pub fn pdf(text: &str) -> Vec<u8> {
    let content = format!("BT /F1 12 Tf 20 100 Td ({text}) Tj ET");
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
            .to_owned(),
        format!("<</Length {}>>stream\n{content}\nendstream", content.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    pdf_of_objects(&objects, "")
}

/// A PDF of exactly `length` bytes, its bytes all different enough to notice a shift.
pub fn pdf_of(length: usize) -> Vec<u8> {
    let mut bytes = pdf("long");
    bytes.extend((0..length.saturating_sub(bytes.len())).map(|n| (n % 251) as u8));
    bytes.truncate(length);
    bytes
}

/// A PNG whose header claims this many pixels.
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    bytes
}

/// Objects, numbered from 1, as a PDF with a table of their places, and what the trailer says besides its root, object 1.
pub fn pdf_of_objects(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        places.push(bytes.len());
        bytes.extend(format!("{} 0 obj\n{object}\nendobj\n", n + 1).into_bytes());
    }
    let (table, size) = (bytes.len(), objects.len() + 1);
    bytes.extend(format!("xref\n0 {size}\n0000000000 65535 f \n").into_bytes());
    for place in places {
        bytes.extend(format!("{place:010} 00000 n \n").into_bytes());
    }
    bytes.extend(
        format!("trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{table}\n%%EOF\n").into_bytes(),
    );
    bytes
}

/// A PDF of so many pages, each with its number on it.
pub fn pdf_of_pages(pages: usize) -> Vec<u8> {
    let kids: String = (0..pages).map(|n| format!("{} 0 R ", 4 + 2 * n)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Kids[{kids}]/Count {pages}>>"),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    for n in 0..pages {
        let content = format!("BT /F1 24 Tf 20 100 Td (Sheet number {}) Tj ET", n + 1);
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents {} 0 R/Resources<</Font<</F1 3 0 R>>>>>>",
            5 + 2 * n
        ));
        objects.push(format!("<</Length {}>>stream\n{content}\nendstream", content.len()));
    }
    pdf_of_objects(&objects, "")
}

/// A PDF that a password locks.
pub fn pdf_encrypted() -> Vec<u8> {
    let (key, id) = ("5a".repeat(32), "c3".repeat(16));
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>".to_owned(),
        format!("<</Filter/Standard/V 1/R 2/O<{key}>/U<{key}>/P -44>>"),
    ];
    pdf_of_objects(&objects, &format!("/Encrypt 4 0 R/ID[<{id}><{id}>]"))
}

/// A picture as a phone takes it lying on its side: red on the left, blue on the right, to be turned clockwise, with the
/// place where it was taken.
pub fn jpeg_lying(width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, _| {
        image::Rgb(if x < width / 2 { [220, 20, 20] } else { [20, 20, 220] })
    });
    let mut plain = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut plain, image::ImageFormat::Jpeg).unwrap();
    let plain = plain.into_inner();

    // TIFF, little-endian: one directory with the orientation and where the GPS directory is, then that.
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend(b"\x02\0");
    tiff.extend(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0");
    tiff.extend(b"\x25\x88\x04\0\x01\0\0\0\x26\0\0\0");
    tiff.extend(b"\0\0\0\0");
    tiff.extend(b"\x01\0\x1b\0\x07\0\x10\0\0\0\x38\0\0\0\0\0\0\0");
    tiff.extend(PLACE);
    let exif = [b"Exif\0\0", tiff.as_slice()].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xFF, 0xE1], &length, &exif, &plain[2..]].concat()
}

/// What [`jpeg_lying`] says of where it was taken.
pub const PLACE: &[u8; 16] = b"52.5163N 13.377E";

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
