//! Socket options of simulated sockets: remembered and returned.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The values that can be set, at first Linux's defaults.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) nodelay: bool,
    pub(super) quickack: bool,
    pub(super) keepalive: bool,
    pub(super) reuseaddr: bool,
    pub(super) reuseport: bool,
    pub(super) linger: Option<Duration>,
    pub(super) send_buffer_size: u32,
    pub(super) recv_buffer_size: u32,
    pub(super) ttl: u32,
    pub(super) tos_v4: u32,
    pub(super) tclass_v6: u32,
    pub(super) device: Option<Vec<u8>>,
    pub(super) broadcast: bool,
    pub(super) multicast_loop_v4: bool,
    pub(super) multicast_loop_v6: bool,
    pub(super) multicast_ttl_v4: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodelay: false,
            quickack: true,
            keepalive: false,
            reuseaddr: false,
            reuseport: false,
            linger: None,
            send_buffer_size: 16_384,
            recv_buffer_size: 131_072,
            ttl: 64,
            tos_v4: 0,
            tclass_v6: 0,
            device: None,
            broadcast: false,
            multicast_loop_v4: true,
            multicast_loop_v6: true,
            multicast_ttl_v4: 1,
        }
    }
}

/// Locks, also after a panic elsewhere: a simulated socket has no state that a panic could tear.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Getter and setter of options that are plain values, for a type with a [`Side`](super::sim::Side)
/// whose simulated part has `options`.
macro_rules! plain_options {
    ($($get:ident, $set:ident: $type:ty;)*) => {$(
        pub fn $get(&self) -> io::Result<$type> {
            match &self.0 {
                Side::Real(socket) => socket.$get(),
                Side::Sim(socket) => Ok(lock(&socket.options).$get),
            }
        }

        pub fn $set(&self, value: $type) -> io::Result<()> {
            match &self.0 {
                Side::Real(socket) => socket.$set(value),
                Side::Sim(socket) => {
                    lock(&socket.options).$get = value;
                    Ok(())
                }
            }
        }
    )*};
}

/// `linger` and its two setters.
macro_rules! linger_options {
    () => {
        pub fn linger(&self) -> io::Result<Option<Duration>> {
            match &self.0 {
                Side::Real(socket) => socket.linger(),
                Side::Sim(socket) => Ok(lock(&socket.options).linger),
            }
        }

        #[deprecated = "`SO_LINGER` causes the socket to block the thread on drop"]
        pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
            match &self.0 {
                #[expect(deprecated, reason = "the real socket deprecates it just so")]
                Side::Real(socket) => socket.set_linger(linger),
                Side::Sim(socket) => {
                    lock(&socket.options).linger = linger;
                    Ok(())
                }
            }
        }

        pub fn set_zero_linger(&self) -> io::Result<()> {
            match &self.0 {
                Side::Real(socket) => socket.set_zero_linger(),
                Side::Sim(socket) => {
                    lock(&socket.options).linger = Some(Duration::ZERO);
                    Ok(())
                }
            }
        }
    };
}

/// The Linux options on type of service and device.
macro_rules! linux_options {
    () => {
        #[doc(hidden)]
        #[deprecated = "renamed to `tos_v4`"]
        pub fn tos(&self) -> io::Result<u32> {
            self.tos_v4()
        }

        #[doc(hidden)]
        #[deprecated = "renamed to `set_tos_v4`"]
        pub fn set_tos(&self, tos: u32) -> io::Result<()> {
            self.set_tos_v4(tos)
        }

        pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
            match &self.0 {
                Side::Real(socket) => socket.device(),
                Side::Sim(socket) => Ok(lock(&socket.options).device.clone()),
            }
        }

        pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
            match &self.0 {
                Side::Real(socket) => socket.bind_device(interface),
                Side::Sim(socket) => {
                    lock(&socket.options).device = interface.map(<[u8]>::to_vec);
                    Ok(())
                }
            }
        }
    };
}

pub(super) use {linger_options, linux_options, plain_options};
