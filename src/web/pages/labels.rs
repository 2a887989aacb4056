//! Printable labels with a QR code that leads a phone to the upload page of a batch.

use actix_web::{HttpRequest, web};
use fast_qr::{ECL, QRBuilder};

use super::{
    frame, render,
    view::{
        batches::BatchRef,
        frame::Place,
        labels::{LabelPage, LabelView, QrCode},
    },
};
use crate::{
    domain::labels::{self, Label, Labels},
    error::{Error, Result},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Fields, Parts},
    },
};

/// `GET /batches/{id}/label`
pub async fn one(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let labels = labels::one(&app, &by.actor, extract::id(&path)?).await?;
    let single = labels
        .labels
        .first()
        .map(|label| BatchRef { id: label.batch.id, number: label.batch.number.clone() });
    page(&req, &app, &by, labels, single)
}

/// `GET /batches/labels?ids=…&ids=…`
pub async fn several(req: HttpRequest, app: Parts, by: CurrentUser, query: web::Query<Fields>) -> WebResult {
    let labels = labels::several(&app, &by.actor, query.ids("ids")).await?;
    page(&req, &app, &by, labels, None)
}

fn page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    labels: Labels,
    single: Option<BatchRef>,
) -> WebResult {
    let title = match &single {
        Some(batch) => format!("Label {}", batch.number),
        None => "Labels".to_owned(),
    };
    let mut frame = frame(req, by, title, Place::Batches);
    frame.sites_shown = labels.many_sites;
    let base = app.config.public_url.as_str();
    let labels = labels.labels.into_iter().map(|label| view(label, base)).collect::<Result<_>>()?;
    let unreachable = is_loopback(base).then(|| base.to_owned());
    render(&LabelPage { frame, single, labels, unreachable })
}

fn view(label: Label, base: &str) -> Result<LabelView> {
    let Label { batch, site } = label;
    Ok(LabelView {
        code: code(&format!("{base}/batches/{}?add=1", batch.id))?,
        number: batch.number,
        product: batch.product,
        made_at: batch.created_at,
        site,
    })
}

/// A code that can be read with a seventh of it dirty or torn off.
fn code(address: &str) -> Result<QrCode> {
    let code = QRBuilder::new(address)
        .ecl(ECL::M)
        .build()
        .map_err(|error| Error::internal(anyhow::anyhow!("the address does not fit a QR code: {error}")))?;
    let mut path = String::new();
    for y in 0..code.size {
        let row = &code[y];
        let mut x = 0;
        while x < code.size {
            let run = row[x..code.size].iter().take_while(|module| module.value()).count();
            if run > 0 {
                path.push_str(&format!("M{x} {y}h{run}v1h-{run}z"));
            }
            x += run + 1;
        }
    }
    Ok(QrCode { size: code.size, path })
}

/// Whether an address leads every device to itself, so that no phone finds this server there.
fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = match rest.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => rest.split(['/', ':']).next().unwrap_or_default(),
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_phone_finds() {
        let table = [
            ("http://127.0.0.1:8080", true),
            ("http://127.1.2.3", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://0.0.0.0:8080", true),
            ("http://[::]:8080", true),
            ("https://stillage.example.com", false),
            ("http://192.168.1.7:8080", false),
            ("http://localhost.example.com", false),
            ("http://[fd00::1]:8080", false),
        ];
        for (url, expected) in table {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }

    #[test]
    fn a_code_has_its_finders() {
        let code =
            code("https://stillage.example.com/batches/019377a0-0000-7000-8000-000000000000?add=1").unwrap();
        // Version 5 to 7 for such an address, and each begins with the top line of a finder.
        assert!((37..=45).contains(&code.size), "{}", code.size);
        assert!(code.path.starts_with("M0 0h7v1h-7z"));
    }
}
