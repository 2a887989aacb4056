//! Real files, made on the spot.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A file on this device, as a person would choose it.
pub struct Sample {
    pub name: String,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

impl Sample {
    fn write(folder: &Path, name: &str, bytes: Vec<u8>) -> Self {
        let path = folder.join(name);
        std::fs::write(&path, &bytes).unwrap();
        Self { name: name.to_owned(), path, bytes }
    }

    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }
}

/// A picture of each kind and a PDF, under names that people give.
pub fn good(folder: &Path) -> Vec<Sample> {
    vec![
        Sample::write(folder, "Wägeprotokoll Schale 14.png", png()),
        Sample::write(folder, "IMG_20260512_094158.jpg", jpeg()),
        Sample::write(folder, "CoA_Oakwell_26-11873.pdf", pdf()),
    ]
}

/// So many files of every kind, all different, up to half a megabyte: pictures may have bytes behind their end.
pub fn many(folder: &Path, count: usize) -> Vec<Sample> {
    let kinds = [("pdf", pdf as fn() -> Vec<u8>), ("png", png), ("jpg", jpeg)];
    let file = |nth: usize| {
        let (extension, begin) = kinds[nth % kinds.len()];
        let length = [500, 40_000, 250_000, 500_000][nth % 4];
        let mut bytes = begin();
        bytes.extend((0..length).map(|at| (at * (nth + 1) % 251) as u8));
        Sample::write(folder, &format!("Charge {nth:02} Prüfung.{extension}"), bytes)
    };
    (0..count).map(file).collect()
}

/// Files that are refused, each with a word of the reason.
pub fn bad(folder: &Path) -> Vec<(Sample, &'static str)> {
    let large = [b"%PDF-1.7\n".to_vec(), vec![b'x'; 2 * 1024 * 1024]].concat();
    vec![
        (Sample::write(folder, "empty.pdf", Vec::new()), "empty"),
        (Sample::write(folder, "notes.docx", b"PK\x03\x04".to_vec()), "docx"),
        (Sample::write(folder, "really a page.pdf", b"<html>hello</html>".to_vec()), "PDF"),
        (Sample::write(folder, "too large.pdf", large), "limit"),
    ]
}

fn png() -> Vec<u8> {
    // One orange pixel; the checksums are those of these chunks.
    hex::decode(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de\
         0000000c4944415478da63f8dfa10400043301aab1d3369e0000000049454e44ae426082",
    )
    .unwrap()
}

fn jpeg() -> Vec<u8> {
    // A grey square of 8 by 8 pixels in one baseline scan (ITU-T T.81).
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    for class in [0x00, 0x10] {
        bytes.extend([0xFF, 0xC4, 0, 20, class, 1]);
        bytes.extend([0; 15]);
        bytes.push(0);
    }
    bytes.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0b0011_1111, 0xFF, 0xD9]);
    bytes
}

fn pdf() -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>",
    ];
    let (mut text, mut offsets) = ("%PDF-1.4\n".to_owned(), Vec::new());
    for (nth, object) in objects.iter().enumerate() {
        offsets.push(text.len());
        text += &format!("{} 0 obj{object}endobj\n", nth + 1);
    }
    let start = text.len();
    text += "xref\n0 4\n0000000000 65535 f \n";
    for offset in offsets {
        text += &format!("{offset:010} 00000 n \n");
    }
    text += &format!("trailer<</Size 4/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n");
    text.into_bytes()
}
