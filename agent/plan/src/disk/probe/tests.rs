use super::*;

const SIZE: usize = 8 << 20;
const UUID: &str = "abababab-abab-abab-abab-abababababab";

type Writes<'a> = &'a [(usize, &'a [u8])];

fn bytes(size: usize, writes: Writes<'_>) -> Vec<u8> {
    let mut bytes = vec![0u8; size];
    for (offset, data) in writes {
        bytes[*offset..offset + data.len()].copy_from_slice(data);
    }
    bytes
}

fn sample(bytes: &[u8]) -> Sample {
    let read = |from: u64, length: u64| Ok::<_, ()>(bytes[from as usize..(from + length) as usize].to_vec());
    Sample::read(bytes.len() as u64, read).unwrap()
}

fn sampled(bytes: &[u8]) -> Probed {
    probe(&sample(bytes))
}

fn device(writes: Writes<'_>) -> Probed {
    sampled(&bytes(SIZE, writes))
}

fn noise(mut state: u64, size: usize) -> Vec<u8> {
    // Knuth's MMIX generator.
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// A superblock of an XFS of `blocks` blocks of 4 KiB.
fn xfs(in_progress: u8, blocks: u64) -> Vec<u8> {
    let mut sb = bytes(512, &[(0, b"XFSB\0\0\x10\0"), (32, &[0xab; 16]), (126, &[in_progress])]);
    sb[8..16].copy_from_slice(&blocks.to_be_bytes());
    sb
}

/// A superblock of an ext4 of `blocks` blocks of `1024 << log` bytes.
fn ext(blocks: u32, log: u32, incompat: u32) -> Vec<u8> {
    let mut sb = bytes(1024, &[(0x38, &[0x53, 0xef]), (0x68, &[0xab; 16])]);
    sb[4..8].copy_from_slice(&blocks.to_le_bytes());
    sb[0x18..0x1c].copy_from_slice(&log.to_le_bytes());
    sb[0x60..0x64].copy_from_slice(&incompat.to_le_bytes());
    sb
}

fn complete(fs: Fs, bytes: u64) -> Probed {
    Probed::FileSystem { fs, uuid: UUID.parse().unwrap(), bytes }
}

/// What, where, and the bytes, from the formats' definitions; written down a second time on purpose.
const KNOWN: &[(&str, usize, &[u8])] = &[
    ("LUKS encryption", 0, b"LUKS\xba\xbe\x00\x02"),
    ("LUKS encryption (second header)", 16 << 10, b"SKUL\xba\xbe"),
    ("LUKS encryption (second header)", 32 << 10, b"SKUL\xba\xbe"),
    ("LUKS encryption (second header)", 64 << 10, b"SKUL\xba\xbe"),
    ("LUKS encryption (second header)", 128 << 10, b"SKUL\xba\xbe"),
    ("LUKS encryption (second header)", 256 << 10, b"SKUL\xba\xbe"),
    ("LUKS encryption (second header)", 512 << 10, b"SKUL\xba\xbe"),
    ("LUKS encryption (second header)", 1 << 20, b"SKUL\xba\xbe"),
    ("BitLocker encryption", 0, b"\xeb\x58\x90-FVE-FS-"),
    ("dm-verity hashes", 0, b"verity\0\0"),
    ("dm-integrity", 0, b"integrt\0"),
    ("LVM physical volume", 0, b"LABELONE\x01"),
    ("LVM physical volume", 512, b"LABELONE\x01"),
    ("LVM physical volume", 1024, b"LABELONE\x01"),
    ("LVM physical volume", 1536, b"LABELONE\x01"),
    ("LVM1 physical volume", 0, b"HM\x01\0"),
    ("LVM1 physical volume", 0, b"HM\x02\0"),
    ("LVM snapshot store", 0, b"SnAp"),
    ("VDO", 0, b"dmvdo001"),
    ("Stratis pool", 512 + 4, b"!Stra0tis\x86\xff\x02^Arh"),
    ("Stratis pool", 9 * 512 + 4, b"!Stra0tis\x86\xff\x02^Arh"),
    ("Linux RAID (md 1.1)", 0, &0xa92b4efc_u32.to_le_bytes()),
    ("Linux RAID (md 1.2)", 4096, &0xa92b4efc_u32.to_le_bytes()),
    ("bcache", 4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
    ("bcachefs", 4096 + 24, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"),
    ("Ceph BlueStore", 0, b"bluestore block device\n"),
    ("Oracle ASM disk", 32, b"ORCLDISK"),
    ("ZFS member", (16 << 10) + 24, b"version"),
    ("ZFS member", (272 << 10) + 24, b"version"),
    ("ZFS member", (128 << 10) + 4096, &0x00bab10c_u64.to_le_bytes()),
    ("ZFS member", (384 << 10) + 1024, &0x00bab10c_u64.to_be_bytes()),
    ("VMFS", 1 << 20, &0xc001d00d_u32.to_le_bytes()),
    ("swap", 4096 - 10, b"SWAPSPACE2"),
    ("swap", 8192 - 10, b"SWAPSPACE2"),
    ("swap", 16384 - 10, b"SWAPSPACE2"),
    ("swap", 32768 - 10, b"SWAPSPACE2"),
    ("swap", 65536 - 10, b"SWAPSPACE2"),
    ("swap", 4096 - 10, b"SWAP-SPACE"),
    ("swap", 8192 - 10, b"SWAP-SPACE"),
    ("suspended system", 4096 - 10, b"S1SUSPEND\0"),
    ("suspended system", 4096 - 10, b"S2SUSPEND\0"),
    ("suspended system", 4096 - 10, b"ULSUSPEND\0"),
    ("suspended system", 4096 - 10, b"LINHIB0001"),
    ("suspended system", 0, b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c"),
    ("btrfs", (64 << 10) + 64, b"_BHRfS_M"),
    ("f2fs", 1024, &0xf2f52010_u32.to_le_bytes()),
    ("f2fs (second superblock)", 4096 + 1024, &0xf2f52010_u32.to_le_bytes()),
    ("nilfs2", 1024, &[2, 0, 0, 0, 0, 0, 0x34, 0x34]),
    ("erofs", 1024, &0xe0f5e1e2_u32.to_le_bytes()),
    ("squashfs", 0, b"hsqs"),
    ("squashfs", 0, b"sqsh"),
    ("cramfs", 0, &0x28cd3d45_u32.to_le_bytes()),
    ("cramfs", 0, &0x28cd3d45_u32.to_be_bytes()),
    ("romfs", 0, b"-rom1fs-"),
    ("UBI", 0, b"UBI#"),
    ("UBIFS", 0, &0x06101831_u32.to_le_bytes()),
    ("zonefs", 0, &0x5a4f4653_u32.to_le_bytes()),
    ("BFS", 0, &0x1badface_u32.to_le_bytes()),
    ("VxFS", 1024, &0xa501fcf5_u32.to_le_bytes()),
    ("external xfs log", 0, &0xfeedbabe_u32.to_be_bytes()),
    ("ReiserFS", (8 << 10) + 52, b"ReIsErFs"),
    ("ReiserFS", (64 << 10) + 52, b"ReIsEr2Fs"),
    ("Reiser4", 64 << 10, b"ReIsEr4"),
    ("JFS", 32 << 10, b"JFS1"),
    ("JFS (second superblock)", 60 << 10, b"JFS1"),
    ("OCFS2", 1 << 10, b"OCFSV2"),
    ("OCFS2", 2 << 10, b"OCFSV2"),
    ("OCFS2", 4 << 10, b"OCFSV2"),
    ("OCFS2", 8 << 10, b"OCFSV2"),
    ("OCFS", 8, b"OracleCFS"),
    ("GFS2", 64 << 10, &0x01161970_u32.to_be_bytes()),
    ("HPFS", 8 << 10, &0xf995e849_u32.to_le_bytes()),
    ("HFS+", 1024, b"H+\0\x04"),
    ("HFSX", 1024, b"HX\0\x05"),
    ("APFS", 32, b"NXSB"),
    ("BeFS", 512 + 32, b"1SFB"),
    ("UFS", (8 << 10) + 1372, &0x00011954_u32.to_le_bytes()),
    ("UFS", (64 << 10) + 1372, &0x19540119_u32.to_le_bytes()),
    ("minix", 1024 + 16, &[0x7f, 0x13, 1, 0]),
    ("minix", 1024 + 16, &[0x8f, 0x13, 1, 0]),
    ("minix", 1024 + 16, &[0x68, 0x24, 1, 0]),
    ("minix", 1024 + 16, &[0x78, 0x24, 2, 0]),
    ("minix", 1024 + 24, &[0x5a, 0x4d, 0, 0, 0, 4]),
    ("iso9660", 32768 + 1, b"CD001"),
    ("High Sierra", 32768 + 9, b"CDROM"),
    ("udf", 32768 + 1, b"BEA01"),
    ("udf", 32768 + 1, b"NSR02"),
    ("udf", 32768 + 1, b"NSR03"),
    ("NTFS", 0, b"\xeb\x52\x90NTFS    "),
    ("ReFS", 0, b"\0\0\0ReFS\0\0\0\0"),
    ("exFAT", 0, b"\xeb\x76\x90EXFAT   "),
    ("FAT", 54, b"FAT16   "),
    ("FAT", 54, b"FAT     "),
    ("FAT", 54, b"MSDOS"),
    ("FAT", 82, b"FAT32   "),
    ("FAT", 82, b"MSWIN"),
    ("GPT partition table", 512, b"EFI PART"),
    ("GPT partition table", 4096, b"EFI PART"),
    ("Apple partition map", 512, b"PM\0\0"),
    ("SGI partition table", 0, &0x0be5a941_u32.to_be_bytes()),
    ("Sun partition table", 188, &0x600ddeee_u32.to_be_bytes()),
    ("BSD disklabel", 0, &0x82564557_u32.to_le_bytes()),
    ("BSD disklabel", 64, &0x82564557_u32.to_le_bytes()),
    ("BSD disklabel", 512, &0x82564557_u32.to_le_bytes()),
    ("AIX physical volume", 0, &0xc9c2d4c1_u32.to_be_bytes()),
    ("DOS partition table", 450, b"\x83___________________________________________________________\x55\xaa"),
    ("boot sector or empty DOS partition table", 510, &[0x55, 0xaa]),
    ("backup of a GPT partition table", SIZE - 512, b"EFI PART"),
    ("backup of a GPT partition table", SIZE - 4096, b"EFI PART"),
    ("DDF RAID", SIZE - 512, &0xde11de11_u32.to_be_bytes()),
    ("DDF RAID", SIZE - 512, &0xde11de11_u32.to_le_bytes()),
    ("Intel RAID", SIZE - 1024, b"Intel Raid ISM Cfg Sig. 1.0.00"),
    ("nilfs2 (second superblock)", SIZE - 4096, &[2, 0, 0, 0, 0, 0, 0x34, 0x34]),
    ("Linux RAID (md 0.90)", SIZE - 0x10000, &0xa92b4efc_u32.to_le_bytes()),
    ("Linux RAID (md 0.90)", SIZE - 0x10000, &0xa92b4efc_u32.to_be_bytes()),
    ("Linux RAID (md 1.0)", SIZE - 0x2000, &0xa92b4efc_u32.to_le_bytes()),
    ("DRBD member", SIZE - 4096 + 60, &0x8374026b_u32.to_be_bytes()),
    ("DRBD member", SIZE - 4096 + 60, &0x8374026d_u32.to_be_bytes()),
    ("ZFS member", SIZE - (512 << 10) + (16 << 10) + 24, b"version"),
    ("ZFS member", SIZE - (256 << 10) + (16 << 10) + 24, b"version"),
    ("ZFS member", SIZE - (512 << 10) + (128 << 10), &0x00bab10c_u64.to_le_bytes()),
    ("ZFS member", SIZE - 1024, &0x00bab10c_u64.to_be_bytes()),
];

#[test]
fn every_known_signature_is_foreign() {
    for (what, offset, bytes) in KNOWN {
        assert_eq!(device(&[(*offset, bytes)]), Probed::Foreign(what), "{bytes:02x?} at {offset}");
    }
}

#[test]
fn an_unfinished_xfs_beside_any_other_signature_is_foreign() {
    let sb = xfs(1, 2048);
    assert!(matches!(device(&[(0, &sb)]), Probed::InProgress { uuid, .. } if uuid.to_string() == UUID));
    for (what, offset, bytes) in KNOWN.iter().filter(|(_, offset, _)| *offset >= 512) {
        assert_eq!(device(&[(0, &sb), (*offset, bytes)]), Probed::Foreign(what), "{bytes:02x?} at {offset}");
    }
}

#[test]
fn an_unfinished_xfs_over_what_is_left_of_another_is_no_blank_device() {
    let sb = xfs(1, 256);
    let size = 64 << 20;
    let copy = |uuid: u8| bytes(FAR as usize, &[(0, b"XFSB"), (32, &[uuid; 16])]);
    let probed = |copy: &[u8]| sampled(&bytes(size, &[(0, &sb), (size / 4, copy)]));
    assert!(matches!(probed(&copy(0xab)), Probed::InProgress { .. }), "the copies of its own");
    let Probed::Remains { found, .. } = probed(&copy(0xcd)) else { panic!("{:?}", probed(&copy(0xcd))) };
    assert_eq!(found[0].uuid, FsUuid::from_bytes([0xcd; 16]));
}

#[test]
fn what_lies_inside_of_a_complete_file_system_is_its_data() {
    let (xfs, ext) = (xfs(0, SIZE as u64 / 4096), ext(SIZE as u32 / 4096, 2, 0));
    for (what, offset, bytes) in KNOWN.iter().filter(|(_, offset, _)| *offset >= 2048) {
        let seen = device(&[(0, &xfs), (*offset, bytes)]);
        assert_eq!(seen, complete(Fs::Xfs, SIZE as u64), "{what} at {offset}");
        let seen = device(&[(1024, &ext), (*offset, bytes)]);
        assert_eq!(seen, complete(Fs::Ext4, SIZE as u64), "{what} at {offset}");
    }
}

#[test]
fn a_layer_around_a_complete_file_system_is_foreign() {
    // The mirror's half: the file system ends before the array's own data.
    let inner = SIZE - TAIL as usize;
    let (xfs, ext) = (xfs(0, inner as u64 / 4096), ext(inner as u32 / 4096, 2, 0));
    for (what, offset, bytes) in KNOWN.iter().filter(|(_, offset, _)| *offset >= inner) {
        // The end of a partition table whose start the file system took is nobody's.
        let expected = |fs| match *what {
            "backup of a GPT partition table" => complete(fs, inner as u64),
            what => Probed::Foreign(what),
        };
        assert_eq!(device(&[(0, &xfs), (*offset, bytes)]), expected(Fs::Xfs), "{what} at {offset}");
        assert_eq!(device(&[(1024, &ext), (*offset, bytes)]), expected(Fs::Ext4), "{what} at {offset}");
    }
    // Over its first sectors: a physical volume, or a partition table, that was made later.
    for (offset, bytes, what) in [
        (512, b"LABELONE".as_slice(), "LVM physical volume"),
        (512, b"EFI PART", "GPT partition table"),
        (450, &[&[0x83; 60], [0x55, 0xaa].as_slice()].concat(), "DOS partition table"),
    ] {
        assert_eq!(device(&[(0, &xfs), (offset, bytes)]), Probed::Foreign(what));
        assert_eq!(device(&[(1024, &ext), (offset, bytes)]), Probed::Foreign(what));
    }
    assert_eq!(device(&[(1024, &ext), (510, &[0x55, 0xaa])]), complete(Fs::Ext4, inner as u64));
}

#[test]
fn signatures_at_the_end_are_found_on_devices_of_every_size() {
    for size in
        [SIZE + 512, SIZE + 4096 + 512, SIZE + 65536 + 1024, SIZE + (100 << 10) + 512, 300 << 10, 64 << 10]
    {
        // As the kernel places them: md(4), DRBD's and the GPT's last whole block, ZFS on labels of 256 KiB.
        let md = u32::to_le_bytes(0xa92b4efc);
        let places: [(&str, usize, &[u8]); 5] = [
            ("backup of a GPT partition table", size - 512, b"EFI PART"),
            ("Linux RAID (md 1.0)", (size / 512 - 16) / 8 * 8 * 512, &md),
            ("Linux RAID (md 0.90)", (size / 65536).saturating_sub(1) * 65536, &md),
            ("DRBD member", (size / 512 / 8 * 8 - 8) * 512 + 60, &[0x83, 0x74, 0x02, 0x6b]),
            ("ZFS member", (size >> 18 << 18).saturating_sub(128 << 10), &[0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0]),
        ];
        for (what, offset, magic) in places {
            // Too small for such a member at all.
            if offset == 0 || (what == "ZFS member" && size < 512 << 10) {
                continue;
            }
            assert_eq!(sampled(&bytes(size, &[(offset, magic)])), Probed::Foreign(what), "on {size} bytes");
        }
    }
}

#[test]
fn zeros_and_noise_are_blank() {
    for size in [512, 1024, 4096, 65536, 300 << 10, HEAD as usize + 512, SIZE] {
        assert!(matches!(sampled(&vec![0; size]), Probed::Blank(_)), "{size} zeros");
    }
    for seed in 1..=20 {
        assert!(matches!(sampled(&noise(seed, 2 << 20)), Probed::Blank(_)), "noise of seed {seed}");
    }
}

#[test]
fn a_read_error_is_never_blank() {
    let sample =
        Sample { size: 0, head: vec![], tail: vec![], error: Some("read at 0: EIO".into()), far: vec![] };
    assert_eq!(probe(&sample), Probed::Unreadable("read at 0: EIO".into()));
}

#[test]
fn an_unfinished_xfs_is_told_from_a_complete_one() {
    assert_eq!(device(&[(0, &xfs(0, 256))]), complete(Fs::Xfs, 1 << 20));
    assert!(
        matches!(device(&[(0, &xfs(1, 256))]), Probed::InProgress { uuid, .. } if uuid.to_string() == UUID)
    );
}

#[test]
fn a_damaged_superblock_is_somebodys_data_and_never_blank() {
    let mut xfs = xfs(0, 256);
    xfs[4..8].fill(0);
    assert_eq!(device(&[(0, &xfs)]), Probed::Foreign("a damaged xfs superblock"));
    for log in [7, 64, 0xffff_fffe] {
        let seen = device(&[(1024, &ext(256, log, 0))]);
        assert_eq!(seen, Probed::Foreign("a damaged ext2, ext3 or ext4 superblock"), "{log}");
    }
    assert_eq!(device(&[(1024, &ext(256, 0, 8))]), Probed::Foreign("external ext4 journal"));
}

#[test]
fn no_signature_of_the_table_could_be_taken_out_unseen() {
    // The devices of the list above that one line of the code alone makes foreign.
    let alone: Vec<Sample> = KNOWN
        .iter()
        .map(|(_, offset, data)| sample(&bytes(SIZE, &[(*offset, data)])))
        .filter(|sample| signatures::hits(sample).count() == 1)
        .collect();
    for magic in signatures::HEAD {
        let needed = alone.iter().any(|sample| at(&sample.head, magic.at, magic.bytes));
        assert!(needed, "{} at {} could be taken out, and no test would fail", magic.what, magic.at);
    }
    println!(
        "{} signatures from the start, each the only one that knows some device",
        signatures::HEAD.len()
    );
}
