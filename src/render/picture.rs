//! Pictures made small: turned as their EXIF orientation says, without any metadata but a colour profile.

use std::io::{Cursor, Write};

use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageResult, Limits, RgbImage,
    codecs::{jpeg::JpegDecoder, jpeg::JpegEncoder, png::PngDecoder},
    imageops::FilterType,
};

use super::{
    LARGE, Reason, THUMBNAILS,
    child::Stop,
    frame::{self, Head},
};
use crate::storage::key::Preview;

/// Longest edge that is decoded. Intake refuses pictures of more than 100 megapixels.
const EDGE_MAX: u32 = 65_535;
/// What a decoder may allocate, in bytes: 100 megapixels of four bytes.
const ALLOC_MAX: u64 = 400 * 1024 * 1024;
const QUALITY: u8 = 82;
/// A larger colour profile is left out.
const PROFILE_MAX: usize = 128 * 1024;

/// Makes the thumbnails and the large preview of a JPEG or PNG.
pub fn make(bytes: &[u8], media_type: &str, out: &mut impl Write) -> Result<(), Stop> {
    let (picture, profile) = match media_type {
        "image/png" => {
            PngDecoder::with_limits(Cursor::new(bytes), limits()).and_then(|png| decode(png, LARGE))
        }
        _ => JpegDecoder::new(Cursor::new(bytes)).and_then(|jpeg| decode(jpeg, LARGE)),
    }
    .map_err(reason)?;
    let mut ready = Vec::new();
    thumbnails(&picture, profile.as_deref(), &mut ready)?;
    // What lists wait for goes first.
    out.write_all(&ready)?;
    send(&picture, Preview::Large, profile.as_deref(), out)
}

/// Makes the thumbnails of a picture that is small already.
pub fn thumbnails(picture: &RgbImage, profile: Option<&[u8]>, out: &mut impl Write) -> Result<(), Stop> {
    for edge in THUMBNAILS {
        let (width, height) = fit(picture.dimensions(), edge);
        let small = if (width, height) == picture.dimensions() {
            picture.clone()
        } else {
            DynamicImage::from(picture.clone()).resize_exact(width, height, FilterType::CatmullRom).to_rgb8()
        };
        send(&small, Preview::Thumbnail(edge), profile, out)?;
    }
    Ok(())
}

/// Sends a picture as a JPEG that carries nothing of the original's metadata.
pub fn send(
    picture: &RgbImage,
    what: Preview,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), Stop> {
    let (width, height) = picture.dimensions();
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile.to_vec()).map_err(|_| Stop::Because(Reason::Broken))?;
    }
    encoder.write_image(picture, width, height, ExtendedColorType::Rgb8).map_err(reason)?;
    frame::write(out, &Head::Picture { what, width, height }, &jpeg)?;
    Ok(())
}

/// Decodes, shrinks and turns, in this order: only the decoded original is large.
fn decode(mut decoder: impl ImageDecoder, edge: u32) -> ImageResult<(RgbImage, Option<Vec<u8>>)> {
    decoder.set_limits(limits())?;
    let (width, height) = decoder.dimensions();
    // The decoders check some of what they allocate; the buffer of the whole picture is checked here.
    limits().reserve_usize(usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX))?;
    let orientation = decoder.orientation()?;
    let profile = decoder.icc_profile()?.filter(|profile| is_rgb(profile));
    let whole = DynamicImage::from_decoder(decoder)?;
    let (to_width, to_height) = fit((width, height), edge);
    let mut small = if (to_width, to_height) == (width, height) {
        whole
    } else {
        whole.thumbnail_exact(to_width, to_height)
    };
    small.apply_orientation(orientation);
    Ok((on_white(&small), profile))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(EDGE_MAX);
    limits.max_image_height = Some(EDGE_MAX);
    limits.max_alloc = Some(ALLOC_MAX);
    limits
}

/// The size within a square of `edge`, never larger than it was and never without width or height.
pub fn fit((width, height): (u32, u32), edge: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= edge {
        return (width, height);
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(edge);
        u32::try_from(side.div_ceil(u64::from(longest))).map_or(edge, |side| side.clamp(1, edge))
    };
    (scaled(width), scaled(height))
}

