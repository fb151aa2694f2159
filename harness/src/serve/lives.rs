//! A server from its first life to its last.
//!
//! Each life has a runtime of its own: whatever the server has spawned ends with it, connections included.
//! Signals steer it as they do the real servers: SIGINT and SIGTERM end it, SIGUSR2 is lame duck mode (as
//! for nats-server), and SIGHUP is a restart which keeps what the server has on disk and nothing else.

use super::{Address, Life, ServeError, Service};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Real time that an orderly end may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// For good.
    Over,
    /// To be followed by another on the same address.
    Restart,
}

/// Serves until a signal ends it; says on standard output when it is ready.
///
/// # Errors
/// The address cannot be had, or the server broke.
pub(crate) fn run(service: &mut dyn Service, listen: Address) -> Result<(), ServeError> {
    let mut address = listen.0;
    let mut announce = Announce::Due;
    loop {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        if runtime.block_on(live(service, &mut address, &mut announce))? == End::Over {
            return Ok(());
        }
    }
}

/// Whether the ready line is still to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announce {
    Due,
    Done,
}

/// One life; leaves the port that was taken in `address`.
async fn live(service: &mut dyn Service, address: &mut SocketAddr, announce: &mut Announce) -> Result<End, ServeError> {
    let mut signals = Signals::new()?;
    let refused = |reason| ServeError::Listen { address: *address, reason };
    let listener = TcpListener::bind(*address).await.map_err(refused)?;
    *address = listener.local_addr()?;
    let mut life = service.start(listener)?;
    if *announce == Announce::Due {
        say_ready(service, *address).map_err(ServeError::Output)?;
        *announce = Announce::Done;
    }
    loop {
        tokio::select! {
            served = &mut life.serve => return served.map(|()| End::Over).map_err(ServeError::from),
            wish = signals.next() => match wish {
                Wish::End => {
                    farewell(life).await;
                    return Ok(End::Over);
                }
                Wish::Restart => return Ok(End::Restart),
                Wish::LameDuck => if let Some(lame_duck) = &life.lame_duck { lame_duck() },
            },
        }
    }
}

fn say_ready(service: &dyn Service, address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{} on {}, ctrl-c ends", service.name(), service.url(address))?;
    stdout.flush()
}

/// An orderly end, if it does not take for ever.
async fn farewell(life: Life) {
    (life.shutdown)();
    let _ended_or_cut_short = tokio::time::timeout(FAREWELL, life.serve).await;
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    End,
    Restart,
    LameDuck,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    user: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::End,
            _ = self.terminate.recv() => Wish::End,
            _ = self.hang_up.recv() => Wish::Restart,
            _ = self.user.recv() => Wish::LameDuck,
        }
    }
}
