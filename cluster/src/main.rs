//! The daemon: one node of a cluster, on real backends.

use clap::Parser;
use miette::{IntoDiagnostic as _, WrapErr as _};
use squall_cluster::config::NodeConfig;
use squall_cluster::node::Node;
use squall_cluster::observe::{NodeEvent, Observer};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 2;

/// Runs one node of a Squall cluster.
#[derive(Debug, Parser)]
#[command(name = "squall-node", version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Reads the configuration, says whether it is valid, and exits.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if cfg!(feature = "defects") {
        eprintln!(
            "squall-node: this build contains planted defects and must not serve; \
             build it without the feature `defects`"
        );
        return ExitCode::from(EXIT_USAGE);
    }
    let config = match read(&arguments.config) {
        Ok(config) => config,
        Err(report) => {
            eprintln!("{report:?}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if arguments.check {
        for warning in &config.warnings {
            eprintln!("warning: {}", warning.located(&arguments.config.display().to_string()));
        }
        println!("{}: valid", arguments.config.display());
        return ExitCode::SUCCESS;
    }
    match serve(&arguments.config.display().to_string(), config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("{report:?}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn read(path: &Path) -> miette::Result<NodeConfig> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("{name} cannot be read; check --config"))?;
    Ok(NodeConfig::parse(&name, &text)?)
}

fn serve(file: &str, config: NodeConfig) -> miette::Result<()> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .into_diagnostic()
        .wrap_err("the runtime does not start")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
        let node_id = config.cluster.node_id;
        for warning in &config.warnings {
            tracing::warn!("{}", warning.located(file));
        }
        if config.store.is_none() {
            tracing::warn!("no PostgreSQL store configured: blocks are kept in memory only");
        }
        if config.cluster.coordinator.is_none() {
            tracing::warn!("no coordinator configured: this node works alone");
        }
        let node = Node::start(config, Arc::new(Log)).await.into_diagnostic()?;
        tracing::info!(%node_id, incarnation = %node.incarnation(), "started");
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.into_diagnostic()?;
                tracing::info!("interrupted: shutting down");
            }
        }
        node.shutdown().await;
        Ok(())
    })
}

/// Writes a node's events to the log.
struct Log;

impl Observer for Log {
    fn observe(&self, event: NodeEvent) {
        match event {
            NodeEvent::Ready { coordinated, stored } => tracing::info!(coordinated, stored, "ready"),
            NodeEvent::Link(link) => tracing::info!(?link, "coordinator"),
            NodeEvent::Applied { entry, source } => {
                tracing::info!(net = %entry.net, version = %entry.version, state = ?entry.state, ?source, "applied");
            }
            NodeEvent::ResyncStarted(reason) => tracing::debug!(?reason, "resync started"),
            NodeEvent::ResyncFinished { reason, outcome } => match outcome {
                Ok(changed) => tracing::info!(?reason, changed, "resync finished"),
                Err(error) => tracing::warn!(?reason, %error, "resync failed"),
            },
            NodeEvent::Published { message, entries, after } => {
                tracing::debug!(sequence = message.sequence, entries, ?after, "published");
            }
            NodeEvent::PublishFailed { message, entries, error, unknown } => {
                let sequence = message.sequence;
                tracing::warn!(sequence, entries, %error, unknown, "publishing failed, will be tried again");
            }
            NodeEvent::Stored { entries, after } => tracing::debug!(entries, ?after, "stored"),
            NodeEvent::StoreFailed { error, unknown } => {
                tracing::warn!(%error, unknown, "store failed, will be tried again");
            }
        }
    }
}
