//! Names and first bytes, and pictures walked from end to end.

use std::io::{Cursor, Write};

use proptest::prelude::*;

use super::*;

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC2, 0, 11, 8];
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([1, 1, 0x11, 0]);
    bytes.extend([0xFF, 0xDA, 0, 3, 0, 1, 2, 0xFF, 0, 3, 0xFF, 0xD0, 4, 5]);
    bytes.extend([0xFF, 0xDA, 0, 3, 0, 9, 9, 0xFF, 0xD9]);
    bytes
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut ihdr = width.to_be_bytes().to_vec();
    ihdr.extend(height.to_be_bytes());
    ihdr.extend([8, 2, 0, 0, 0]);
    for (kind, data) in [(b"IHDR", ihdr), (b"IDAT", vec![1, 2, 3]), (b"IEND", vec![])] {
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(kind);
        bytes.extend(data);
        bytes.extend([0; 4]);
    }
    bytes
}

fn whole(name: &str, bytes: &[u8]) -> Result<Option<(u32, u32)>> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    claimed_by(name, &[]).unwrap().check_whole(file)
}

#[test]
fn sizes_are_read() {
    assert_eq!(whole("a.jpg", &jpeg(640, 480)).unwrap(), Some((640, 480)));
    assert_eq!(whole("a.png", &png(640, 480)).unwrap(), Some((640, 480)));
    assert_eq!(whole("a.pdf", b"%PDF-1.7").unwrap(), None);
}

#[test]
fn what_phones_append_behind_a_picture_is_kept() {
    let mut motion = jpeg(640, 480);
    motion.extend(b"....ftypmp42 a short film");
    assert!(whole("a.jpg", &motion).is_ok());
}

#[test]
fn every_cut_of_a_picture_is_noticed() {
    for (name, bytes) in [("a.jpg", jpeg(64, 48)), ("a.png", png(64, 48))] {
        for length in 0..bytes.len() {
            let refused = whole(name, &bytes[..length]).unwrap_err();
            assert!(matches!(refused, Error::Refused(Refusal::UnreadableImage { .. })), "{name} {length}");
        }
    }
}

#[test]
fn giant_and_empty_pictures_are_refused() {
    for bytes in [jpeg(64_250, 64_250), jpeg(0, 10)] {
        assert!(whole("a.jpg", &bytes).is_err());
    }
    assert!(whole("a.png", &png(u32::MAX, u32::MAX)).is_err());
    assert!(whole("a.png", &png(10_000, 10_000)).is_ok());
    assert!(whole("a.png", &png(10_001, 10_000)).is_err());
}

#[test]
fn the_first_bytes_decide() {
    let table: &[(&str, &[u8], bool)] = &[
        ("a.pdf", b"%PDF-1.7\n", true),
        ("a.PDF", b"%PDF-1.7\n", true),
        ("a.pdf", b"%PDFX", false),
        ("a.pdf", b"<html>", false),
        ("a.pdf", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", false),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", true),
        ("a.jpeg", b"\xFF\xD8\xFF\xE0", true),
        ("a.jpg", b"GIF89a", false),
    ];
    for (name, head, good) in table {
        assert_eq!(claimed_by(name, &[]).unwrap().check_head(head).is_ok(), *good, "{name} {head:?}");
    }
}

#[test]
fn unknown_extensions_are_refused_with_what_is_allowed() {
    for name in ["a.exe", "pdf", "a.pdf.exe", ".png", "a.svg"] {
        let message = claimed_by(name, &[]).unwrap_err().to_string();
        assert!(message.contains("jpg, jpeg, png, pdf"), "{message}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_walker_panic_or_hang(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = walk_jpeg(&mut Cursor::new([&[0xFF, 0xD8], bytes.as_slice()].concat()));
        let _ = walk_png(&mut Cursor::new([b"\x89PNG\r\n\x1a\n", bytes.as_slice()].concat()));
    }
}
