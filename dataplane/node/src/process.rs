//! A node or gateway as a process: its file, its threads, its signals.
//!
//! Identity, discovery and admin run on the main thread; each worker has a thread of its own.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pelago_identity::{DiskError, StateDir};
use pelago_net::SystemNet;
use pelago_runtime::clock::SystemClock;
use pelago_runtime::scope::{Ended, Scope, TaskError};
use pelago_runtime::telemetry::{self, TelemetryError};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, Ground, StartError};
use crate::config::{Config, ConfigFault, GatewayConfig, NodeConfig};
use crate::enrolment::TokenSource;
use crate::placement::Placement;
use crate::snapshots::Snapshots;

/// Why a process ended that should not.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its configuration is not valid.
    #[error(transparent)]
    Configuration(#[from] ConfigFault),
    /// Its log cannot be set up.
    #[error("log")]
    Log(#[from] TelemetryError),
    /// Its state folder cannot be used.
    #[error("state")]
    State(#[source] DiskError),
    /// The system gives no runtime or no signals.
    #[error("the system refused what every process needs")]
    System(#[source] io::Error),
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// One of its parts ended unexpectedly.
    #[error("{task} ended unexpectedly")]
    Ended {
        /// Which.
        task: String,
        /// How.
        #[source]
        source: Arc<TaskError>,
    },
}

impl RunError {
    /// Whether a file that a person wrote is to blame (exit code 2), not the world (1).
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Configuration(_) | Self::Log(TelemetryError::Level { .. }) => true,
            Self::Start(error) => error.is_configuration(),
            Self::Log(_) | Self::State(_) | Self::System(_) | Self::Ended { .. } => false,
        }
    }
}

/// Runs a node until SIGTERM or SIGINT, then drains it. Blocks.
///
/// # Errors
/// [`RunError`]
pub fn run_node(config: &Path) -> Result<(), RunError> {
    main("node", NodeConfig::read(config)?.into_config())
}

/// Runs a gateway until SIGTERM or SIGINT, then drains it. Blocks.
///
/// # Errors
/// [`RunError`]
pub fn run_gateway(config: &Path) -> Result<(), RunError> {
    main("gateway", GatewayConfig::read(config)?.into_config())
}

fn main(kind: &str, config: Config) -> Result<(), RunError> {
    telemetry::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(RunError::System)?;
    runtime.block_on(serve(kind, config))
}

async fn serve(kind: &str, config: Config) -> Result<(), RunError> {
    let mut told = std::pin::pin!(told_to_end().map_err(RunError::System)?);
    let scope = Scope::new(kind);
    let ground = ground(&config)?;
    let starting = async {
        let app = App::build(config.settings, ground).await?;
        tracing::info!(id = app.id().as_str(), "starting");
        app.run(&scope).await
    };
    let running = tokio::select! {
        started = starting => started?,
        ended = scope.ended() => return Err(unexpected(ended)),
        () = &mut told => return Ok(()),
    };
    tracing::info!(id = running.id().as_str(), bound = ?running.bound(), "serving");
    let ended = tokio::select! {
        ended = scope.ended() => Err(unexpected(ended)),
        () = &mut told => Ok(()),
    };
    let drained = running.drain(DRAIN).await;
    tracing::info!(
        finished = drained.finished,
        cut = drained.cut.len(),
        "ended"
    );
    ended
}

fn ground(config: &Config) -> Result<Ground<SystemNet>, RunError> {
    let token = config.token_file.clone();
    Ok(Ground {
        net: SystemNet::new(),
        clock: Arc::new(SystemClock),
        state: StateDir::open(&config.state).map_err(RunError::State)?,
        snapshots: Snapshots::directory(config.state.clone()),
        token: token.map_or(TokenSource::Absent, TokenSource::File),
        access_log: Box::new(tokio::io::stdout()),
        placement: config
            .workers
            .map_or_else(Placement::per_core, Placement::Threads),
        seed: fastrand::u64(..),
    })
}

fn unexpected(ended: Ended) -> RunError {
    RunError::Ended {
        task: ended.task,
        source: ended.error,
    }
}

/// Resolves at SIGTERM or SIGINT; both are caught from the call on.
fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// How long open connections get to finish.
const DRAIN: Duration = Duration::from_secs(5);
