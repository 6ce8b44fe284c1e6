//! Devices that other people's tools made: each is refused under every tag, byte for byte as it was, and whatever
//! libblkid calls something, berth does not call blank.

use super::{FaultCode, Fs, Loop, MIB, Probed};

/// Each device is made by a shell line and refused as this.
fn are_refused(made: &[(&str, u64, &str)]) {
    for (what, mib, line) in made {
        let device = Loop::new(mib * MIB);
        device.sh(line);
        let opinion = device.second_opinion();
        println!("{what}: libblkid says {opinion:?}");
        // It takes the end of a GPT for nothing where the protective boot sector is gone.
        assert!(opinion.is_some() || what.starts_with("backup"), "libblkid knows what `{line}` makes");
        device.is_refused(FaultCode::Foreign, &format!("the signature of {what};"));
    }
}

#[test]
fn another_file_system_is_never_formatted() {
    are_refused(&[
        ("btrfs", 128, "mkfs.btrfs -q $D"),
        ("f2fs", 128, "mkfs.f2fs -q $D"),
        ("nilfs2", 256, "mkfs.nilfs2 -q $D"),
        ("JFS", 32, "mkfs.jfs -q $D"),
        ("ReiserFS", 64, "mkreiserfs -q -f $D"),
        ("GFS2", 128, "mkfs.gfs2 -q -O -p lock_nolock -j 1 -J 32 $D"),
        ("minix", 16, "mkfs.minix $D"),
        ("minix", 16, "mkfs.minix -2 $D"),
        ("minix", 16, "mkfs.minix -3 $D"),
        ("BFS", 16, "mkfs.bfs $D"),
    ]);
}

#[test]
fn a_file_system_of_other_systems_is_never_formatted() {
    are_refused(&[
        ("NTFS", 32, "mkfs.ntfs -q -Q -F $D"),
        ("exFAT", 32, "mkfs.exfat $D"),
        ("FAT", 32, "mkfs.vfat $D"),
        ("FAT", 64, "mkfs.vfat -F 32 $D"),
        ("FAT", 4, "mkfs.vfat -F 12 $D"),
        ("udf", 32, "mkudffs $D"),
        ("udf", 32, "mkudffs -m cdrw $D"),
        ("iso9660", 8, "mkdir f; genisoimage -quiet -R -o i f; dd if=i of=$D conv=notrunc status=none"),
    ]);
}

#[test]
fn a_packed_image_is_never_formatted() {
    let files = "mkdir f; echo text >f/file; ";
    are_refused(&[
        (
            "squashfs",
            8,
            format!("{files} mksquashfs f i -quiet -no-progress; dd if=i of=$D conv=notrunc status=none")
                .as_str(),
        ),
        ("erofs", 8, format!("{files} mkfs.erofs i f; dd if=i of=$D conv=notrunc status=none").as_str()),
        ("cramfs", 8, format!("{files} mkfs.cramfs f i; dd if=i of=$D conv=notrunc status=none").as_str()),
    ]);
}

#[test]
fn a_member_of_a_pool_an_array_or_a_cache_is_never_formatted() {
    are_refused(&[
        ("LVM physical volume", 32, "pvcreate -q -y --config devices/use_devicesfile=0 $D"),
        // Its label in another of the four sectors that LVM searches.
        ("LVM physical volume", 32, "pvcreate -q -y --labelsector 3 --config devices/use_devicesfile=0 $D"),
        ("bcache", 32, "make-bcache -B $D"),
        ("bcache", 128, "make-bcache -C $D"),
        ("DRBD member", 32, "drbdmeta --force 0 v08 $D internal create-md"),
        ("DRBD member", 32, "drbdmeta --force 0 v09 $D internal create-md 1"),
    ]);
}

