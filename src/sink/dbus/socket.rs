//! The socket of a connection to the bus: zbus reads and writes it, and signals that were made here go out beside zbus.
//!
//! zbus' own would do, but for two things that come with every reading. It takes only messages that its serializer has written,
//! a few bytes at a time; and it watches the socket for both directions, so that the program is woken up once more for each
//! message when the bus has taken it.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use zbus::Message;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::AuthMechanism;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// A socket in use.
#[derive(Debug)]
struct Line {
    /// Watched for what comes; whether something can be sent is asked by sending.
    fd: AsyncFd<OwnedFd>,
    /// Whoever sends a message holds it until the message is whole.
    turn: Mutex<()>,
    /// The kernel tells the other end who we are.
    local: bool,
}

/// Sends messages that are ready, whole and in turn with those of zbus.
#[derive(Debug, Clone)]
pub(super) struct Outlet(Arc<Line>);

/// What zbus gets.
pub(super) struct BusSocket(Arc<Line>);

/// The half that zbus reads.
#[derive(Debug)]
pub(super) struct Reader(Arc<Line>);

/// The half that zbus writes.
#[derive(Debug)]
pub(super) struct Writer(Arc<Line>);

impl BusSocket {
    /// Connects to a bus.
    ///
    /// # Errors
    /// Nobody answers there, or it is none of the ways to a bus that there are on Linux.
    pub(super) async fn connect(way: &Transport) -> io::Result<Self> {
        let (fd, local): (OwnedFd, bool) = match way {
            Transport::Unix(unix) => (connect_local(unix.path()).await?.into_std()?.into(), true),
            Transport::Tcp(tcp) if tcp.nonce_file().is_none() => {
                let stream = TcpStream::connect((tcp.host(), tcp.port())).await?;
                stream.set_nodelay(true)?;
                (stream.into_std()?.into(), false)
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self(Arc::new(Line { fd: watch(fd, Interest::READABLE)?, turn: Mutex::new(()), local })))
    }

    /// The way beside zbus.
    pub(super) fn outlet(&self) -> Outlet {
        Outlet(self.0.clone())
    }
}

#[expect(deprecated, reason = "not sound for every type, but for this one; what replaces it is unsafe")]
fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

async fn connect_local(socket: &UnixSocket) -> io::Result<UnixStream> {
    match socket {
        UnixSocket::File(path) => UnixStream::connect(path).await,
        UnixSocket::Abstract(name) => {
            // That is how the kernel writes them.
            let name = [&[0], name.as_bytes()].concat();
            UnixStream::connect(OsStr::from_bytes(&name)).await
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

impl Outlet {
    /// Sends a message. Dropping the future half-way leaves half a message on the line, which ends the connection.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) async fn send(&self, message: &[u8]) -> io::Result<()> {
        self.0.send_whole(message).await
    }
}

impl Line {
    async fn send_whole(&self, message: &[u8]) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        let mut rest = message;
        while !rest.is_empty() {
            let sent = self.send_some(rest).await?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    async fn send_some(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(&self.fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => return Ok(sent),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.until_writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The bus is busy and the kernel's buffer full, which is rare: only then the other direction is watched as well.
    async fn until_writable(&self) -> io::Result<()> {
        watch(self.fd.get_ref().try_clone()?, Interest::WRITABLE)?.writable().await.map(drop)
    }
}

impl Socket for BusSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        Split::new(Reader(self.0.clone()), Writer(self.0))
    }
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        loop {
            let mut ready = self.0.fd.readable().await?;
            let received = ready.try_io(|fd| match recv(fd, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((received, _)) => Ok(received),
                Err(error) => Err(error.into()),
            });
            match received {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nobody sends us descriptors: we do not say that we take any.
                Ok(received) => return Ok((received?, Vec::new())),
                Err(_would_block) => {}
            }
        }
    }

    fn auth_mechanism(&self) -> AuthMechanism {
        if self.0.local { AuthMechanism::External } else { AuthMechanism::Anonymous }
    }
}

#[async_trait]
impl WriteHalf for Writer {
    async fn send_message(&mut self, message: &Message) -> zbus::Result<()> {
        Ok(self.0.send_whole(message.data()).await?)
    }

    async fn sendmsg(&mut self, buffer: &[u8], _fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.send_some(buffer).await
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(shutdown(&self.0.fd, Shutdown::Both)?)
    }
}
