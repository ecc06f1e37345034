// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's machine: what QEMU is told.
//!
//! *Invariants*: nothing here touches the machine that it runs on; the same machine gives the same
//! arguments. No network is given to a guest.
//!
//! *Not here*: starting it (`guest`); the full lab's machine (`full`).

use std::path::{Path, PathBuf};

/// Which kernel boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// The one built from `xtask/lab/kernel.config`.
    Built,
    /// Debian's own.
    Stock,
}

impl Kernel {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Stock => "stock",
        }
    }

    /// By its name.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let all = [Self::Built, Self::Stock];
        all.into_iter()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| format!("no kernel `{name}`; there are built and stock"))
    }

    /// Where it is in the lab's folder.
    pub(crate) fn file(self) -> &'static str {
        match self {
            // The plain image boots faster than the compressed one.
            Self::Built => "vmlinux",
            Self::Stock => "stock/vmlinuz",
        }
    }
}

/// Which modules are loaded before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Modules {
    /// The kernel's own CXL drivers.
    Cxl,
    /// Built without RAW commands.
    Raw0,
    /// No Feature is kept by the kernel.
    Noexcl,
    /// `cxl_test`.
    Test,
    /// None.
    None,
}

impl Modules {
    const ALL: [Self; 5] = [Self::Cxl, Self::Raw0, Self::Noexcl, Self::Test, Self::None];

    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cxl => "cxl",
            Self::Raw0 => "raw0",
            Self::Noexcl => "noexcl",
            Self::Test => "test",
            Self::None => "none",
        }
    }

    /// By its name.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|modules| modules.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no module set `{name}`; there are {names}")
        })
    }

    /// The sets that a kernel has.
    pub(crate) fn of(kernel: Kernel) -> &'static [Self] {
        match kernel {
            Kernel::Built => &Self::ALL,
            Kernel::Stock => &[Self::Cxl, Self::None],
        }
    }

    /// The set's folder under `mods`.
    pub(crate) fn folder(self, kernel: Kernel) -> Option<&'static str> {
        match (self, kernel) {
            (Self::None, _) => None,
            (_, Kernel::Stock) => Some("stock-cxl"),
            (set, Kernel::Built) => Some(set.name()),
        }
    }

    /// What a guest needs at least: `cxl_test` takes windows of memory for its devices.
    pub(crate) fn memory(self) -> u32 {
        if self == Self::Test { 3072 } else { 768 }
    }
}

/// What a guest is to be.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) kernel: Kernel,
    pub(crate) modules: Modules,
    /// Added to the kernel's command line.
    pub(crate) append: String,
    /// In MiB; by the module set if not given.
    pub(crate) memory: Option<u32>,
    pub(crate) processors: u32,
    /// Seconds until it is killed.
    pub(crate) limit: u32,
    /// A person at the console.
    pub(crate) shell: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            kernel: Kernel::Built,
            modules: Modules::Cxl,
            append: String::new(),
            memory: None,
            processors: 2,
            limit: 120,
            shell: false,
        }
    }
}

impl Wanted {
    /// That the kernel has the set.
    pub(crate) fn check(&self) -> Result<(), String> {
        if Modules::of(self.kernel).contains(&self.modules) {
            return Ok(());
        }
        let names: Vec<_> = Modules::of(self.kernel).iter().map(|set| set.name()).collect();
        let (kernel, set) = (self.kernel.name(), self.modules.name());
        Err(format!("the {kernel} kernel has no module set `{set}`; it has {}", names.join(", ")))
    }
}

/// The files that a guest is made of.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: PathBuf,
    pub(crate) share: PathBuf,
    /// A folder of this one run: sockets and disks.
    pub(crate) run: PathBuf,
}

impl Files {
    /// QMP's socket.
    pub(crate) fn qmp(&self) -> PathBuf {
        self.run.join("qmp")
    }

    /// The files behind namespaces.
    pub(crate) fn disks(&self) -> [PathBuf; 3] {
        ["ns1", "ns2", "ns3"].map(|name| self.run.join(name))
    }
}

/// Every argument of the fast guest's QEMU.
pub(crate) fn arguments(wanted: &Wanted, files: &Files) -> Vec<String> {
    let memory = wanted.memory.unwrap_or_else(|| wanted.modules.memory());
    let mut list = Arguments::default();
    list.pair("-accel", "tcg,thread=multi,tb-size=256");
    list.pair("-cpu", "max,la57=off");
    list.pair(
        "-machine",
        "q35,cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G,memory-backend=ram0",
    );
    list.pair("-object", &format!("memory-backend-memfd,id=ram0,share=on,size={memory}M"));
    list.pair("-m", &format!("{memory}M,maxmem=8G,slots=4"));
    list.pair("-smp", &wanted.processors.to_string());
    for flag in ["-nodefaults", "-no-reboot"] {
        list.flag(flag);
    }
    list.pair("-display", "none");
    if wanted.shell {
        list.pair("-serial", "mon:stdio");
    } else {
        list.pair("-chardev", "stdio,id=console,signal=off");
        list.pair("-serial", "chardev:console");
    }
    list.pair("-qmp", &format!("unix:{},server=on,wait=off", text(&files.qmp())));
    list.pair("-kernel", &text(&files.kernel));
    list.pair("-initrd", &text(&files.initrd));
    list.pair("-append", &command_line(wanted));
    let share = text(&files.share);
    list.pair(
        "-fsdev",
        &format!("local,id=share,path={share},security_model=none,multidevs=remap"),
    );
    list.pair("-device", "virtio-9p-pci,fsdev=share,mount_tag=share,bus=pcie.0");
    list.pair("-device", "virtio-rng-pci,bus=pcie.0");
    cxl(&mut list);
    nvme(&mut list, &files.disks());
    list.0
}

