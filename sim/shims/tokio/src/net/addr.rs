//! What may name a socket address, and its resolution by the network in charge.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address before resolution.
#[derive(Debug)]
pub enum Target {
    /// Known addresses.
    Addresses(Vec<SocketAddr>),
    /// A host name and a port.
    Name(String, u16),
    /// No address at all; the text says why.
    Invalid(&'static str),
}

mod sealed {
    pub trait Sealed {}
}

/// Types that name one or more socket addresses.
pub trait ToSocketAddrs: sealed::Sealed {
    #[doc(hidden)]
    fn target(&self) -> Target;
}

macro_rules! plain_addresses {
    ($($type:ty),*) => {$(
        impl sealed::Sealed for $type {}

        impl ToSocketAddrs for $type {
            fn target(&self) -> Target {
                Target::Addresses(vec![SocketAddr::from(*self)])
            }
        }
    )*};
}

plain_addresses!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

fn host_and_port(host: &str, port: u16) -> Target {
    match host.parse::<IpAddr>() {
        Ok(ip) => Target::Addresses(vec![SocketAddr::new(ip, port)]),
        Err(_) => Target::Name(host.to_owned(), port),
    }
}

impl sealed::Sealed for (&str, u16) {}

impl ToSocketAddrs for (&str, u16) {
    fn target(&self) -> Target {
        host_and_port(self.0, self.1)
    }
}

impl sealed::Sealed for (String, u16) {}

impl ToSocketAddrs for (String, u16) {
    fn target(&self) -> Target {
        host_and_port(&self.0, self.1)
    }
}

impl sealed::Sealed for &[SocketAddr] {}

impl ToSocketAddrs for &[SocketAddr] {
    fn target(&self) -> Target {
        Target::Addresses(self.to_vec())
    }
}

impl sealed::Sealed for str {}

impl ToSocketAddrs for str {
    fn target(&self) -> Target {
        if let Ok(address) = self.parse() {
            return Target::Addresses(vec![address]);
        }
        let Some((host, port)) = self.rsplit_once(':') else {
            return Target::Invalid("invalid socket address");
        };
        match port.parse() {
            Ok(port) => host_and_port(host, port),
            Err(_) => Target::Invalid("invalid port value"),
        }
    }
}

impl sealed::Sealed for String {}

impl ToSocketAddrs for String {
    fn target(&self) -> Target {
        self.as_str().target()
    }
}

impl<T: sealed::Sealed + ?Sized> sealed::Sealed for &T {}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn target(&self) -> Target {
        (**self).target()
    }
}

/// The addresses behind `target`, never an empty list.
pub(super) async fn resolve(target: Target) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<SocketAddr> = match target {
        Target::Addresses(addresses) => addresses,
        Target::Invalid(reason) => return Err(io::Error::new(io::ErrorKind::InvalidInput, reason)),
        Target::Name(host, port) => {
            let lookup = squall_hook::current().map(|net| net.lookup(&host));
            match lookup {
                Some(lookup) => lookup.await?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
                None => real_tokio::net::lookup_host((host, port)).await?.collect(),
            }
        }
    };
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address"));
    }
    Ok(addresses)
}

/// Resolves a host name.
///
/// # Errors
/// When the text is no address, or the name is unknown to the network.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    let target = host.target();
    drop(host);
    Ok(resolve(target).await?.into_iter())
}