/// A profile that fits pixels which are RGB now, whatever they were in the file.
fn is_rgb(profile: &[u8]) -> bool {
    // ICC.1:2022, 7.2: the colour space is at byte 16 of the header.
    profile.len() <= PROFILE_MAX && profile.get(16..20) == Some(b"RGB ")
}

/// JPEG knows no transparency: what shows through is white, as on a page.
fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let rgba = picture.to_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0.map(u32::from);
        to.0 = [r, g, b].map(|channel| ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    rgb
}

fn reason(error: ImageError) -> Stop {
    Stop::Because(match error {
        ImageError::Limits(_) => Reason::TooLarge,
        _ => Reason::Broken,
    })
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, RgbaImage};

    use super::*;
    use crate::render::frame::PREFIX;

    fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// Everything that was sent: what it is, and the picture.
    fn sent(mut bytes: &[u8]) -> Vec<(Preview, RgbImage)> {
        let mut all = Vec::new();
        while let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() {
            let (head, body) = frame::lengths(*prefix);
            let Some(Head::Picture { what, width, height }) = frame::head(&rest[..head]) else { panic!() };
            let picture = image::load_from_memory(&rest[head..head + body]).unwrap().to_rgb8();
            assert_eq!(picture.dimensions(), (width, height));
            all.push((what, picture));
            bytes = &rest[head + body..];
        }
        all
    }

    fn made(bytes: &[u8], media_type: &str) -> Result<Vec<(Preview, RgbImage)>, Stop> {
        let mut out = Vec::new();
        make(bytes, media_type, &mut out).map(|()| sent(&out))
    }

    #[test]
    fn sizes_fit_and_never_grow() {
        let table = [
            ((4000, 3000), 320, (320, 240)),
            ((3000, 4000), 320, (240, 320)),
            ((100, 50), 320, (100, 50)),
            ((100_000, 1), 320, (320, 1)),
            ((u32::MAX, u32::MAX), 2048, (2048, 2048)),
        ];
        for (size, edge, expected) in table {
            assert_eq!(fit(size, edge), expected, "{size:?}");
        }
    }

    #[test]
    fn a_picture_gives_two_thumbnails_and_a_large_one() {
        let png = encode(RgbImage::from_pixel(3000, 1500, image::Rgb([200, 30, 30])), ImageFormat::Png);
        let made = made(&png, "image/png").unwrap();
        let sizes: Vec<_> = made.iter().map(|(what, picture)| (*what, picture.dimensions())).collect();
        let expected = [
            (Preview::Thumbnail(320), (320, 160)),
            (Preview::Thumbnail(640), (640, 320)),
            (Preview::Large, (2048, 1024)),
        ];
        assert_eq!(sizes, expected);
        let [r, g, b] = made[0].1.get_pixel(100, 100).0;
        assert!(r > 180 && g < 60 && b < 60, "{r} {g} {b}");
    }

    #[test]
    fn what_shows_through_is_white() {
        let mut picture = RgbaImage::new(10, 10);
        picture.put_pixel(0, 0, Rgba([0, 0, 0, 255]));
        let rgb = on_white(&picture.into());
        assert_eq!((rgb.get_pixel(0, 0).0, rgb.get_pixel(5, 5).0), ([0; 3], [255; 3]));
    }

    #[test]
    fn what_cannot_be_decoded_says_why() {
        let png = encode(RgbImage::new(64, 64), ImageFormat::Png);
        let jpeg = encode(RgbImage::new(64, 64), ImageFormat::Jpeg);
        let mut giant = jpeg.clone();
        let frame = giant.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
        giant[frame + 5..frame + 9].copy_from_slice(&[0xFA, 0xFA, 0xFA, 0xFA]);
        let mut bomb = png.clone();
        bomb[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        let because = |bytes: &[u8], media_type| match made(bytes, media_type) {
            Err(Stop::Because(reason)) => reason,
            _ => panic!("{media_type} was made"),
        };
        assert_eq!(because(&giant, "image/jpeg"), Reason::TooLarge);
        assert!([Reason::TooLarge, Reason::Broken].contains(&because(&bomb, "image/png")));
        assert_eq!(because(&png[..png.len() / 2], "image/png"), Reason::Broken);
        assert_eq!(because(b"", "image/jpeg"), Reason::Broken);
        assert_eq!(because(&jpeg, "image/png"), Reason::Broken);
    }
}
