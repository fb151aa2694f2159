//! Where a server may listen.

use super::ServeError;
use std::net::{Ipv4Addr, SocketAddr};

/// Who may reach a served server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This machine only.
    Loopback,
    /// Any machine that can reach the address.
    Remote,
}

/// An address to listen on; port 0 takes any free port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl Address {
    /// Reads `127.0.0.1:4222`, `[::1]:4222`, `localhost:4222`.
    ///
    /// # Errors
    /// It is none, or lets more in than `reach`.
    pub(crate) fn parse(text: &str, reach: Reach) -> Result<Self, ServeError> {
        let localhost = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let address = match localhost {
            Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            None => text.parse().map_err(|_| ServeError::Address { text: text.to_owned() })?,
        };
        if reach == Reach::Loopback && !address.ip().is_loopback() {
            return Err(ServeError::Remote(address));
        }
        Ok(Self(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_taken_without_being_asked() {
        for fine in ["127.0.0.1:0", "127.8.9.1:4222", "[::1]:6379", "localhost:9092"] {
            assert!(Address::parse(fine, Reach::Loopback).is_ok(), "{fine}");
        }
        for remote in ["0.0.0.0:4222", "[::]:4222", "192.0.2.1:4222"] {
            let refused = Address::parse(remote, Reach::Loopback).map_err(|error| error.to_string());
            assert!(refused.is_err_and(|why| why.contains("--allow-remote")), "{remote}");
            assert!(Address::parse(remote, Reach::Remote).is_ok(), "{remote}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_what_one_looks_like() {
        for odd in ["", "4222", "127.0.0.1", "localhost", "localhost:", "localhost:x", "127.0.0.1:70000", "mx1:4222"] {
            let refused = Address::parse(odd, Reach::Remote).map_err(|error| error.to_string());
            assert!(refused.is_err_and(|why| why.contains("127.0.0.1:4222")), "{odd}");
        }
    }
}
