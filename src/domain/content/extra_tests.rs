//! Each further type: what is one, and what only says so.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const XLSX: Format = Format::Office("xl/workbook.xml");
const DOCX: Format = Format::Office("word/document.xml");

fn webp_of(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend(*kind);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(*data);
        body.resize(body.len() + data.len() % 2, 0);
    }
    [b"RIFF".as_slice(), &(body.len() as u32).to_le_bytes(), &body].concat()
}

fn boxes(parts: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, data) in parts {
        bytes.extend((data.len() as u32 + 8).to_be_bytes());
        bytes.extend(*kind);
        bytes.extend(*data);
    }
    bytes
}

/// A ZIP of empty files.
fn zip(names: &[&str]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for name in names {
        let offset = bytes.len() as u32;
        let mut common = [0; 26];
        common[22] = name.len() as u8;
        bytes.extend([b"PK\x03\x04".as_slice(), &common, name.as_bytes()].concat());
        let mut entry = [0; 42];
        entry[24] = name.len() as u8;
        entry[38..42].copy_from_slice(&offset.to_le_bytes());
        directory.extend([b"PK\x01\x02".as_slice(), &entry, name.as_bytes()].concat());
    }
    let mut end = [0; 18];
    end[8..12].copy_from_slice(&(directory.len() as u32).to_le_bytes());
    end[12..16].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    [bytes, directory, b"PK\x05\x06".to_vec(), end.to_vec()].concat()
}

fn is_taken(format: Format, bytes: &[u8]) -> bool {
    format.begins(&bytes[..bytes.len().min(64)]) && format.check(&mut Cursor::new(bytes)).is_ok()
}

#[test]
fn what_it_says_is_taken_and_liars_are_not() {
    let types = "[Content_Types].xml";
    let (heic, avif) = (b"heic\0\0\0\0mif1heic".as_slice(), b"avif\0\0\0\0mif1avif".as_slice());
    let picture = (b"VP8 ", b"picture".as_slice());
    let table: Vec<(&str, Format, Vec<u8>, bool)> = vec![
        ("webp", Format::Webp, webp_of(&[picture]), true),
        ("extended webp", Format::Webp, webp_of(&[(b"VP8X", &[0; 10]), (b"VP8L", b"x")]), true),
        ("webp without a picture", Format::Webp, webp_of(&[(b"VP8X", &[0; 10])]), false),
        ("wave as webp", Format::Webp, b"RIFF\x10\0\0\0WAVEfmt 12345678".to_vec(), false),
        ("odd first chunk", Format::Webp, webp_of(&[(b"EXIF", b"x"), picture]), false),
        ("heic", Format::Heic, boxes(&[(b"ftyp", heic), (b"meta", b"m"), (b"mdat", b"d")]), true),
        ("heic without data", Format::Heic, boxes(&[(b"ftyp", heic), (b"meta", b"m")]), false),
        ("avif as heic", Format::Heic, boxes(&[(b"ftyp", avif), (b"meta", b"m"), (b"mdat", b"d")]), false),
        ("film as heic", Format::Heic, boxes(&[(b"ftyp", b"isom\0\0\0\0mp42"), (b"mdat", b"d")]), false),
        ("csv", Format::Csv, b"batch,product\r\n1,Soap\r\n".to_vec(), true),
        ("csv with a mark", Format::Csv, b"\xEF\xBB\xBFbatch;product\n1;S\xC3\xA4ge".to_vec(), true),
        ("csv of an old Excel", Format::Csv, b"batch;product\n1;S\xE4ge".to_vec(), true),
        ("no columns", Format::Csv, b"only\nlines, here".to_vec(), false),
        ("utf-16", Format::Csv, b"\xFF\xFEa\0,\0b\0".to_vec(), false),
        ("text", Format::Text, "Prüfung bestanden\n".into(), true),
        ("page as text", Format::Text, b" <!DOCTYPE html><p>".to_vec(), false),
        ("pdf as text", Format::Text, b"%PDF-1.7\n".to_vec(), false),
        ("script as text", Format::Text, b"#!/bin/sh\n".to_vec(), false),
        ("program as text", Format::Text, b"\x7FELF\x02\x01\x01\0".to_vec(), false),
        ("binary behind text", Format::Text, [vec![b'a'; 200], vec![0]].concat(), false),
        ("xlsx", XLSX, zip(&[types, "xl/workbook.xml"]), true),
        ("docx", DOCX, zip(&[types, "word/document.xml"]), true),
        ("docx as xlsx", XLSX, zip(&[types, "word/document.xml"]), false),
        ("zip as xlsx", XLSX, zip(&["notes.txt"]), false),
        ("macros", XLSX, zip(&[types, "xl/workbook.xml", "xl/vbaProject.bin"]), false),
        ("old word as docx", DOCX, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec(), false),
    ];
    for (what, format, bytes, good) in table {
        assert_eq!(is_taken(format, &bytes), good, "{what}");
    }
}

#[test]
fn every_cut_is_noticed_where_there_is_a_structure() {
    let heic = b"heic\0\0\0\0mif1heic".as_slice();
    let samples = [
        (Format::Webp, webp_of(&[(b"VP8 ", b"pict")])),
        (Format::Heic, boxes(&[(b"ftyp", heic), (b"meta", b"m"), (b"mdat", b"d")])),
        (XLSX, zip(&["[Content_Types].xml", "xl/workbook.xml"])),
    ];
    for (format, bytes) in samples {
        assert!(is_taken(format, &bytes), "{format:?}");
        for length in 0..bytes.len() {
            assert!(!is_taken(format, &bytes[..length]), "{format:?} {length}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_check_panic_or_hang(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for format in [Format::Webp, Format::Heic, Format::Csv, Format::Text, XLSX] {
            let begin: &[u8] = match format {
                Format::Webp => b"RIFF\x10\x02\0\0WEBP",
                Format::Office(_) => b"PK\x05\x06",
                _ => b"",
            };
            let _ = format.check(&mut Cursor::new([begin, &bytes].concat()));
            let _ = format.begins(&bytes);
        }
    }
}
