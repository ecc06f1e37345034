// SPDX-License-Identifier: MIT OR Apache-2.0
//! The full lab: Debian with systemd on Debian's kernel, booted once and kept as a snapshot.
//!
//! The disk is made by `xtask/lab/full/make-disk`. The guest is booted from it once; when systemd says
//! that all is up, memory and devices go to a file (QEMU's migration), and what was written to the
//! disk to an overlay. Each run starts from both and throws its own overlay away.
//!
//! QEMU cannot save a machine with an NVMe controller or a shared folder, and does not save CXL
//! devices whole. So these are plugged in after the snapshot.
//!
//! *Invariants*: a run changes nothing that another run sees.
//!
//! *Not here*: the guest's side (`xtask/lab/full/agent`); the console (`guest`).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::cache::{Cache, digest, fail, fresh_folder, output, replace, tail, write};
use super::debian::{RELEASE, as_root, machine_mirror};
use super::guest::{self, Run};
use super::initrd::Archive;
use super::kernel::Versions;
use super::machine::{Arguments, text};
use super::qmp::Channel;
use crate::tree::Tree;

/// What the guest has, besides the base system.
const PACKAGES: &str =
    "systemd,systemd-sysv,udev,dbus,nvme-cli,smartmontools,python3-minimal,pciutils,kmod";
/// In MiB.
const MEMORY: u32 = 1024;
/// Seconds that the one boot may take.
const BOOT: u32 = 300;
const DISK: &str = "full/disk.img";
const INITRD: &str = "full/initrd.img";
const STATE: &str = "full/snapshot/state";
const BOOTED: &str = "full/snapshot/booted.qcow2";
const KERNEL: &str = "stock/vmlinuz";

/// Makes the disk, boots it, and keeps the snapshot.
pub(crate) fn up(
    cache: &Cache,
    tree: &Tree,
    versions: &Versions,
    stock: &str,
) -> Result<(), String> {
    super::cache::make_folder(&cache.path("full"))?;
    let disk = disk(cache, tree, versions, stock)?;
    let initrd = initrd(cache, tree, stock)?;
    snapshot(cache, &disk, &initrd)
}

fn disk(cache: &Cache, tree: &Tree, versions: &Versions, stock: &str) -> Result<String, String> {
    let files = tree.path("xtask/lab/full");
    let mut parts = vec![RELEASE.as_bytes().to_vec(), PACKAGES.into(), stock.into()];
    for name in ["make-disk", "agent", "lab.service", "../lab-qmp"] {
        let path = files.join(name);
        parts.push(fs::read(&path).map_err(|error| fail(&path, &error))?);
    }
    let key = digest(parts.iter().map(Vec::as_slice));
    cache.step("full-disk", &key, &[DISK], || {
        cache.clear_log("full-disk")?;
        let work = cache.path("full/work");
        // What a run that was cut short left is root's.
        cache.run("full-disk", as_root("rm")?.arg("-rf").arg(&work))?;
        fresh_folder(&work)?;
        let owner = fs::metadata(&work).map_err(|error| fail(&work, &error))?;
        let owner = format!("{}:{}", owner.uid(), owner.gid());
        let mut make = as_root("sh")?;
        make.arg(files.join("make-disk")).args([RELEASE, &machine_mirror()?, PACKAGES]);
        make.arg(&versions.stock).arg(cache.path("stock")).arg(&files).arg(&work).arg(owner);
        make.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        cache.run("full-disk", &mut make)?;
        replace(&work.join("disk.img"), &cache.path(DISK))?;
        super::cache::remove(&work)?;
        Ok(format!(" (Debian {RELEASE})"))
    })?;
    Ok(key)
}

/// The modules that mount the disk, and `xtask/lab/full/init`.
fn initrd(cache: &Cache, tree: &Tree, stock: &str) -> Result<String, String> {
    let read = |path: PathBuf| fs::read(&path).map_err(|error| fail(&path, &error));
    let set = cache.path("mods/stock-base");
    let order = String::from_utf8_lossy(&read(set.join("order"))?).into_owned();
    let mut files = vec![
        ("bin/busybox".to_owned(), read("/bin/busybox".into())?),
        ("init".to_owned(), read(tree.path("xtask/lab/full/init"))?),
    ];
    // The others are on the disk, and udev loads them.
    let first = ["virtio_blk", "ext4", "jbd2", "crc16", "mbcache"];
    let wanted = |line: &&str| first.iter().any(|name| *line == format!("{name}.ko"));
    let order: Vec<_> = order.lines().filter(wanted).collect();
    for module in &order {
        files.push((format!("mods/{module}"), read(set.join(module))?));
    }
    files.push(("mods/order".to_owned(), format!("{}\n", order.join("\n")).into_bytes()));
    let parts = files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes]);
    let key = digest(parts.chain([stock.as_bytes()]));
    cache.step("full-initrd", &key, &[INITRD], || {
        let mut archive = Archive::default();
        for folder in ["bin", "dev", "mods", "root"] {
            archive.folder(folder);
        }
        archive.node("dev/console", 5, 1);
        archive.link("bin/sh", "busybox");
        for (name, bytes) in &files {
            archive.file(name, 0o755, bytes);
        }
        write(&cache.path(INITRD), &archive.finish())?;
        Ok(String::new())
    })?;
    Ok(key)
}