#[test]
fn encryption_and_swap_are_never_formatted() {
    let luks = "cryptsetup luksFormat -q --pbkdf-force-iterations 1000";
    are_refused(&[
        ("LUKS encryption", 32, format!("echo secret | {luks} --type luks1 $D -").as_str()),
        ("LUKS encryption", 32, format!("echo secret | {luks} --type luks2 --pbkdf pbkdf2 $D -").as_str()),
        ("swap", 8, "mkswap -q $D"),
        ("swap", 8, "mkswap -q -p 65536 $D 2>/dev/null"),
    ]);
    // The first header lost: only the second tells.
    for metadata in ["16k", "32k", "64k", "128k", "256k", "512k", "1024k"] {
        let device = Loop::new(48 * MIB);
        device.sh(&format!(
            "echo secret | {luks} --type luks2 --pbkdf pbkdf2 --luks2-metadata-size {metadata} --luks2-keyslots-size 16m $D -; dd if=/dev/zero of=$D bs=4096 count=1 conv=notrunc status=none"
        ));
        device.is_refused(FaultCode::Foreign, "LUKS encryption (second header)");
    }
}

#[test]
fn a_partition_table_is_never_formatted() {
    let table =
        |label: &str| format!("printf 'label: {label}\\n,,L\\n' | sfdisk -q --no-reread --no-tell-kernel $D");
    let empty =
        |label: &str| format!("printf 'label: {label}\\n' | sfdisk -q --no-reread --no-tell-kernel $D");
    are_refused(&[
        ("GPT partition table", 32, table("gpt").as_str()),
        ("GPT partition table", 32, empty("gpt").as_str()),
        ("DOS partition table", 32, table("dos").as_str()),
        ("boot sector or empty DOS partition table", 32, empty("dos").as_str()),
        ("SGI partition table", 32, empty("sgi").as_str()),
        ("Sun partition table", 32, empty("sun").as_str()),
        ("GPT partition table", 32, "sgdisk -n 1:0:0 $D"),
        (
            "backup of a GPT partition table",
            32,
            "sgdisk -n 1:0:0 $D; dd if=/dev/zero of=$D bs=512 count=34 status=none",
        ),
    ]);
}

#[test]
fn a_partition_table_of_4_kib_sectors_is_never_formatted() {
    for (line, what) in [
        ("printf 'label: gpt\\n,,L\\n' | sfdisk -q --no-reread --no-tell-kernel $D", "GPT partition table"),
        ("sgdisk -n 1:0:0 $D", "GPT partition table"),
        (
            "sgdisk -n 1:0:0 $D; dd if=/dev/zero of=$D bs=4096 count=6 status=none",
            "backup of a GPT partition table",
        ),
    ] {
        let device = Loop::with_sectors(64 * MIB, 4096);
        device.sh(line);
        assert!(device.second_opinion().is_some() || what.starts_with("backup"), "{line}");
        device.is_refused(FaultCode::Foreign, what);
    }
}

#[test]
fn the_file_systems_that_berth_mounts_are_told_from_each_other() {
    for (line, fs, mib) in [
        ("mkfs.xfs -q -m uuid=$U $D", Fs::Xfs, 320),
        ("mkfs.xfs -q -s size=4096 -m crc=1,uuid=$U $D", Fs::Xfs, 320),
        ("mkfs.ext4 -q -F -U $U $D", Fs::Ext4, 64),
        ("mkfs.ext4 -q -F -b 1024 -U $U $D", Fs::Ext4, 64),
        ("mkfs.ext3 -q -F -U $U $D", Fs::Ext4, 64),
        ("mkfs.ext2 -q -F -U $U $D", Fs::Ext4, 64),
    ] {
        let device = Loop::new(mib * MIB);
        device.sh(line);
        let opinion = device.second_opinion().unwrap_or_default();
        match device.probed() {
            Probed::FileSystem { fs: seen, uuid, bytes } => {
                assert_eq!(
                    (seen, uuid.to_string().as_str(), bytes),
                    (fs, device.uuid.as_str(), device.size()),
                    "{line}"
                );
            }
            other => panic!("{line}: {other:?}"),
        }
        assert!(opinion.contains(&device.uuid), "{line}: {opinion}");
    }
    let journal = Loop::new(64 * MIB);
    journal.sh("mkfs.ext4 -q -F -O journal_dev $D");
    journal.is_refused(FaultCode::Foreign, "external ext4 journal");
}
