//! The libc symbols of sockets: refusing real ones to simulated code, and answering for datagram sockets until tokio has
//! them.
#![expect(unsafe_code, reason = "replacing C symbols is what this file is for")]

use crate::symbols::{raw, set_errno};
use crate::{datagrams, guard};
use libc::{c_int, c_void, sockaddr, sockaddr_in, sockaddr_in6, socklen_t};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What a TCP socket on Ethernet reports as its segment size, bytes.
const ETHERNET_MSS_BYTES: c_int = 1_448;

/// # Safety
/// As socket(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let modes = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let internet = domain == libc::AF_INET || domain == libc::AF_INET6;
    if guard::armed() && internet && kind & !modes == libc::SOCK_DGRAM {
        let unix = [libc::AF_UNIX as usize, kind as usize, 0, 0, 0, 0];
        // SAFETY: plain integers.
        let descriptor = unsafe { raw(libc::SYS_socket, unix) as c_int };
        if descriptor >= 0 {
            datagrams::stand_in(descriptor, domain);
        }
        return descriptor;
    }
    if guard::refuses("a real socket: open it through tokio::net, which the simulation provides") {
        set_errno(libc::EPERM);
        return -1;
    }
    // SAFETY: plain integers.
    unsafe { raw(libc::SYS_socket, [domain as usize, kind as usize, protocol as usize, 0, 0, 0]) as c_int }
}

/// # Safety
/// As close(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    let _never_handed_over = datagrams::take(descriptor);
    // SAFETY: the caller's own descriptor.
    unsafe { raw(libc::SYS_close, [descriptor as usize, 0, 0, 0, 0, 0]) as c_int }
}

/// # Safety
/// As bind(2): `addr` is valid for reads of `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn bind(descriptor: c_int, addr: *const sockaddr, len: socklen_t) -> c_int {
    let bound = datagrams::with(descriptor, |socket| {
        // SAFETY: the caller's address, as bind(2) demands.
        let addr = unsafe { read_address(addr, len) }.ok_or(libc::EINVAL)?;
        socket.bind(addr)
    });
    if let Some(bound) = bound {
        return code(bound);
    }
    // SAFETY: the caller's own arguments.
    unsafe { raw(libc::SYS_bind, [descriptor as usize, addr as usize, len as usize, 0, 0, 0]) as c_int }
}

/// # Safety
/// As getsockname(2): `addr` is valid for writes of `*len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getsockname(descriptor: c_int, addr: *mut sockaddr, len: *mut socklen_t) -> c_int {
    if let Some(local) = datagrams::with(descriptor, |socket| socket.local_addr()) {
        // SAFETY: the caller's buffer, as getsockname(2) demands.
        unsafe { write_address(local, addr, len) };
        return 0;
    }
    // SAFETY: the caller's own arguments.
    unsafe { raw(libc::SYS_getsockname, [descriptor as usize, addr as usize, len as usize, 0, 0, 0]) as c_int }
}

/// # Safety
/// As setsockopt(2): `value` is valid for reads of `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn setsockopt(
    descriptor: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    let set = datagrams::with(descriptor, |socket| {
        if value.is_null() {
            return Err(libc::EFAULT);
        }
        // SAFETY: not null, and the caller's buffer, as setsockopt(2) demands.
        let value = unsafe { std::slice::from_raw_parts(value.cast::<u8>(), len as usize) };
        socket.set(level, name, value)
    });
    if let Some(set) = set {
        return code(set);
    }
    let args = [descriptor as usize, level as usize, name as usize, value as usize, len as usize, 0];
    // SAFETY: the caller's own arguments.
    unsafe { raw(libc::SYS_setsockopt, args) as c_int }
}

/// # Safety
/// As getsockopt(2): `value` is valid for writes of `*len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getsockopt(
    descriptor: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    let mut known = datagrams::with(descriptor, |socket| socket.get(level, name));
    // A descriptor that stands in for a simulated TCP socket was never connected.
    if guard::armed() && (level, name) == (libc::IPPROTO_TCP, libc::TCP_MAXSEG) {
        known = Some(ETHERNET_MSS_BYTES.to_ne_bytes().to_vec());
    }
    if let Some(known) = known {
        // SAFETY: the caller's buffer, as getsockopt(2) demands.
        unsafe { write_bytes(&known, value.cast(), len) };
        return 0;
    }
    let args = [descriptor as usize, level as usize, name as usize, value as usize, len as usize, 0];
    // SAFETY: the caller's own arguments.
    unsafe { raw(libc::SYS_getsockopt, args) as c_int }
}

fn code(result: Result<(), c_int>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => {
            set_errno(error);
            -1
        }
    }
}

/// # Safety
/// `addr` is null or valid for reads of `len` bytes.
unsafe fn read_address(addr: *const sockaddr, len: socklen_t) -> Option<SocketAddr> {
    let holds = |bytes: usize| !addr.is_null() && len as usize >= bytes;
    if !holds(size_of::<libc::sa_family_t>()) {
        return None;
    }
    // SAFETY: checked to hold a family.
    let family = c_int::from(unsafe { addr.cast::<libc::sa_family_t>().read_unaligned() });
    match family {
        libc::AF_INET if holds(size_of::<sockaddr_in>()) => {
            // SAFETY: checked to be as long as its family demands.
            let v4 = unsafe { addr.cast::<sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 if holds(size_of::<sockaddr_in6>()) => {
            // SAFETY: checked to be as long as its family demands.
            let v6 = unsafe { addr.cast::<sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// # Safety
/// `len` is valid for reads and writes, and `addr` for writes of `*len` bytes.
unsafe fn write_address(local: SocketAddr, addr: *mut sockaddr, len: *mut socklen_t) {
    match local {
        SocketAddr::V4(local) => {
            let v4 = sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: local.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*local.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: the caller's own contract; the source is a local of plain integers without padding.
            unsafe { write_bytes(bytes_of(&v4), addr.cast(), len) };
        }
        SocketAddr::V6(local) => {
            let v6 = sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: local.port().to_be(),
                sin6_flowinfo: local.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: local.ip().octets() },
                sin6_scope_id: local.scope_id(),
            };
            // SAFETY: as above.
            unsafe { write_bytes(bytes_of(&v6), addr.cast(), len) };
        }
    }
}

/// # Safety
/// `T` has no padding.
unsafe fn bytes_of<T>(value: &T) -> &[u8] {
    // SAFETY: the value's own memory, all of it initialised, by the caller's contract.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) }
}

/// Copies what fits and sets `len` to how much that is.
///
/// # Safety
/// `len` is valid for reads and writes, and `out` for writes of `*len` bytes.
unsafe fn write_bytes(from: &[u8], out: *mut u8, len: *mut socklen_t) {
    // SAFETY: the caller's contract; no more is copied than either side holds.
    unsafe {
        let fits = from.len().min(*len as usize);
        std::ptr::copy_nonoverlapping(from.as_ptr(), out, fits);
        *len = socklen_t::try_from(fits).unwrap_or(*len);
    }
}
