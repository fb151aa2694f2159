//! A fixed address layout: addresses leak into hashers that seed themselves from them.
#![expect(unsafe_code, reason = "personality(2)")]

use std::os::unix::process::CommandExt;

/// Why the address layout is still random.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The kernel refused, as in some containers.
    #[error("the system does not let a process switch off address randomisation ({0})")]
    Refused(std::io::Error),
    /// The program could not start itself again.
    #[error("could not start the program again with a fixed address layout ({0})")]
    Exec(std::io::Error),
}

const QUERY: libc::c_ulong = 0xffff_ffff;

/// Whether address randomisation is off.
#[must_use]
pub fn is_fixed() -> bool {
    // SAFETY: personality(2) takes a plain integer.
    let current = unsafe { libc::personality(QUERY) };
    current != -1 && current & libc::ADDR_NO_RANDOMIZE != 0
}

/// Switches address randomisation off by executing the program again, once, with the same arguments.
/// Returns only if it is already off or cannot be switched off.
///
/// # Errors
/// When the system refuses. Runs then repeat only as far as no library hashes addresses.
pub fn fix() -> Result<(), LayoutError> {
    // SAFETY: personality(2) takes a plain integer.
    let current = unsafe { libc::personality(QUERY) };
    if current == -1 {
        return Err(LayoutError::Refused(std::io::Error::last_os_error()));
    }
    if current & libc::ADDR_NO_RANDOMIZE != 0 {
        return Ok(());
    }
    // SAFETY: as above.
    if unsafe { libc::personality((current | libc::ADDR_NO_RANDOMIZE) as libc::c_ulong) } == -1 {
        return Err(LayoutError::Refused(std::io::Error::last_os_error()));
    }
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_else(|| "squall".into());
    let error = std::process::Command::new("/proc/self/exe").arg0(name).args(args).exec();
    Err(LayoutError::Exec(error))
}