/// The kernel's command line.
fn command_line(wanted: &Wanted) -> String {
    let mut words = vec![
        "console=ttyS0 quiet panic=-1 nokaslr tsc=reliable no_timer_check".to_owned(),
        format!("lab.mods={}", wanted.modules.name()),
    ];
    if wanted.shell {
        words.push("lab.shell=1".to_owned());
    }
    if !wanted.append.trim().is_empty() {
        words.push(wanted.append.trim().to_owned());
    }
    words.join(" ")
}

/// Two memory devices, each behind a root port of a host bridge of their own: one volatile with
/// serial 1001h, one persistent with a label area and serial 1002h.
fn cxl(list: &mut Arguments) {
    cxl_ports(list);
    list.pair("-device", "cxl-type3,bus=rp0,volatile-memdev=vmem0,id=cxl-vmem0,sn=0x1001");
    list.pair(
        "-device",
        "cxl-type3,bus=rp1,persistent-memdev=pmem0,lsa=lsa0,id=cxl-pmem0,sn=0x1002",
    );
}

/// The host bridge, its root ports, and the memory behind the devices.
pub(crate) fn cxl_ports(list: &mut Arguments) {
    for (id, size) in [("vmem0", "256M"), ("pmem0", "256M"), ("lsa0", "1M")] {
        list.pair("-object", &format!("memory-backend-ram,id={id},share=on,size={size}"));
    }
    list.pair("-device", "pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.1");
    list.pair("-device", "cxl-rp,port=0,bus=cxl.1,id=rp0,chassis=0,slot=2");
    list.pair("-device", "cxl-rp,port=1,bus=cxl.1,id=rp1,chassis=0,slot=3");
}

/// A controller with two namespaces in a slot that it can be pulled from, and a third disk that
/// another controller can be plugged in with.
fn nvme(list: &mut Arguments, disks: &[PathBuf; 3]) {
    for (id, disk) in ["ns1", "ns2", "ns3"].into_iter().zip(disks) {
        let disk = text(disk);
        list.pair(
            "-blockdev",
            &format!("driver=raw,node-name={id},file.driver=file,file.filename={disk}"),
        );
    }
    list.pair("-device", "pcie-root-port,id=rpn,bus=pcie.0,chassis=9,slot=9");
    list.pair("-device", "nvme,bus=rpn,serial=LAB0001,id=nvme0");
    list.pair("-device", "nvme-ns,drive=ns1,bus=nvme0,nsid=1");
    list.pair("-device", "nvme-ns,drive=ns2,bus=nvme0,nsid=2");
}

/// A growing list.
#[derive(Debug, Default)]
pub(crate) struct Arguments(pub(crate) Vec<String>);

impl Arguments {
    pub(crate) fn flag(&mut self, flag: &str) {
        self.0.push(flag.to_owned());
    }

    pub(crate) fn pair(&mut self, flag: &str, value: &str) {
        self.0.extend([flag.to_owned(), value.to_owned()]);
    }
}

/// A path as QEMU's options want it: a comma in it is written twice.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        Files {
            kernel: "/lab/vmlinux".into(),
            initrd: "/lab/initrd.img".into(),
            share: "/a,b".into(),
            run: "/lab/run/1".into(),
        }
    }

    fn joined(wanted: &Wanted) -> String {
        arguments(wanted, &files()).join(" ")
    }

    #[test]
    fn a_guest_has_two_memory_devices_and_a_drive_that_can_be_pulled() {
        let text = joined(&Wanted::default());
        for part in [
            "volatile-memdev=vmem0,id=cxl-vmem0,sn=0x1001",
            "persistent-memdev=pmem0,lsa=lsa0,id=cxl-pmem0,sn=0x1002",
            "pcie-root-port,id=rpn",
            "nvme,bus=rpn,serial=LAB0001,id=nvme0",
            "-m 768M",
            "-accel tcg",
            "lab.mods=cxl",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("netdev"), "{text}");
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_it() {
        assert!(joined(&Wanted::default()).contains("path=/a,,b,security_model=none"));
    }

    #[test]
    fn the_console_is_a_persons_only_with_a_shell() {
        assert!(joined(&Wanted::default()).contains("-serial chardev:console"));
        let wanted = Wanted { shell: true, ..Wanted::default() };
        assert!(joined(&wanted).contains("-serial mon:stdio"));
        assert!(joined(&wanted).contains("lab.shell=1"));
    }

    #[test]
    fn cxl_test_gets_the_memory_that_its_windows_take_unless_told_otherwise() {
        let wanted = Wanted { modules: Modules::Test, ..Wanted::default() };
        assert!(joined(&wanted).contains("size=3072M"));
        let wanted = Wanted { memory: Some(1024), ..wanted };
        assert!(joined(&wanted).contains("-m 1024M,"));
    }

    #[test]
    fn a_set_that_the_kernel_has_not_is_refused_with_those_it_has() {
        let wanted = Wanted { kernel: Kernel::Stock, modules: Modules::Test, ..Wanted::default() };
        let error = wanted.check().unwrap_err();
        assert_eq!(error, "the stock kernel has no module set `test`; it has cxl, none");
        Wanted::default().check().unwrap();
    }

    #[test]
    fn kernels_and_sets_are_found_by_their_names() {
        for set in Modules::ALL {
            assert_eq!(Modules::named(set.name()), Ok(set));
        }
        assert!(Modules::named("cxl_test").unwrap_err().contains("cxl, raw0, noexcl, test, none"));
        assert_eq!(Kernel::named("stock"), Ok(Kernel::Stock));
        assert!(Kernel::named("debian").is_err());
    }
}
