//! The exit codes of the program.

/// Exit codes; scripts and serial-starter rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success, or stopped by a signal.
    Fine = 0,
    /// Any other failure, such as a full disk.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// No BMS found, nothing decoded.
    Nothing = 3,
    /// The port's device node vanished.
    PortGone = 4,
    /// D-Bus is required, but was absent, the name taken, or the connection lost.
    BusGone = 5,
    /// The program hung and its watchdog ended it.
    Stuck = crate::base::watchdog::EXIT_CODE,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
