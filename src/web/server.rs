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
    bearer, connections, error, maintenance,
    middleware::{self, RequestSpan},
    refusals, routes, session,
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
/// # Errors
/// The listener cannot be used.
pub fn run(
    app: &Arc<App>,
    listener: TcpListener,
    workers: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<Server> {
    let app = Arc::clone(app);
    let timeouts = app.config.timeouts;
    let capacity = app.limits.capacity;
    // Each worker needs room for a few connections.
    let workers = workers.clamp(1, (capacity.connections / 8).max(1));
    let comfortable = capacity.comfortable_connections / workers;
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
    })
    .workers(workers)
    .max_connections(capacity.connections / workers)
    .worker_max_blocking_threads(BLOCKING_THREADS)
    .on_connect(move |io, data| connections::opened(io, data, timeouts, comfortable))
    .client_request_timeout(timeouts.head)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .keep_alive(timeouts.keep_alive)
    .h1_write_buffer_size(WRITE_BUFFER)
    .shutdown_timeout(STOP_TIMEOUT_SECONDS)
    .shutdown_signal(stop)
    .listen(listener)?;
    Ok(server.run())
}
