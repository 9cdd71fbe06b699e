//! How the sockets of peers are set.

use std::io;

use socket2::SockRef;

/// Bytes that TCP takes of us before it can send them. What is still with us can be cancelled, and does not hold up what is
/// more urgent.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NOT_SENT: u32 = 32 * 1024;

/// Sets a peer's socket: small messages go at once, and blocks are left with us until there is room for them on the way.
pub(crate) fn tune<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    let socket = socket.into();
    socket.set_tcp_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_notsent_lowat(NOT_SENT)?;
    Ok(())
}
