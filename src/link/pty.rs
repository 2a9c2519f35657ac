//! A pseudo terminal with a symbolic link: programs open the link like a serial port, this end is the BMS.

use super::Port;
use super::port::is_ready;
use crate::bms::Line;
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Why a pty cannot be created at a path.
#[derive(Debug, Error)]
pub enum PtyError {
    /// The path of the link is taken.
    #[error("{path} exists and is not a link to a pty; choose another path or remove it")]
    Occupied {
        /// The path.
        path: String,
    },
    /// The link cannot be created.
    #[error("cannot create a link at {path}: {error}; choose a writable path")]
    Link {
        /// The path.
        path: String,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The system refuses a pty.
    #[error("cannot open a pty: {0}; is /dev/pts mounted?")]
    Open(io::Error),
}

/// This end of a pty whose other end is a serial port for others. Dropping it removes the link.
#[derive(Debug)]
pub struct Pty {
    name: String,
    master: OwnedFd,
    /// Held open, so that reading does not fail while no other program has it open.
    slave: OwnedFd,
    link: PathBuf,
    target: PathBuf,
    /// The only speed at which this end receives; `None` = any.
    line: Option<Line>,
}

impl Pty {
    /// Opens a pty in raw mode and creates a link to it at `link`. Replaces a link left by an earlier pty, but nothing else.
    ///
    /// # Errors
    /// [`PtyError`] names the obstacle.
    pub fn open(link: &Path) -> Result<Self, PtyError> {
        let (master, slave, target) = pair().map_err(|error| PtyError::Open(error.into()))?;
        let name = link.display().to_string();
        place(link, &target, &name)?;
        Ok(Self { name, master, slave, link: link.into(), target, line: None })
    }

    /// The speed set by the other end, baud.
    fn other_speed(&self) -> io::Result<u32> {
        Ok(tcgetattr(&self.slave)?.output_speed())
    }
}

/// Both ends, in raw mode, and the path of the slave.
fn pair() -> Result<(OwnedFd, OwnedFd, PathBuf), Errno> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    // If the other end does not read, bytes are lost, as on a wire, instead of blocking the simulation.
    rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
    let target = ptsname(&master, Vec::new())?;
    let slave = rustix::fs::open(&target, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut settings = tcgetattr(&slave)?;
    settings.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &settings)?;
    let target = target.into_string().map_err(|_| Errno::ILSEQ)?;
    Ok((master, slave, target.into()))
}

/// Creates the link at `path`, replacing an earlier link to a pty.
fn place(path: &Path, target: &Path, name: &str) -> Result<(), PtyError> {
    let failed = |error| PtyError::Link { path: name.into(), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(_) if fs::read_link(path).is_ok_and(|old| old.starts_with("/dev/pts")) => fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(PtyError::Occupied { path: name.into() }),
    }
    symlink(target, path).map_err(failed)
}

impl Drop for Pty {
    fn drop(&mut self) {
        // A later pty may have taken the path.
        if fs::read_link(&self.link).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.link);
        }
    }
}

impl Port for Pty {
    fn name(&self) -> &str {
        &self.name
    }

    /// From now on bytes sent at another speed are lost, as on a real line.
    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.line = Some(line);
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(&self.master, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break, // the other end does not read
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        if !is_ready(&self.master, PollFlags::IN, wait)? {
            return Ok(0);
        }
        let count = match rustix::io::read(&self.master, &mut *buf) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let understood = match self.line {
            Some(line) => self.other_speed()? == line.baud,
            None => true,
        };
        Ok(if understood { count } else { 0 })
    }

    fn clear(&mut self) -> io::Result<()> {
        let mut buf = [0; 256];
        while self.receive(&mut buf, Duration::ZERO)? > 0 {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    const WAIT: Duration = Duration::from_secs(2);

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("dbus-bms-pty-{}-{name}", std::process::id()))
    }

    fn open(path: &Path) -> fs::File {
        fs::File::options().read(true).write(true).open(path).unwrap()
    }

    #[test]
    fn bytes_pass_unchanged_in_both_directions() {
        let path = path("bytes");
        let mut pty = Pty::open(&path).unwrap();
        let mut port = open(&path);
        let every: Vec<u8> = (0..=255).collect();
        port.write_all(&every).unwrap();
        let (mut buf, mut got) = ([0; 300], Vec::new());
        while got.len() < every.len() {
            let count = pty.receive(&mut buf, WAIT).unwrap();
            assert!(count > 0, "{} of 256 bytes came", got.len());
            got.extend_from_slice(&buf[..count]);
        }
        assert_eq!(got, every);
        pty.send(&every).unwrap();
        let mut back = vec![0; 256];
        port.read_exact(&mut back).unwrap();
        assert_eq!(back, every);
        assert_eq!(pty.receive(&mut buf, Duration::from_millis(1)).unwrap(), 0);
    }

    #[test]
    fn the_port_may_be_closed_and_opened_again() {
        let path = path("again");
        let mut pty = Pty::open(&path).unwrap();
        let mut buf = [0; 8];
        for _ in 0..3 {
            open(&path).write_all(&[1, 2]).unwrap();
            assert_eq!(pty.receive(&mut buf, WAIT).unwrap(), 2);
            assert_eq!(pty.receive(&mut buf, Duration::from_millis(1)).unwrap(), 0);
        }
    }

    #[test]
    fn another_speed_is_not_understood() {
        let path = path("speed");
        let mut pty = Pty::open(&path).unwrap();
        pty.set_line(Line { baud: 9600 }).unwrap();
        let mut port = open(&path);
        let mut settings = tcgetattr(&port).unwrap();
        let mut heard_at = |baud| {
            settings.set_speed(baud).unwrap();
            tcsetattr(&port, OptionalActions::Now, &settings).unwrap();
            port.write_all(&[1, 2, 3]).unwrap();
            pty.receive(&mut [0; 8], Duration::from_millis(200)).unwrap()
        };
        assert_eq!(heard_at(115_200), 0);
        assert_eq!(heard_at(9600), 3);
    }

    #[test]
    fn a_reader_that_never_reads_stops_nothing() {
        let path = path("full");
        let mut pty = Pty::open(&path).unwrap();
        let _port = open(&path);
        (0..100).for_each(|_| pty.send(&[0; 4096]).unwrap());
    }

    #[test]
    fn only_links_to_ptys_are_replaced_and_the_own_one_goes() {
        let path = path("link");
        fs::write(&path, "mine").unwrap();
        let error = Pty::open(&path).unwrap_err().to_string();
        assert!(error.contains("is not a link to a pty"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(&path).unwrap();

        symlink("/dev/pts/no-longer-there", &path).unwrap();
        let first = Pty::open(&path).unwrap();
        let second = Pty::open(&path).unwrap();
        drop(first);
        assert_eq!(fs::read_link(&path).unwrap(), second.target);
        drop(second);
        assert!(fs::symlink_metadata(&path).is_err());
    }
}
