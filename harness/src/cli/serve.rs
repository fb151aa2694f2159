//! `squall serve`, one file per server.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "nats", feature = "redis"))]
mod tls;

use super::output;
use crate::serve::{self, Address, Reach, ServeError, Service};
use clap::Subcommand;
use squall_reports::Exit;

/// Serve one of the simulated servers on a real port, to look at it or to test against it.
///
/// It runs outside any world, in real time, until Ctrl-C or SIGTERM. SIGHUP restarts it as after a crash: connections
/// break, and only what it has on disk is kept.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum Server {
    #[cfg(feature = "nats")]
    Nats(Box<nats::Args>),
    #[cfg(feature = "redis")]
    Redis(redis::Args),
    #[cfg(feature = "kafka")]
    Kafka(kafka::Args),
    Postgres(postgres::Args),
}

/// Where to listen.
#[derive(Debug, clap::Args)]
struct Where {
    /// Address and port; port 0 takes a free one, which is printed [default: the usual port on 127.0.0.1]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Let other machines connect, if the address does
    #[arg(long)]
    allow_remote: bool,
}

impl Where {
    fn address(&self, usual_port: u16) -> Result<Address, ServeError> {
        let usual = || format!("127.0.0.1:{usual_port}");
        self.parse(&self.listen.clone().unwrap_or_else(usual))
    }

    /// An address that is no more open than this one may be.
    fn parse(&self, text: &str) -> Result<Address, ServeError> {
        Address::parse(text, if self.allow_remote { Reach::Remote } else { Reach::Loopback })
    }
}

pub(super) fn main(args: &Args) -> Exit {
    let Err(error) = try_main(args) else { return Exit::Passed };
    output::error(&error);
    if error.is_usage() { Exit::Usage } else { Exit::Broken }
}

fn try_main(args: &Args) -> Result<(), ServeError> {
    let (mut service, address): (Box<dyn Service>, Address) = match &args.server {
        #[cfg(feature = "nats")]
        Server::Nats(args) => {
            let address = args.place.address(4222)?;
            (Box::new(args.service()?), address)
        }
        #[cfg(feature = "redis")]
        Server::Redis(args) => {
            let address = args.place.address(6379)?;
            (Box::new(args.service()?), address)
        }
        #[cfg(feature = "kafka")]
        Server::Kafka(args) => (Box::new(args.service()?), args.place.address(9092)?),
        Server::Postgres(args) => (Box::new(args.service()?), args.place.address(5432)?),
    };
    serve::run(service.as_mut(), address)
}
