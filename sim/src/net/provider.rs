//! The network as the tokio shim sees it: socket handles that call into the engine.

use super::tcp::{EndKey, ListenerKey};
use super::udp::{Membership, PortSharing, UdpKey};
use super::{HostId, Net};
use crate::engine::{try_with_net, with_net};
use crate::world::current_host;
use bytes::Bytes;
use squall_hook::{SimFuture, SimListener, SimNet, SimTcp, SimUdp, Sink};
use squall_interpose::datagrams;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Answers the shim on behalf of the host whose task is running.
pub(crate) struct Provider;

fn here() -> HostId {
    match current_host() {
        Some(host) => host,
        None => squall_hook::refuse("code outside every simulated host used the network"),
    }
}

impl SimNet for Provider {
    fn connect(&self, local: Option<SocketAddr>, peer: SocketAddr) -> SimFuture<Arc<dyn SimTcp>> {
        let host = here();
        Box::pin(async move {
            // Owned from the start, so that a connect that is given up closes its socket.
            let tcp = Tcp(with_net(|net| net.connect(host, local, peer))?);
            poll_fn(|cx| with_net(|net| net.connected(tcp.0, cx.waker()))).await?;
            Ok(Arc::new(tcp) as Arc<dyn SimTcp>)
        })
    }

    fn listen(&self, addr: SocketAddr) -> io::Result<Arc<dyn SimListener>> {
        let host = here();
        Ok(Arc::new(Listener(with_net(|net| net.listen(host, addr))?)))
    }

    fn udp(&self, addr: SocketAddr) -> io::Result<Arc<dyn SimUdp>> {
        let host = here();
        Ok(Arc::new(Udp(with_net(|net| net.udp_bind(host, addr, PortSharing::Exclusive))?)))
    }

    fn adopt_udp(&self, descriptor: RawFd) -> Option<io::Result<Arc<dyn SimUdp>>> {
        datagrams::take(descriptor).map(|opened| adopt(here(), &opened))
    }

    fn address(&self) -> Ipv4Addr {
        let host = here();
        with_net(|net| net.kernel(host).ip)
    }

    fn lookup(&self, name: &str) -> SimFuture<Vec<IpAddr>> {
        let found = if name == "localhost" {
            Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
        } else {
            with_net(|net: &mut Net| net.host_named(name).map(|host| vec![IpAddr::V4(net.kernel(host).ip)])).ok_or_else(
                || io::Error::new(io::ErrorKind::NotFound, format!("no host is named `{name}` in this world")),
            )
        };
        Box::pin(std::future::ready(found))
    }
}

/// Binds a simulated socket as the one that was opened through libc was to be.
fn adopt(host: HostId, opened: &datagrams::Opened) -> io::Result<Arc<dyn SimUdp>> {
    let sharing = if opened.shares_port() { PortSharing::Shared } else { PortSharing::Exclusive };
    let udp = Udp(with_net(|net| net.udp_bind(host, opened.local_addr(), sharing))?);
    udp.set_multicast_loop_v4(opened.loops());
    for group in opened.groups() {
        udp.join_multicast_v4(group)?;
    }
    Ok(Arc::new(udp))
}

struct Tcp(EndKey);

impl SimTcp for Tcp {
    fn poll_read(&self, cx: &mut Context<'_>, max: usize, sink: Sink<'_>) -> Poll<io::Result<usize>> {
        with_net(|net| net.tcp_read(self.0, max, sink, cx.waker()))
    }

    fn poll_peek(&self, cx: &mut Context<'_>, max: usize, sink: Sink<'_>) -> Poll<io::Result<usize>> {
        with_net(|net| net.tcp_peek(self.0, max, sink, cx.waker()))
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_net(|net| net.tcp_readable(self.0, cx.waker()))
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_net(|net| net.tcp_writable(self.0, cx.waker()))
    }

    fn poll_write(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        with_net(|net| net.tcp_write(self.0, bufs, cx.waker()))
    }

    fn poll_shutdown(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_net(|net| net.tcp_shutdown(self.0));
        Poll::Ready(Ok(()))
    }

    fn take_error(&self) -> Option<io::Error> {
        with_net(|net| net.tcp_take_error(self.0))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        with_net(|net| net.tcp_local_addr(self.0))
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        with_net(|net| net.tcp_peer_addr(self.0))
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        try_with_net(|net| net.close(self.0));
    }
}

struct Listener(ListenerKey);

impl SimListener for Listener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Arc<dyn SimTcp>, SocketAddr)>> {
        with_net(|net| {
            net.accept(self.0, cx.waker()).map_ok(|key| {
                let peer = net.tcp_origin(key);
                (key, peer)
            })
        })
        .map(|accepted| {
            let (key, peer) = accepted?;
            let tcp = Arc::new(Tcp(key)) as Arc<dyn SimTcp>;
            Ok((tcp, peer?))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        with_net(|net| net.listener_addr(self.0))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        try_with_net(|net| net.close_listener(self.0));
    }
}

struct Udp(UdpKey);

impl SimUdp for Udp {
    fn poll_send_to(&self, _cx: &mut Context<'_>, buf: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        Poll::Ready(with_net(|net| net.udp_send(self.0, Bytes::copy_from_slice(buf), to)))
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        with_net(|net| net.udp_recv(self.0, cx.waker())).map_ok(|datagram| {
            let n = datagram.payload.len().min(buf.len());
            buf[..n].copy_from_slice(&datagram.payload[..n]);
            (n, SocketAddr::V4(datagram.from))
        })
    }

    fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_net(|net| net.udp_readable(self.0, cx.waker()))
    }

    fn join_multicast_v4(&self, group: Ipv4Addr) -> io::Result<()> {
        with_net(|net| net.udp_group(self.0, group, Membership::Join))
    }

    fn leave_multicast_v4(&self, group: Ipv4Addr) -> io::Result<()> {
        with_net(|net| net.udp_group(self.0, group, Membership::Leave))
    }

    fn set_multicast_loop_v4(&self, on: bool) {
        with_net(|net| net.udp_set_loop(self.0, on));
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        with_net(|net| net.udp_local_addr(self.0))
    }
}

impl Drop for Udp {
    fn drop(&mut self) {
        try_with_net(|net| net.udp_close(self.0));
    }
}
