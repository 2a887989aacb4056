//! The HTTP server: order of middleware, timeouts, graceful stop.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App as ActixApp, HttpServer,
    dev::Server,
    middleware::from_fn,
    web::{self, Data},
};
use tracing_actix_web::TracingLogger;

use super::{
    bearer, error, maintenance,
    middleware::{self, RequestSpan},
    refusals, routes, session,
};
use crate::app::App;

/// A client must send its request's head within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// After an answer that ends the connection, the client gets this long to read it.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Running requests, uploads among them, get this long to end when the server stops.
const STOP_TIMEOUT_SECONDS: u64 = 30;
/// Downloads leave in large writes; the default of 32 KiB costs a third of the throughput.
const WRITE_BUFFER: usize = 512 * 1024;

/// The server on a listener that is bound already. Ends when `stop` does, after running requests have ended.
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
    let server = HttpServer::new(move || {
        let for_headers = Arc::clone(&app);
        let for_tokens = Arc::clone(&app);
        ActixApp::new()
            .app_data(Data::from(Arc::clone(&app)))
            // Outermost last: an id, the log line, the headers, then what an answer looks like.
            .wrap(from_fn(middleware::framing))
            .wrap(from_fn(error::render))
            .wrap(from_fn(refusals::note))
            .wrap(from_fn(move |req, next| middleware::headers(Arc::clone(&for_headers), req, next)))
            .wrap(TracingLogger::<RequestSpan>::new())
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
    })
    .workers(workers)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .h1_write_buffer_size(WRITE_BUFFER)
    .shutdown_timeout(STOP_TIMEOUT_SECONDS)
    .shutdown_signal(stop)
    .listen(listener)?;
    Ok(server.run())
}
