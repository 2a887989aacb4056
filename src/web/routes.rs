//! The whole address map on one screen. Adding a line here adds it to the access tests too, which fail until
//! its permissions are written down.

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder,
    guard::{self, Guard},
    http::{Method, header},
    web,
};

use super::{
    api, assets, brand, health, monitor,
    pages::{
        account, admin, attachments, auth, batch_form, batches, files, history, hold, labels, password,
        shares, tokens, trash, two_factor,
    },
    transfer::{archive, download, preview, tus, upload},
};

/// Addresses that everybody may call and that carry no session.
pub fn open() -> Map {
    Map::default()
        .at("/static/{path:.*}", |r| r.get(assets::serve))
        .at("/brand/{file}", |r| r.get(brand::logo))
        .at("/health/live", |r| r.get(health::live))
        .at("/health/ready", |r| r.get(health::ready))
        .at("/metrics", |r| r.get(monitor::metrics))
}

/// Addresses within a session.
pub fn map() -> Map {
    Map::default()
        .at("/", |r| r.get(batches::home))
        .at("/setup", |r| r.get(auth::setup_page).post(auth::set_up))
        .at("/login", |r| r.get(auth::login_page).post(auth::log_in))
        .at("/logout", |r| r.post(auth::log_out))
        .at("/password", |r| r.get(password::page).post(password::choose))
        .at("/batches", |r| r.get(batches::list).post(batch_form::create))
        .at("/batches/new", |r| r.get(batch_form::new))
        .at("/batches/labels", |r| r.get(labels::several))
        .at("/batches/{id}", |r| r.get(batches::show))
        .at("/batches/{id}/edit", |r| r.get(batch_form::edit_page).post(batch_form::edit))
        .at("/batches/{id}/close", |r| r.post(batches::close))
        .at("/batches/{id}/reopen", |r| r.post(batches::reopen))
        .at("/batches/{id}/delete", |r| r.post(batches::delete))
        .at("/batches/{id}/restore", |r| r.post(batches::restore))
        .at("/batches/{id}/hold", |r| r.post(hold::hold))
        .at("/batches/{id}/release", |r| r.post(hold::release))
        .at("/batches/{id}/attachments", |r| r.post(upload::to_batch))
        .at("/batches/{id}/archive.zip", |r| r.get(archive::of_batch).post(archive::of_chosen))
        .at("/batches/{id}/files/delete", |r| r.post(files::delete))
        .at("/batches/{id}/files/restore", |r| r.post(files::restore))
        .at("/batches/{id}/files/kind", |r| r.post(files::set_kind))
        .at("/batches/{id}/history", |r| r.get(history::of_batch))
        .at("/batches/{id}/label", |r| r.get(labels::one))
        .at("/attachments/{id}", |r| r.get(attachments::show))
        .at("/attachments/{id}/download", |r| r.get(download::original))
        .at("/attachments/{id}/preview", |r| r.get(preview::show))
        .at("/attachments/{id}/thumbnail", |r| r.get(preview::thumbnail))
        .at("/attachments/{id}/pages/{n}", |r| r.get(preview::page))
        .at("/attachments/{id}/receipt", |r| r.get(attachments::receipt))
        .at("/attachments/{id}/edit", |r| r.post(attachments::edit))
        .at("/attachments/{id}/delete", |r| r.post(attachments::delete))
        .at("/attachments/{id}/restore", |r| r.post(attachments::restore))
        .at("/trash", |r| r.get(trash::list))
        .at("/account", |r| r.get(account::show).post(account::rename))
        .at("/account/password", |r| r.post(account::change_password))
        .at("/account/sessions/revoke-others", |r| r.post(account::revoke_others))
        .at("/account/sessions/{id}/revoke", |r| r.post(account::revoke))
        .at("/admin", |r| r.get(admin::stats::show))
        .at("/admin/stats.csv", |r| r.get(admin::stats::csv))
        .at("/admin/prices", |r| r.get(admin::prices::show).post(admin::prices::save))
        .at("/admin/users", |r| r.get(admin::users::list).post(admin::users::add))
        .at("/admin/users/{id}", |r| r.get(admin::user::show).post(admin::user::change))
        .at("/admin/users/{id}/disable", |r| r.post(admin::user::disable))
        .at("/admin/users/{id}/enable", |r| r.post(admin::user::enable))
        .at("/admin/users/{id}/reset", |r| r.post(admin::user::reset))
        .at("/admin/audit", |r| r.get(admin::audit::list))
        .at("/admin/audit/export", |r| r.get(admin::audit::export))
        .at("/admin/jobs", |r| r.get(admin::jobs::list))
        .at("/admin/jobs/retry-dead", |r| r.post(admin::jobs::retry_dead))
        .at("/admin/jobs/{id}/retry", |r| r.post(admin::jobs::retry))
        .at("/admin/jobs/{id}/discard", |r| r.post(admin::jobs::discard))
        .at("/admin/sites", |r| r.get(admin::sites::list).post(admin::sites::add))
        .at("/admin/sites/{id}", |r| r.get(admin::sites::show).post(admin::sites::change))
        .at("/admin/sites/{id}/remove", |r| r.post(admin::sites::remove))
        .at("/admin/storage", |r| r.get(admin::storage::show))
        .at("/admin/storage/test", |r| r.post(admin::storage::test))
        .at("/admin/storage/sync", |r| r.post(admin::storage::sync))
        .at("/admin/storage/retry", |r| r.post(admin::storage::retry))
        .at("/admin/storage/pause", |r| r.post(admin::storage::pause))
        .at("/admin/storage/resume", |r| r.post(admin::storage::resume))
        .at("/admin/storage/move", |r| r.post(admin::storage::relocate))
        .at("/admin/storage/evict", |r| r.post(admin::storage::evict))
        .at("/admin/storage/stop", |r| r.post(admin::storage::stop))
        .at("/admin/doctor", |r| r.get(admin::doctor::show))
        .at("/admin/trash", |r| r.get(admin::trash::list))
        .at("/admin/trash/batches/{id}/purge", |r| r.post(admin::trash::purge_batch))
        .at("/admin/trash/files/{id}/purge", |r| r.post(admin::trash::purge_file))
        .at("/admin/trash/empty", |r| r.post(admin::trash::empty))
        .at("/admin/trash/orphans", |r| r.post(admin::trash::look))
        .at("/admin/trash/orphans/remove", |r| r.post(admin::trash::remove))
        .at("/admin/settings", |r| r.get(admin::settings::show).post(admin::settings::save))
        .at("/admin/settings/logo", |r| r.post(admin::settings::set_logo))
        .at("/admin/settings/logo/remove", |r| r.post(admin::settings::remove_logo))
        .at("/admin/settings/maintenance", |r| r.post(admin::settings::maintain))
        .at("/admin/quarantine", |r| r.get(admin::quarantine::show))
        .at("/admin/quarantine/seen", |r| r.post(admin::quarantine::see))
        .at("/admin/quarantine/{id}/release", |r| r.post(admin::quarantine::release))
        .at("/admin/quarantine/{id}/delete", |r| r.post(admin::quarantine::delete))
        .at("/admin/shares", |r| r.get(admin::shares::list))
        .at("/admin/shares/{id}/revoke", |r| r.post(admin::shares::revoke))
        .at("/admin/two-factor", |r| r.post(admin::two_factor::require))
        .at("/admin/users/{id}/two-factor", |r| r.post(admin::two_factor::reset))
        .at("/uploads", |r| r.options(tus::describe).post(tus::create))
        .at("/uploads/{id}", |r| {
            r.options(tus::describe).head(tus::look).patch(tus::append).delete(tus::cancel)
        })
        .at("/attachments/{id}/shares", |r| r.get(shares::of_file).post(shares::share_file))
        .at("/batches/{id}/shares", |r| r.get(shares::of_batch).post(shares::share_batch))
        .at("/shares/{id}/revoke", |r| r.post(shares::revoke))
        .at("/s/{token}", |r| r.get(shares::visit))
        .at("/s/{token}/download", |r| r.post(shares::download))
        .at("/s/{token}/archive.zip", |r| r.post(shares::archive))
        .at("/login/second", |r| r.post(two_factor::finish))
        .at("/account/two-factor", |r| r.get(two_factor::show).post(two_factor::begin))
        .at("/account/two-factor/confirm", |r| r.post(two_factor::confirm))
        .at("/account/two-factor/codes", |r| r.post(two_factor::renew_codes))
        .at("/account/two-factor/disable", |r| r.post(two_factor::disable))
        .at("/account/tokens", |r| r.get(tokens::list).post(tokens::create))
        .at("/account/tokens/{id}/revoke", |r| r.post(tokens::revoke))
        .at("/api/docs", |r| r.get(api::description::page))
        .at("/api/openapi.json", |r| r.get(api::description::json))
        .at("/api/stats", |r| r.get(api::stats::show))
        .at("/api/production/batches", |r| r.get(api::batches::list).post(api::batches::create))
        .at("/api/production/batches/{id}", |r| r.get(api::batches::show))
        .at("/api/production/attachments/{id}", |r| {
            r.get(api::attachments::show).delete(api::attachments::delete)
        })
        .at("/api/production/batches/{id}/attachments", |r| r.post(upload::to_batch))
        .at("/api/production/attachment/{stored_name}", |r| r.get(download::by_stored_name))
}

