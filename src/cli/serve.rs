//! `stillage serve`

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::Finding;
use crate::{
    app::{App, with_cause},
    blocking,
    clock::Clock,
    config::{Config, StorageMode},
    db::embedded::Owner,
    domain::{auth, descriptors},
    jobs::{Job, Worker, schedule},
    web,
};

/// The job in hand gets this long to end when the server stops.
const JOB_STOP: Duration = Duration::from_secs(20);
/// How often the store is examined, besides the look before every write.
const STORE_CHECK: Duration = Duration::from_secs(5);
/// A store that takes longer to answer counts as silent.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

pub fn run(mut config: Config) -> anyhow::Result<Finding> {
    config.descriptors = descriptors::raise();
    // Bound first: a port that is taken is told before anything is started.
    let address = config.bind_address;
    let listener = TcpListener::bind(address).with_context(|| {
        format!("BIND_ADDRESS={address} cannot be used; stop what listens there or choose another")
    })?;
    let metrics = config.metrics_bind_address.map(listen_for_metrics).transpose()?;
    let app = App::start(config, Owner::Server, Clock::default())?;
    actix_web::rt::System::new().block_on(serve(app, listener, metrics))
}

fn listen_for_metrics(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("METRICS_BIND_ADDRESS={address} cannot be used; stop what listens there or choose another")
    })
}

async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    metrics: Option<TcpListener>,
) -> anyhow::Result<Finding> {
    prepare(&app).await.map_err(with_cause)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: running requests may end");
    };

    if let Some(scanner) = &app.scanner {
        scanner.start();
    }
    let worker = Worker::start(&app);
    let watch = tokio::spawn(watch_store(Arc::clone(&app)));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let server = web::server::run(&app, listener, threads, stop)?;
    let metrics = metrics.map(|listener| web::monitor::run(&app, listener)).transpose()?;
    let metrics = metrics.map(|server| (server.handle(), actix_web::rt::spawn(server)));
    tracing::info!(address = %app.config.bind_address, url = app.config.public_url, "ready");
    server.await?;

    if let Some((handle, served)) = metrics {
        handle.stop(false).await;
        served.await??;
    }
    watch.abort();
    worker.stop(JOB_STOP).await;
    tracing::info!("stopped");
    Ok(Finding::Good)
}

/// What a start does before it serves.
async fn prepare(app: &Arc<App>) -> crate::error::Result<()> {
    if auth::make_first_admin(app).await? {
        tracing::info!("the first admin was made as the environment says");
    }
    if let Some(token) = auth::issue_setup_token(app).await? {
        // For the person at the console, not for the logs.
        say!(
            "\nStillage is new here. Make the first admin at:\n\n  {}/setup?token={token}\n",
            app.config.public_url
        );
    }
    schedule::enqueue_all(app).await?;
    if app.config.storage_mode != StorageMode::Local {
        // Files that came in while there was no cloud, and jobs that were given up.
        schedule::enqueue_once(app, &Job::CopyBacklog).await?;
    }
    Ok(())
}

async fn watch_store(app: Arc<App>) {
    loop {
        tokio::time::sleep(STORE_CHECK).await;
        let store = Arc::clone(&app.store);
        let examine = blocking::run(move || {
            store.examine();
            Ok(())
        });
        tokio::pin!(examine);
        // What it finds is logged and kept by the store itself.
        if tokio::time::timeout(STORE_PATIENCE, &mut examine).await.is_err() {
            app.store.fell_silent();
            let _ = examine.await;
        }
    }
}
