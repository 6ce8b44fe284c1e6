//! libblkid's view of a device that is about to be formatted: it knows more formats than berth does.

use super::open_device::OpenDevice;
use super::tool;
use berth_lifecycle::ports::DiskError;
use berth_plan::disk::consent::FormatConsent;
use std::collections::BTreeMap;

/// Refuses where `blkid -p` finds anything but what an earlier run of this very format left. That it finds nothing proves
/// nothing (blkid(8): exit 2 also for what it cannot read); berth's own probe decides then.
pub(super) async fn nothing_else_is_there(
    device: &OpenDevice,
    consent: &FormatConsent,
) -> Result<(), DiskError> {
    let (volume, path) = (&device.volume, &device.path);
    let asked = ["-p", "-o", "export", "-s", "TYPE", "-s", "UUID", "-s", "PTTYPE", tool::DEVICE];
    let ran = match tool::run("blkid", &asked, &device.file, path, device.limits.read).await {
        Ok(ran) => ran,
        Err(DiskError::Configuration(_)) => {
            tracing::info!(%volume, "no blkid in this image: no second opinion before the format");
            return Ok(());
        }
        // Ended by a signal: it is asked again.
        Err(error) => return Err(error),
    };
    match ran.code {
        0 if is_this_format(&ran.said, consent) => Ok(()),
        // Exit 8: several formats at once (blkid(8), low-level probing).
        0 | 8 => Err(DiskError::Device(format!(
            "{volume} is not formatted: berth knows nothing on {path}, but blkid says {}",
            ran.said
        ))),
        _ => Ok(()),
    }
}

fn is_this_format(said: &str, consent: &FormatConsent) -> bool {
    let found: BTreeMap<&str, &str> = said.split("; ").filter_map(|line| line.split_once('=')).collect();
    found.get("TYPE") == Some(&consent.fs().name())
        && found.get("UUID") == Some(&consent.uuid().to_string().as_str())
        && !found.contains_key("PTTYPE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_plan::disk::plan::{DiskPlan, plan};
    use berth_plan::disk::probe::{Sample, probe};
    use berth_plan::ec2::VolumeSeen;
    use std::os::unix::fs::FileExt;

    const UUID: &str = "11111111-2222-3333-4444-555555555555";

    fn consent() -> FormatConsent {
        let volume = VolumeSeen {
            id: "vol-00000000000000001".parse().unwrap(),
            name: None,
            cluster: None,
            zone: "z".parse().unwrap(),
            state: "in-use".into(),
            size: 1,
            multi_attach: false,
            from_snapshot: false,
            format: Some("xfs".into()),
            attachments: vec![],
        };
        let zeros = Sample::read(4096, |_, length| Ok::<_, ()>(vec![0; length as usize])).unwrap();
        let blank = probe(&zeros);
        match plan(&volume, None, blank, 4096, UUID.parse().unwrap()) {
            DiskPlan::Format(_, consent) => consent,
            other => panic!("{other:?}"),
        }
    }

    async fn opinion(write: impl FnOnce(&str)) -> Result<(), DiskError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(400 << 20).unwrap();
        let path = file.path().to_str().unwrap();
        write(path);
        let device = OpenDevice {
            volume: "vol-00000000000000001".parse().unwrap(),
            path: path.to_owned(),
            file: std::sync::Arc::new(file.reopen().unwrap()),
            number: 0,
            size: 400 << 20,
            limits: super::super::bounded::LIMITS,
        };
        nothing_else_is_there(&device, &consent()).await
    }

    fn made(uuid: &'static str) -> impl FnOnce(&str) {
        move |path| {
            let made = std::process::Command::new("mkfs.xfs")
                .args(["-q", "-m", &format!("uuid={uuid}"), path])
                .status();
            assert!(made.expect("mkfs.xfs of xfsprogs: run `make setup`").success());
        }
    }

    #[tokio::test]
    async fn what_only_blkid_knows_is_not_formatted_over() {
        // VxFS: its magic at 1024 (kernel, fs/freevxfs/vxfs.h).
        let vxfs = |path: &str| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(&[0xf5, 0xfc, 0x01, 0xa5], 1024).unwrap();
        };
        let refused = opinion(vxfs).await.unwrap_err().to_string();
        assert!(refused.contains("vol-00000000000000001") && refused.contains("TYPE=vxfs"), "{refused}");
        let other = opinion(made("99999999-2222-3333-4444-555555555555")).await.unwrap_err().to_string();
        assert!(other.contains("UUID=99999999"), "{other}");
    }

    #[tokio::test]
    async fn nothing_and_what_an_earlier_run_of_this_format_left_are_formatted() {
        assert_eq!(opinion(|_| {}).await, Ok(()));
        assert_eq!(opinion(made(UUID)).await, Ok(()));
    }
}
