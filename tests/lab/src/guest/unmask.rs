//! PID 1 keeps signals blocked and takes them one by one; its children must not inherit that, or no SIGTERM would reach a
//! service. std hands the mask on as it is, so it is cleared between fork and exec.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, SigmaskHow};

/// The command starts with no signal blocked.
pub(crate) fn unmasked(command: &mut Command) -> &mut Command {
    // SAFETY: the closure runs in the child after fork and calls only sigprocmask(2), which is async-signal-safe; it neither
    // allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| {
            nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
                .map_err(|errno| std::io::Error::from_raw_os_error(errno as i32))
        })
    }
}