/// Resources to register, and what they answer to.
#[derive(Default)]
pub struct Map {
    resources: Vec<Resource>,
    pub listed: Vec<(Method, &'static str)>,
}

impl Map {
    fn at(mut self, path: &'static str, build: impl FnOnce(At) -> At) -> Self {
        let At { resource, methods } = build(At { resource: web::resource(path), methods: Vec::new() });
        let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        // RFC 9110, 15.5.6: a 405 names what is allowed.
        let refuse = move || {
            let answer =
                HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, allow.clone())).finish();
            std::future::ready(answer)
        };
        self.resources.push(resource.default_service(web::to(refuse)));
        self.listed.extend(methods.into_iter().map(|method| (method, path)));
        self
    }

    pub fn register(self, config: &mut web::ServiceConfig) {
        for resource in self.resources {
            config.service(resource);
        }
    }
}

/// One address and its methods.
struct At {
    resource: Resource,
    methods: Vec<Method>,
}

impl At {
    /// GET, and HEAD with the same status and headers.
    fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let reads = guard::Any(guard::Get()).or(guard::Head());
        self.resource = self.resource.route(web::route().guard(reads).to(handler));
        self.methods.extend([Method::GET, Method::HEAD]);
        self
    }

    fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, guard::Post(), handler)
    }

    /// Where there is no GET to go with.
    fn head<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::HEAD, guard::Head(), handler)
    }

    fn options<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::OPTIONS, guard::Options(), handler)
    }

    fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PATCH, guard::Any(guard::Patch()).or(overridden("PATCH")), handler)
    }

    fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::DELETE, guard::Any(guard::Delete()).or(overridden("DELETE")), handler)
    }

    fn on<F, Args>(mut self, method: Method, guard: impl Guard + 'static, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(web::route().guard(guard).to(handler));
        self.methods.push(method);
        self
    }
}

/// For clients whose proxies let only GET and POST through (tus 1.0.0). A POST that names another method is that
/// method and nothing else.
const OVERRIDE: &str = "X-HTTP-Method-Override";

fn overridden(method: &'static str) -> impl Guard {
    guard::fn_guard(move |ctx| {
        let named = ctx.head().headers().get(OVERRIDE);
        ctx.head().method == Method::POST
            && named.is_some_and(|named| named.as_bytes().eq_ignore_ascii_case(method.as_bytes()))
    })
}
