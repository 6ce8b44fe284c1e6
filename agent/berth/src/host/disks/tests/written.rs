//! Formats whose tools need a kernel module or are not to be had: written from their public definitions.

use super::{FaultCode, Loop, MIB};

/// md's superblock of version 1 (kernel, include/uapi/linux/raid/md_p.h, `struct mdp_superblock_1`), at this sector.
fn md_1(super_sector: u64, data_sector: u64) -> Vec<u8> {
    let mut sb = vec![0u8; 256 + 2 * 128];
    let mut put = |at: usize, bytes: &[u8]| sb[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &0xa92b4efc_u32.to_le_bytes());
    put(4, &1u32.to_le_bytes());
    put(16, &[0xab; 16]);
    put(32, b"host:mirror");
    put(72, &1u32.to_le_bytes());
    put(80, &65536u64.to_le_bytes());
    put(92, &2u32.to_le_bytes());
    put(128, &data_sector.to_le_bytes());
    put(136, &65536u64.to_le_bytes());
    put(144, &super_sector.to_le_bytes());
    put(168, &[0xcd; 16]);
    put(220, &128u32.to_le_bytes());
    // The sum of its words, folded once (drivers/md/md.c, calc_sb_1_csum).
    let sum: u64 = sb.chunks(4).map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap()))).sum();
    let sum = ((sum & 0xffff_ffff) + (sum >> 32)) as u32;
    sb[216..220].copy_from_slice(&sum.to_le_bytes());
    sb
}

/// Version 0.90 (`mdp_super_t`): magic, major and minor version, set UUIDs at words 5 and 13, sum at word 38.
fn md_0_90() -> Vec<u8> {
    let mut words = vec![0u32; 1024];
    (words[0], words[2], words[5], words[13]) = (0xa92b4efc, 90, 0x11111111, 0x22222222);
    (words[7], words[10], words[11]) = (1, 2, 2);
    let sum: u64 = words.iter().map(|word| u64::from(*word)).sum();
    words[38] = ((sum & 0xffff_ffff) + (sum >> 32)) as u32;
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn a_member_of_a_linux_raid_is_never_formatted_on_a_device_of_any_size() {
    for size in [64 * MIB, 64 * MIB + 512, 64 * MIB + 4096 + 1024, 64 * MIB + 65536 + 512, 65 * MIB - 512] {
        let sectors = size / 512;
        // Where the kernel puts and seeks them (drivers/md/md.c, super_1_load; md_p.h, MD_NEW_SIZE_SECTORS).
        let end = (sectors - 16) & !7;
        let old = (sectors & !127) - 128;
        for (what, sector, superblock) in [
            ("Linux RAID (md 1.0)", end, md_1(end, 0)),
            ("Linux RAID (md 1.1)", 0, md_1(0, 2048)),
            ("Linux RAID (md 1.2)", 8, md_1(8, 2048)),
            ("Linux RAID (md 0.90)", old, md_0_90()),
        ] {
            let device = Loop::new(size);
            device.write(sector * 512, &superblock);
            let opinion = device.second_opinion().unwrap_or_default();
            assert!(opinion.contains("linux_raid_member"), "{what} on {size} bytes: {opinion}");
            device.is_refused(FaultCode::Foreign, what);
        }
    }
}

#[test]
fn a_member_of_a_zfs_pool_is_never_formatted() {
    const LABEL: u64 = 256 << 10;
    for size in [64 * MIB, 64 * MIB + 100 * 1024 + 512] {
        let last = size / LABEL * LABEL;
        // Each label alone: a tool that wiped the start leaves the two at the end.
        for label in [0, LABEL, last - 2 * LABEL, last - LABEL] {
            for magic in [0x00bab10c_u64.to_le_bytes(), 0x00bab10c_u64.to_be_bytes()] {
                let device = Loop::new(size);
                // The first transactions' uberblocks; libblkid wants four.
                for txg in 4..8 {
                    device.write(label + (128 << 10) + txg * 1024, &magic);
                }
                let opinion = device.second_opinion().unwrap_or_default();
                assert!(opinion.contains("zfs_member"), "label at {label} of {size} bytes: {opinion}");
                device.is_refused(FaultCode::Foreign, "ZFS member");
            }
        }
    }
}

#[test]
fn what_only_its_magic_tells_is_never_formatted() {
    for (what, at, magic) in [
        ("VMFS", MIB, b"\x0d\xd0\x01\xc0".as_slice()),
        ("bcachefs", 4096 + 24, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"),
        ("OCFS2", 8192, b"OCFSV2"),
        ("Stratis pool", 516, b"!Stra0tis\x86\xff\x02^Arh"),
        ("VDO", 0, b"dmvdo001"),
        ("BitLocker encryption", 3, b"-FVE-FS-"),
        ("Ceph BlueStore", 0, b"bluestore block device"),
        ("suspended system", 4086, b"S1SUSPEND"),
        ("Oracle ASM disk", 32, b"ORCLDISK"),
    ] {
        let device = Loop::new(16 * MIB);
        device.write(at, magic);
        device.is_refused(FaultCode::Foreign, what);
    }
}
