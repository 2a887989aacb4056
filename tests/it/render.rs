//! The child that draws, with files that mean harm: whatever they are, it ends soon, within its bounds, and says why.

use std::{
    fs::File,
    io::{Seek, Write},
    os::unix::fs::MetadataExt,
};

use image::{GrayImage, ImageFormat};
use stillage::{
    render::{Piece, Reason, Renderer},
    storage::key::Preview,
};

use crate::support::samples;

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// What was made, and why no more.
async fn drawn(bytes: &[u8], media_type: &str) -> (Vec<Piece>, Option<Reason>) {
    let renderer = Renderer::new(env!("CARGO_BIN_EXE_stillage").into());
    let mut rendering = renderer.start(file(bytes), media_type).unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = rendering.next().await.unwrap() {
        pieces.push(piece);
    }
    (pieces, rendering.end().await.unwrap())
}

fn pictures(pieces: &[Piece]) -> Vec<Preview> {
    let what = |piece: &Piece| match piece {
        Piece::Picture { what, .. } => Some(*what),
        _ => None,
    };
    pieces.iter().filter_map(what).collect()
}

/// Bytes without any order, the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// CRC-32 as PNG has it (ISO/IEC 15948, annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
}

/// A sound PNG that unpacks to `edge` × `edge` bytes, and the compressed stream in it.
fn packed_zeros(edge: u32) -> (Vec<u8>, Vec<u8>) {
    let mut png = std::io::Cursor::new(Vec::new());
    GrayImage::new(edge, edge).write_to(&mut png, ImageFormat::Png).unwrap();
    let png = png.into_inner();
    let (mut stream, mut rest) = (Vec::new(), &png[8..]);
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        if tail.starts_with(b"IDAT") {
            stream.extend(&tail[4..4 + length]);
        }
        rest = &tail[4 + length + 4..];
    }
    (png, stream)
}

/// The same stream under a header that claims 100 megapixels of eight bytes each.
fn png_bomb(stream: &[u8]) -> Vec<u8> {
    let header = [&10_000u32.to_be_bytes()[..], &10_000u32.to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header)[..], &chunk(b"IDAT", stream), &chunk(b"IEND", b"")]
        .concat()
}

/// A page whose content unpacks to gigabytes.
fn pdf_bomb(stream: &[u8], streams: usize) -> Vec<u8> {
    let contents: String = (0..streams).map(|n| format!("{} 0 R ", 4 + n)).collect();
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents[{contents}]>>"),
    ];
    let mut bytes = samples::pdf_of_objects(&objects, "");
    let end = bytes.windows(4).position(|window| window == b"xref").unwrap();
    bytes.truncate(end);
    // Without a table, it is found by looking through the file.
    for n in 0..streams {
        bytes.extend(
            format!("{} 0 obj\n<</Length {}/Filter/FlateDecode>>stream\n", 4 + n, stream.len()).into_bytes(),
        );
        bytes.extend(stream);
        bytes.extend(b"\nendstream\nendobj\n");
    }
    bytes.extend(b"trailer\n<</Root 1 0 R>>\n%%EOF\n");
    bytes
}

#[tokio::test]
async fn a_picture_and_a_document_are_drawn() {
    let (pieces, reason) = drawn(&samples::jpeg_lying(600, 300), "image/jpeg").await;
    assert_eq!(reason, None);
    let expected = [Preview::Thumbnail(320), Preview::Thumbnail(640), Preview::Large];
    assert_eq!(pictures(&pieces), expected);

    let (pieces, reason) = drawn(&samples::pdf_of_pages(25), "application/pdf").await;
    assert_eq!(reason, None);
    assert!(matches!(pieces[0], Piece::Pages(25)));
    let made = pictures(&pieces);
    assert_eq!(made[..3], [Preview::Thumbnail(320), Preview::Thumbnail(640), Preview::Page(1)]);
    assert_eq!((made.len(), made.last()), (22, Some(&Preview::Page(20))), "no more than the first twenty");
    let text = pieces.iter().find_map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        _ => None,
    });
    assert!(text.unwrap().contains("Sheet number 25"), "the text is that of all pages: {text:?}");
}