fn snapshot(cache: &Cache, disk: &str, initrd: &str) -> Result<(), String> {
    let version = output(Command::new("qemu-system-x86_64").arg("--version"))?;
    let machine =
        arguments(&Parts { cache, run: Path::new("/"), disk: Path::new("/"), from: None });
    let machine = machine.join("\n");
    let parts = [disk, initrd, &version, &machine, "1"];
    let key = digest(parts.into_iter().map(str::as_bytes));
    cache.step("full-snapshot", &key, &[STATE, BOOTED], || {
        let new = cache.path("full/snapshot.new");
        fresh_folder(&new)?;
        let booted = new.join("booted.qcow2");
        overlay(&cache.path(DISK), "raw", &booted)?;
        let scratch = scratch()?;
        let parts = Parts { cache, run: scratch.path(), disk: &booted, from: None };
        let state = boot_once(&arguments(&parts), scratch.path(), &new)?;
        replace(&new, &cache.path("full/snapshot"))?;
        Ok(format!(" (the system is {state})"))
    })?;
    Ok(())
}

/// Boots until the agent says that the system is up, and saves it.
fn boot_once(arguments: &[String], run: &Path, folder: &Path) -> Result<String, String> {
    let console = folder.join("console.txt");
    let file = fs::File::create(&console).map_err(|error| fail(&console, &error))?;
    let log = folder.join("qemu.log");
    let errors = fs::File::create(&log).map_err(|error| fail(&log, &error))?;
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after=5s", &format!("{BOOT}s"), "qemu-system-x86_64"]);
    command.args(arguments).stdin(Stdio::null()).stdout(file).stderr(errors);
    let mut child = command.spawn().map_err(|error| format!("cannot run timeout: {error}"))?;
    let state = loop {
        let said = fs::read(&console).unwrap_or_default();
        if let Some(state) = ready(&String::from_utf8_lossy(&said)) {
            break state;
        }
        if child.try_wait().map_err(|error| format!("QEMU: {error}"))?.is_some() {
            let last =
                format!("{}\n{}", tail(&said, 12), tail(&fs::read(&log).unwrap_or_default(), 4));
            return Err(format!("the guest did not come up; its last words:\n{last}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let mut channel = Channel::connect(&run.join("qmp"))?;
    let result = save(&mut channel, &folder.join("state"));
    // Also after an error: nothing is left running.
    let _ = channel.ask(&json!({"execute": "quit"}));
    child.wait().map_err(|error| format!("QEMU: {error}"))?;
    result.map(|()| state)
}

/// What `systemctl is-system-running` said, once it has.
fn ready(console: &str) -> Option<String> {
    let (_, rest) = console.split_once("LAB-READY ")?;
    let (state, _) = rest.split_once('\n')?;
    Some(state.trim().to_owned())
}

fn save(channel: &mut Channel, state: &Path) -> Result<(), String> {
    channel.must(&json!({"execute": "stop"}))?;
    let uri = format!("file:{}", state.display());
    channel.must(&json!({"execute": "migrate", "arguments": {"uri": uri}}))?;
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let answer = channel.must(&json!({"execute": "query-migrate"}))?;
        match answer.get("status").and_then(serde_json::Value::as_str) {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") => return Err(format!("the snapshot failed: {answer}")),
            _ if Instant::now() > deadline => return Err("the snapshot takes too long".to_owned()),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Runs `run.sh` of the share in a guest that begins at the snapshot.
pub(crate) fn run(cache: &Cache, limit: u32, share: &Path) -> Result<Run, String> {
    let share = share.canonicalize().map_err(|error| fail(share, &error))?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_err(|error| format!("this machine's clock: {error}"))?;
    write(&share.join("now"), format!("{}\n", now.as_secs()).as_bytes())?;
    let scratch = scratch()?;
    let disk = scratch.path().join("disk.qcow2");
    overlay(&cache.path(BOOTED), "qcow2", &disk)?;
    let namespace = scratch.path().join("ns1");
    let made = fs::File::create(&namespace).and_then(|file| file.set_len(64 << 20));
    made.map_err(|error| fail(&namespace, &error))?;
    let state = cache.path(STATE);
    let from = Some(From { state: &state, share: &share });
    let arguments = arguments(&Parts { cache, run: scratch.path(), disk: &disk, from });
    let qmp = scratch.path().join("qmp");
    guest::boot(&arguments, limit, &qmp, &share, guest::Start::Plug(plug))
}

/// Lets the guest go on and plugs in what the snapshot could not have; the share last, for that is
/// what the agent waits for.
fn plug(channel: &mut Channel) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = channel.must(&json!({"execute": "query-status"}))?;
        match answer.get("status").and_then(serde_json::Value::as_str) {
            Some("paused") => break,
            _ if Instant::now() > deadline => return Err(format!("the snapshot: {answer}")),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    channel.must(&json!({"execute": "cont"}))?;
    for device in [
        json!({"driver": "nvme", "id": "nvme0", "bus": "rpn", "serial": "LAB0001", "drive": "ns1"}),
        json!({"driver": "cxl-type3", "id": "cxl-vmem0", "bus": "rp0", "volatile-memdev": "vmem0",
               "sn": 0x1001}),
        json!({"driver": "cxl-type3", "id": "cxl-pmem0", "bus": "rp1", "persistent-memdev": "pmem0",
               "lsa": "lsa0", "sn": 0x1002}),
        json!({"driver": "virtio-9p-pci", "id": "share", "bus": "rps", "fsdev": "share",
               "mount_tag": "share"}),
    ] {
        channel.must(&json!({"execute": "device_add", "arguments": device}))?;
    }
    Ok(())
}

/// A folder that is gone when it is dropped.
fn scratch() -> Result<tempfile::TempDir, String> {
    let scratch = tempfile::Builder::new().prefix("fwgate-lab.").tempdir();
    scratch.map_err(|error| format!("no folder for a run: {error}"))
}

fn overlay(backing: &Path, format: &str, new: &Path) -> Result<(), String> {
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", format, "-b"]).arg(backing).arg(new);
    output(&mut command).map(drop)
}

/// What the arguments are made from.
struct Parts<'a> {
    cache: &'a Cache,
    run: &'a Path,
    disk: &'a Path,
    /// Not for the first boot.
    from: Option<From<'a>>,
}

struct From<'a> {
    state: &'a Path,
    share: &'a Path,
}

/// Every argument of the full guest's QEMU. The devices are the same with a snapshot and without.
fn arguments(parts: &Parts<'_>) -> Vec<String> {
    let Parts { cache, run, disk, from } = parts;
    let mut list = Arguments::default();
    list.pair("-accel", "tcg,thread=multi,tb-size=256");
    list.pair("-cpu", "max,la57=off");
    list.pair(
        "-machine",
        "q35,cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G,memory-backend=ram0",
    );
    list.pair("-object", &format!("memory-backend-memfd,id=ram0,share=on,size={MEMORY}M"));
    list.pair("-m", &format!("{MEMORY}M,maxmem=8G,slots=4"));
    list.pair("-smp", "2");
    list.flag("-nodefaults");
    list.flag("-no-reboot");
    list.pair("-display", "none");
    list.pair("-chardev", "stdio,id=console,signal=off");
    list.pair("-serial", "chardev:console");
    list.pair("-qmp", &format!("unix:{},server=on,wait=off", text(&run.join("qmp"))));
    list.pair("-kernel", &text(&cache.path(KERNEL)));
    list.pair("-initrd", &text(&cache.path(INITRD)));
    list.pair(
        "-append",
        "console=ttyS0 quiet panic=-1 nokaslr tsc=reliable no_timer_check systemd.show_status=0",
    );
    let disk = text(disk);
    list.pair("-drive", &format!("file={disk},if=none,id=root,format=qcow2"));
    list.pair("-device", "virtio-blk-pci,drive=root,bus=pcie.0");
    list.pair("-device", "virtio-rng-pci,bus=pcie.0");
    // Slots for the share and for the drive.
    list.pair("-device", "pcie-root-port,id=rps,bus=pcie.0,chassis=8,slot=8");
    list.pair("-device", "pcie-root-port,id=rpn,bus=pcie.0,chassis=9,slot=9");
    super::machine::cxl_ports(&mut list);
    if let Some(From { state, share }) = from {
        let share = text(share);
        list.pair(
            "-fsdev",
            &format!("local,id=share,path={share},security_model=none,multidevs=remap"),
        );
        let namespace = text(&run.join("ns1"));
        list.pair(
            "-blockdev",
            &format!("driver=raw,node-name=ns1,file.driver=file,file.filename={namespace}"),
        );
        list.pair("-incoming", &format!("file:{}", state.display()));
    }
    list.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_the_same_with_the_snapshot_and_without() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let of = |from| {
            let parts = Parts { cache: &cache, run: Path::new("/r"), disk: Path::new("/d"), from };
            arguments(&parts)
        };
        let first = of(None);
        let later = of(Some(From { state: Path::new("/s"), share: Path::new("/h") }));
        assert_eq!(first, later[..first.len()]);
        assert!(!first.join(" ").contains("nvme,"), "QEMU cannot save a machine with one");
        assert_eq!(later[later.len() - 2..], ["-incoming", "file:/s"]);
    }

    #[test]
    fn the_guest_is_ready_when_its_line_is_whole() {
        assert_eq!(ready("noise\nLAB-READY run"), None);
        assert_eq!(ready("x LAB-READY running\r\n").as_deref(), Some("running"));
        assert_eq!(ready("LAB-READY degraded\nmore").as_deref(), Some("degraded"));
    }
}
