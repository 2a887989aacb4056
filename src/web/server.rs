//! The HTTP server: order of middleware, timeouts, graceful stop.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::{
    App as ActixApp, Error,
    body::MessageBody,
    dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{self, Data},
};
use tracing_actix_web::TracingLogger;

use super::{
    bearer, connections, error, maintenance,
    middleware::{self, RequestSpan},
    refusals, routes, session,
    unreadable::{self, Connection},
};
use crate::app::App;

/// After an answer that ends the connection, the client gets this long to read it.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Running requests, uploads among them, get this long to end when the server stops.
const STOP_TIMEOUT_SECONDS: u64 = 30;
/// Threads of each worker that wait for disks and the database. Each costs address space, and more would only wait.
const BLOCKING_THREADS: usize = 32;
/// Downloads leave in large writes; the default of 32 KiB costs a third of the throughput.
const WRITE_BUFFER: usize = 512 * 1024;

/// The server on a listener that is bound already. Ends when `stop` does, after running requests have ended.
///
/// What actix-web's own `HttpServer` does, and one thing more: requests that cannot be read get an answer of ours
/// (`web::unreadable`).
///
/// # Errors
/// The listener cannot be used.
pub fn run(
    app: &Arc<App>,
    listener: TcpListener,
    workers: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<Server> {
    let app = Arc::clone(app);
    let address = listener.local_addr()?;
    let timeouts = app.config.timeouts;
    let capacity = app.limits.capacity;
    // Each worker needs room for a few connections.
    let workers = workers.clamp(1, (capacity.connections / 8).max(1));
    let comfortable = capacity.comfortable_connections / workers;
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(capacity.connections / workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .shutdown_timeout(STOP_TIMEOUT_SECONDS)
        .shutdown_signal(stop);
    let stopping = server.graceful_shutdown_signal();
    let server = server.listen("http", listener, move || {
        let stopping = stopping.clone();
        let site = map_config(
            site(Arc::clone(&app)).into_factory().map_err(|error: Error| error.error_response()),
            |()| AppConfig::default(),
        );
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .client_request_timeout(timeouts.head)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(timeouts.keep_alive)
            .h1_write_buffer_size(WRITE_BUFFER)
            .local_addr(address)
            .on_connect_ext(move |connection: &Connection, data| {
                connection.with_stream(|stream| connections::opened(stream, data, timeouts, comfortable));
                data.insert(connection.clone());
            })
            .h1(site);
        unreadable::answering(http, Arc::clone(&app))
    })?;
    Ok(server.run())
}

/// Every page and address, with what happens around each request.
fn site(
    app: Arc<App>,
) -> ActixApp<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + 'static>,
        Error = Error,
        InitError = (),
    > + 'static,
> {
    let for_headers = Arc::clone(&app);
    let for_tokens = Arc::clone(&app);
    ActixApp::new()
        .app_data(Data::from(Arc::clone(&app)))
        // Outermost last: an id, the log line, the headers, then what an answer looks like.
        .wrap(from_fn(middleware::framing))
        .wrap(from_fn(error::render))
        .wrap(from_fn(refusals::note))
        .wrap(from_fn(move |req, next| middleware::headers(Arc::clone(&for_headers), req, next)))
        .wrap(from_fn(unreadable::track))
        .wrap(TracingLogger::<RequestSpan>::new())
        .wrap(from_fn(connections::track))
        .configure(|config| routes::open().register(config))
        .service(
            web::scope("")
                .wrap(from_fn(maintenance::guard))
                .wrap(from_fn(error::render))
                .wrap(from_fn(refusals::note))
                .wrap(from_fn(move |req, next| bearer::identify(Arc::clone(&for_tokens), req, next)))
                .wrap(session::middleware(&app))
                .configure(|config| routes::map().register(config)),
        )
}