#[tokio::test]
async fn files_that_mean_harm_end_the_child_and_nothing_else() {
    let (packed, stream) = packed_zeros(10_000);
    assert!(packed.len() < 2_000_000, "{} bytes that unpack to a hundred millions", packed.len());
    let (pdf, png, jpeg) = ("application/pdf", "image/png", "image/jpeg");
    let sound = samples::jpeg_lying(600, 300);
    let mut giant = sound.clone();
    let frame = giant.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    giant[frame + 5..frame + 9].copy_from_slice(&[0xFA, 0xFA, 0xFA, 0xFA]);
    let tree = |kids: &str| {
        let objects =
            ["<</Type/Catalog/Pages 2 0 R>>".to_owned(), format!("<</Type/Pages/Kids[{kids}]/Count 9>>")];
        samples::pdf_of_objects(&objects, "")
    };
    let form = "/Resources<</XObject<</X 4 0 R>>>>";
    let in_itself = samples::pdf_of_objects(
        &[
            "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
            "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
            format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]{form}/Contents 4 0 R>>"),
            format!("<</Type/XObject/Subtype/Form/BBox[0 0 9 9]{form}/Length 5>>stream\n/X Do\nendstream"),
        ],
        "",
    );
    let nested = format!("<</Type/Catalog/Pages 2 0 R/X {}{}>>", "[".repeat(300_000), "]".repeat(300_000));
    let pages = samples::pdf_of_pages(3);
    let table: Vec<(&str, Vec<u8>, &str, &[Reason])> = vec![
        ("bomb", png_bomb(&stream), png, &[Reason::TooLarge]),
        ("giant header", giant, jpeg, &[Reason::TooLarge]),
        ("cut png", packed[..packed.len() / 2].to_vec(), png, &[Reason::Broken]),
        ("encrypted", samples::pdf_encrypted(), pdf, &[Reason::Encrypted]),
        ("its own parent", tree("2 0 R"), pdf, &[Reason::Broken, Reason::TooMuch, Reason::TooLong]),
        ("no page", tree(""), pdf, &[Reason::Broken]),
        ("nested", nested.into_bytes(), pdf, &[Reason::Broken, Reason::TooMuch]),
        ("noise as pdf", [b"%PDF-1.7\n", noise(200_000).as_slice()].concat(), pdf, &[Reason::Broken]),
        ("noise as jpeg", [b"\xFF\xD8\xFF", noise(200_000).as_slice()].concat(), jpeg, &[Reason::Broken]),
        ("noise as png", [b"\x89PNG\r\n\x1a\n", noise(200_000).as_slice()].concat(), png, &[Reason::Broken]),
        ("nothing", Vec::new(), pdf, &[Reason::Broken]),
    ];
    for (what, bytes, media_type, reasons) in table {
        let (pieces, reason) = drawn(&bytes, media_type).await;
        assert!(reason.is_some_and(|reason| reasons.contains(&reason)), "{what}: {reason:?}");
        assert!(!pictures(&pieces).contains(&Preview::Large), "{what}");
    }
    // A form that draws itself costs the text and nothing else.
    let (pieces, reason) = drawn(&in_itself, pdf).await;
    assert_eq!((reason, pictures(&pieces).contains(&Preview::Page(1))), (None, true));
    // These may be drawn, as far as they go, or not: both are sound.
    for (bytes, media_type) in [
        (tree("1 0 R 2 0 R 1 0 R"), pdf),
        (pdf_bomb(&stream, 20), pdf),
        (pages[..pages.len() / 2].to_vec(), pdf),
        (sound[..sound.len() / 2].to_vec(), jpeg),
    ] {
        drawn(&bytes, media_type).await;
    }
}

/// The process whose standard input is this file.
fn reader_of(file: &File) -> std::path::PathBuf {
    let is_it = |process: &std::path::PathBuf| {
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let input = std::fs::metadata(process.join("fd/0")).map(|input| (input.dev(), input.ino()));
        let own = file.metadata().unwrap();
        command.starts_with(b"stillage\0render") && input.ok() == Some((own.dev(), own.ino()))
    };
    let all = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    all.into_iter().find(is_it).expect("a child that reads the file")
}

/// It stands still while nobody reads what it writes, so that it can be looked at.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[tokio::test]
async fn a_child_has_given_up_what_it_does_not_need() {
    let renderer = Renderer::new(env!("CARGO_BIN_EXE_stillage").into());
    let input = file(&samples::pdf_of_pages(20));
    let mut rendering = renderer.start(input.try_clone().unwrap(), "application/pdf").unwrap();
    assert!(matches!(rendering.next().await.unwrap(), Some(Piece::Pages(20))));
    let process = reader_of(&input);
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "Threads:\t1"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    assert_eq!(std::fs::read(process.join("environ")).unwrap(), b"");
    let limits = std::fs::read_to_string(process.join("limits")).unwrap();
    for limit in ["Max file size", "Max core file size", "Max processes"] {
        let line = limits.lines().find(|line| line.starts_with(limit)).unwrap();
        assert_eq!(line.split_whitespace().filter(|word| *word == "0").count(), 2, "{line}");
    }
    // Standard input, output and errors, and the one way out.
    assert_eq!(std::fs::read_dir(process.join("fd")).unwrap().count(), 4);
}

#[tokio::test]
async fn a_child_that_is_dropped_is_gone() {
    let renderer = Renderer::new(env!("CARGO_BIN_EXE_stillage").into());
    let mut rendering = renderer.start(file(&samples::pdf_of_pages(20)), "application/pdf").unwrap();
    assert!(matches!(rendering.next().await.unwrap(), Some(Piece::Pages(20))));
    drop(rendering);
}

#[tokio::test]
async fn what_is_no_renderer_is_an_error_and_may_be_tried_again() {
    assert!(Renderer::new("/nowhere".into()).start(file(b""), "image/png").is_err());
    let rendering = Renderer::new("/bin/true".into()).start(file(b""), "image/png").unwrap();
    assert_eq!(rendering.end().await.unwrap(), Some(Reason::TooLong), "it was not listened to");
    let mut rendering = Renderer::new("/bin/true".into()).start(file(b""), "image/png").unwrap();
    assert!(rendering.next().await.unwrap().is_none());
    assert_eq!(rendering.end().await.unwrap(), Some(Reason::Broken));
}
