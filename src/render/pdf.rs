//! PDFs: the number of pages, pictures of the first ones, the text.

use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
};

use hayro::{
    RenderCache, RenderSettings, hayro_interpret::InterpreterSettings, hayro_interpret::TransformExt,
    hayro_syntax::DecryptionError, hayro_syntax::LoadPdfError, hayro_syntax::Pdf, hayro_syntax::page::Page,
    kurbo::Affine, vello_cpu::Pixmap, vello_cpu::RasterizerSettings, vello_cpu::RenderContext,
    vello_cpu::Resources, vello_cpu::TargetInit, vello_cpu::color::palette::css::WHITE,
};
use image::RgbImage;
use nix::sys::resource::{UsageWho, getrusage};

use super::{
    PAGE, PAGES, Reason,
    child::Stop,
    frame::{self, Head},
    picture, text,
};
use crate::storage::key::Preview;

/// No further page is begun after so many seconds on a processor: the first ones are what people look at.
const ENOUGH: i64 = 10;

/// Makes the first page with its thumbnails, then the text, then the other pages: what is wanted most comes before
/// what may go wrong.
pub fn make(bytes: Vec<u8>, out: &mut impl Write) -> Result<(), Stop> {
    let pdf = Pdf::new(bytes).map_err(|error| {
        Stop::Because(match error {
            LoadPdfError::Decryption(
                DecryptionError::PasswordProtected | DecryptionError::UnsupportedAlgorithm,
            ) => Reason::Encrypted,
            LoadPdfError::Decryption(_) | LoadPdfError::Invalid => Reason::Broken,
        })
    })?;
    let pages = pdf.pages();
    frame::write(out, &Head::Pages(u32::try_from(pages.len()).unwrap_or(u32::MAX)), &[])?;
    let first = pages.first().ok_or(Stop::Because(Reason::Broken))?;
    let cache = RenderCache::new();
    let drawn = draw(first, &cache)?;
    picture::thumbnails(&drawn, None, out)?;
    picture::send(&drawn, Preview::Page(1), None, out)?;

    // Its own parser panics on odd files that can be drawn all the same.
    if let Ok(text) = catch_unwind(AssertUnwindSafe(|| text::of_pdf(pdf.data().as_ref())))
        && !text.is_empty()
    {
        frame::write(out, &Head::Text, text.as_bytes())?;
    }
    for (number, page) in (1..=PAGES).zip(pages.iter()).skip(1) {
        if getrusage(UsageWho::RUSAGE_SELF).is_ok_and(|usage| usage.user_time().tv_sec() >= ENOUGH) {
            break;
        }
        picture::send(&draw(page, &cache)?, Preview::Page(number), None, out)?;
    }
    Ok(())
}

/// A page on white, [`PAGE`] pixels at its longest edge.
fn draw<'a>(page: &'a Page<'a>, cache: &RenderCache<'a>) -> Result<RgbImage, Stop> {
    let (width, height) = page.render_dimensions();
    let longest = width.max(height);
    if !(longest.is_finite() && width > 0.0 && height > 0.0) {
        return Err(Stop::Because(Reason::Broken));
    }
    let scale = PAGE as f32 / longest;
    // A cast of a float saturates; a page as thin as a thread keeps one pixel.
    let pixels = |side: f32| ((side * scale).round() as u16).clamp(1, PAGE as u16);
    let mut context = RenderContext::new(pixels(width), pixels(height));
    let transform = Affine::scale(scale.into()) * page.initial_transform(true).to_kurbo();
    let settings = InterpreterSettings::default();
    hayro::render_into(page, cache, &settings, &RenderSettings::default(), &mut context, transform);
    context.flush();
    let mut pixmap = Pixmap::new(context.width(), context.height());
    let on_white = RasterizerSettings { target_init: TargetInit::Clear(WHITE), ..Default::default() };
    context.render_with(&mut pixmap, &mut Resources::default(), on_white);

    // Opaque, so that premultiplied and plain are the same.
    let rgb = pixmap.data().iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect();
    RgbImage::from_raw(pixmap.width().into(), pixmap.height().into(), rgb)
        .ok_or(Stop::Because(Reason::Broken))
}
