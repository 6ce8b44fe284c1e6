//! Whose trouble a refusal of the kernel or of a tool is.
//!
//! A fault of the slot is only what the disk itself shows: a read error, or structures that contradict themselves. What
//! another kernel, tool or image would do without is trouble of this host: a bad image must not mark every slot of a zone,
//! and the image before it heals by itself.

/// Whose trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The disk of this one slot: another host would meet the same.
    Slot,
    /// This host: its kernel, its tools, its memory, its rights.
    Host,
    /// What the operator can mend in the configuration or the image.
    Configuration,
}

/// By the error number of a call on the device or on the mounted file system (Linux, include/uapi/asm-generic/errno.h);
/// `None` where the error has none.
///
/// EIO, ENODATA and EILSEQ are what the block layer makes of a failed, an unreadable and a badly protected sector (kernel,
/// block/blk-core.c, `blk_errors`); EUCLEAN and EBADMSG are EFSCORRUPTED and EFSBADCRC of xfs and ext4. A device that is
/// gone (ENODEV, ENXIO), a full disk (ENOSPC) and one that answers too late (ETIMEDOUT) prove nothing about the data.
pub fn of_errno(errno: Option<i32>) -> Whose {
    const EIO: i32 = 5;
    const ENODATA: i32 = 61;
    const EBADMSG: i32 = 74;
    const EILSEQ: i32 = 84;
    const EUCLEAN: i32 = 117;
    match errno {
        Some(EIO | ENODATA | EBADMSG | EILSEQ | EUCLEAN) => Whose::Slot,
        _ => Whose::Host,
    }
}

/// By the error number of mount(2). EINVAL is an option that the file system does not take, where any was given for it;
/// otherwise a feature that this kernel does not know. ENODEV: the kernel has no such file system at all.
pub fn of_mount(errno: Option<i32>, has_options: bool) -> Whose {
    const ENODEV: i32 = 19;
    const EINVAL: i32 = 22;
    match errno {
        Some(ENODEV) => Whose::Configuration,
        Some(EINVAL) if has_options => Whose::Configuration,
        other => of_errno(other),
    }
}

/// What `e2fsck -p` left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Nothing was to be done.
    Clean,
    /// It was mended.
    Mended,
    /// It was mended, and the kernel must be started anew.
    WantsReboot,
    /// It cannot be mounted.
    Failed(Whose),
}

/// By its exit code, a sum (e2fsck(8)): 1 mended, 2 reboot wanted, 4 not mended, 8 operational error (also "get a newer
/// version of e2fsck": a feature that it does not know), 16 usage, 32 cancelled, 128 shared library.
pub fn of_e2fsck(code: i32) -> Checked {
    match code {
        0 => Checked::Clean,
        1 => Checked::Mended,
        code if code & !0b111 != 0 => Checked::Failed(Whose::Host),
        code if code & 4 != 0 => Checked::Failed(Whose::Slot),
        _ => Checked::WantsReboot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_disk_shows_is_a_fault_of_the_slot() {
        let named = [
            (5, "EIO", Whose::Slot),
            (61, "ENODATA", Whose::Slot),
            (74, "EBADMSG", Whose::Slot),
            (84, "EILSEQ", Whose::Slot),
            (117, "EUCLEAN", Whose::Slot),
            (1, "EPERM", Whose::Host),
            (2, "ENOENT", Whose::Host),
            (4, "EINTR", Whose::Host),
            (6, "ENXIO", Whose::Host),
            (11, "EAGAIN", Whose::Host),
            (12, "ENOMEM", Whose::Host),
            (13, "EACCES", Whose::Host),
            (15, "ENOTBLK", Whose::Host),
            (16, "EBUSY", Whose::Host),
            (19, "ENODEV", Whose::Host),
            (22, "EINVAL", Whose::Host),
            (23, "ENFILE", Whose::Host),
            (24, "EMFILE", Whose::Host),
            (27, "EFBIG", Whose::Host),
            (28, "ENOSPC", Whose::Host),
            (30, "EROFS", Whose::Host),
            (38, "ENOSYS", Whose::Host),
            (95, "EOPNOTSUPP", Whose::Host),
            (110, "ETIMEDOUT", Whose::Host),
            (121, "EREMOTEIO", Whose::Host),
        ];
        for (errno, name, whose) in named {
            assert_eq!(of_errno(Some(errno)), whose, "{name}");
            let on_mount = match name {
                "ENODEV" => Whose::Configuration,
                _ => whose,
            };
            assert_eq!(of_mount(Some(errno), false), on_mount, "mount: {name}");
            let with_options = if name == "EINVAL" { Whose::Configuration } else { on_mount };
            assert_eq!(of_mount(Some(errno), true), with_options, "mount with options: {name}");
        }
        assert_eq!(of_errno(None), Whose::Host, "an error without a number");
        let slots = (0..4096).filter(|errno| of_errno(Some(*errno)) == Whose::Slot).count();
        assert_eq!(slots, 5, "no other number is the slot's");
    }

    #[test]
    fn an_e2fsck_that_could_not_work_says_nothing_about_the_disk() {
        for code in 0..256 {
            let expected = match code {
                0 => Checked::Clean,
                1 => Checked::Mended,
                2 | 3 => Checked::WantsReboot,
                4..=7 => Checked::Failed(Whose::Slot),
                _ => Checked::Failed(Whose::Host),
            };
            assert_eq!(of_e2fsck(code), expected, "{code}");
        }
    }
}
