//! Own two-factor: turned on, turned off; and the second step of signing in.

use actix_web::{HttpRequest, http::StatusCode};

use super::{
    auth::{come_back, enter, local_path, problem},
    frame, frame_of_stranger, render, render_as, see_other,
    view::{
        auth::GateMessage,
        form::Field,
        frame::Place,
        two_factor::{Enrol, SecondPage, Stand, TwoFactorPage},
    },
};
use crate::{
    domain::{
        second_step,
        two_factor::{self, Enrolment, Status},
    },
    error::{Error, FieldError, Result},
    web::{
        browser,
        error::{WebResult, wants_json},
        extract::{CurrentUser, Parts, Posted, PublicForm},
        flash::Flash,
        session,
    },
};

const PATH: &str = "/account/two-factor";

/// Where the page shows what is wrong with the password for new recovery codes: it has two forms with that field.
const CODES_PASSWORD: &str = "codes_password";

/// `GET /account/two-factor`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    page(&req, &app, &by, StatusCode::OK, &[]).await
}

/// `POST /account/two-factor`: begins. The answer carries the secret, for it must not be kept in a session.
pub async fn begin(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let enrolment = two_factor::begin(&app, &form.by.actor, &form.by.user.username).await?;
    render(&enrolling(&req, &form.by, enrolment, &[])?)
}

/// `POST /account/two-factor/confirm`: the answer carries the recovery codes.
pub async fn confirm(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let password = fields.text("password").to_owned().into();
    match two_factor::confirm(&app, &by.actor, password, fields.text("code")).await {
        Ok(codes) => render(&in_state(&req, &by, Stand::Codes { codes, are_renewed: false }, &[])),
        Err(Error::Invalid(problems)) if !wants_json(&req) => {
            let enrolment = two_factor::pending(&app, &by.actor, &by.user.username).await?;
            render_as(StatusCode::UNPROCESSABLE_ENTITY, &enrolling(&req, &by, enrolment, &problems)?)
        }
        Err(other) => Err(other.into()),
    }
}

/// `POST /account/two-factor/codes`: the answer carries the new recovery codes.
pub async fn renew_codes(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    match two_factor::renew_codes(&app, &by.actor, fields.text("password").to_owned().into()).await {
        Ok(codes) => render(&in_state(&req, &by, Stand::Codes { codes, are_renewed: true }, &[])),
        Err(Error::Invalid(problems)) if !wants_json(&req) => {
            let problems: Vec<_> = problems
                .into_iter()
                .map(|problem| FieldError::new(CODES_PASSWORD, problem.message))
                .collect();
            page(&req, &app, &by, StatusCode::UNPROCESSABLE_ENTITY, &problems).await
        }
        Err(other) => Err(other.into()),
    }
}

/// `POST /account/two-factor/disable`
pub async fn disable(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    match two_factor::turn_off(&app, &by.actor, fields.text("password").to_owned().into()).await {
        Ok(()) => {
            Flash::done("Two-factor is off").keep(&by.session);
            Ok(see_other(PATH))
        }
        Err(Error::Invalid(problems)) if !wants_json(&req) => {
            page(&req, &app, &by, StatusCode::UNPROCESSABLE_ENTITY, &problems).await
        }
        Err(other) => Err(other.into()),
    }
}

async fn page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    status: StatusCode,
    problems: &[FieldError],
) -> WebResult {
    let stand = match two_factor::status(app, &by.actor).await? {
        Status::Off => Stand::Off,
        Status::On { since, codes_left, is_required } => Stand::On { since, codes_left, is_required },
    };
    render_as(status, &in_state(req, by, stand, problems))
}

fn enrolling(
    req: &HttpRequest,
    by: &CurrentUser,
    enrolment: Enrolment,
    problems: &[FieldError],
) -> Result<TwoFactorPage> {
    let qr = fast_qr::QRBuilder::new(enrolment.uri)
        .build()
        .map_err(|error| Error::Internal(anyhow::anyhow!("the QR code cannot be made: {error:?}")))?;
    // Black on white, in the dark too: that is what cameras read.
    let qr = fast_qr::convert::svg::SvgBuilder::default().to_str(&qr);
    Ok(in_state(req, by, Stand::Enrolling(Enrol { secret: enrolment.secret, qr }), problems))
}

fn in_state(req: &HttpRequest, by: &CurrentUser, stand: Stand, problems: &[FieldError]) -> TwoFactorPage {
    TwoFactorPage {
        frame: frame(req, by, "Two-factor", Place::Elsewhere),
        stand,
        must_enrol: by.user.must_enrol,
        code: Field { value: String::new(), error: problem(problems, "code") },
        password_error: problem(problems, "password"),
        codes_password_error: problem(problems, CODES_PASSWORD),
    }
}

/// The page that asks for the code, after the password.
pub(super) fn second(
    req: &HttpRequest,
    half: String,
    next: &str,
    message: Option<GateMessage>,
) -> SecondPage {
    SecondPage { frame: frame_of_stranger(req, "Sign in"), half, next: next.to_owned(), message }
}

/// `POST /login/second`
pub async fn finish(req: HttpRequest, app: Parts, form: PublicForm) -> WebResult {
    let (half, next) = (form.fields.text("half"), local_path(form.fields.text("next")));
    let csrf = session::csrf_token(&form.session);
    let visitor = browser::visitor(&req, &app);
    match second_step::finish(&app, half, &csrf, form.fields.text("code"), &visitor).await {
        Ok(user) => enter(&req, &app, &user, next),
        Err(Error::Unauthenticated) => {
            let message = GateMessage {
                title: "That code does not count".to_owned(),
                text: "Each counts once and not for long. Wait for the next one, or begin again.".to_owned(),
            };
            render_as(StatusCode::UNAUTHORIZED, &second(&req, half.to_owned(), next, Some(message)))
        }
        Err(Error::Throttled { retry_after }) => {
            let seconds = retry_after.as_secs().max(1);
            let message = GateMessage {
                title: "Too many attempts".to_owned(),
                text: format!("Try again in {seconds} s. A recovery code counts at once."),
            };
            let page = second(&req, half.to_owned(), next, Some(message));
            come_back(StatusCode::TOO_MANY_REQUESTS, &page, retry_after)
        }
        Err(Error::Conflict { message, .. }) if !wants_json(&req) => {
            let message = GateMessage {
                title: "Codes of the app count no more".to_owned(),
                text: message.into_owned(),
            };
            render_as(StatusCode::CONFLICT, &second(&req, half.to_owned(), next, Some(message)))
        }
        Err(other) => Err(other.into()),
    }
}
