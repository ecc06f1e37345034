// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the kernel was built, and which modules it has.
//!
//! Not trusted: `/boot/config-RELEASE` is a file that anyone with root may have changed; it is
//! asked for advice, and for one thing that is judged by: whether there is a SED-Opal interface,
//! where anything but a clear `n` counts as one.
//!
//! *Invariants*: what is unpacked has a limit.
//!
//! *Spec*: `kernel/configs.c` (`/proc/config.gz`), `scripts/Makefile.modinst` and kmod's
//! `modules.dep`, `modules.builtin @ v7.3`; gzip: RFC 1952.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use fwgate_policy::Known;

use crate::discover::Roots;
use crate::discover::sysfs::{Text, Tree};

/// The longest configuration, packed or not.
const CONFIG: usize = 4 << 20;
/// The longest list of modules.
const MODULES: usize = 16 << 20;

/// How an option is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// Built in, or given a value.
    Yes,
    /// As a module.
    Module,
    /// Off, or not known to this kernel.
    No,
}

/// The kernel's configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KernelConfig {
    /// The file it was read from; `None` where there is none.
    pub source: Option<PathBuf>,
    set: BTreeMap<String, Setting>,
}

impl KernelConfig {
    /// Reads `/proc/config.gz`, else `/boot/config-RELEASE`, else `/lib/modules/RELEASE/config`,
    /// where Debian has it.
    #[must_use]
    pub fn read(roots: &Roots) -> Self {
        let packed = Tree::open(&roots.proc()).and_then(|proc| proc.read("config.gz", CONFIG));
        if let Some(text) = packed.ok().and_then(|bytes| unpack(&bytes)) {
            return Self::parse(&text, roots.proc().join("config.gz"));
        }
        let Some(release) = release(roots) else { return Self::default() };
        let places = [
            (roots.boot(), format!("config-{release}")),
            (roots.modules(), format!("{release}/config")),
        ];
        for (root, name) in places {
            if let Ok(text) = Tree::open(&root).and_then(|tree| tree.read(&name, CONFIG)) {
                return Self::parse(&text, root.join(name));
            }
        }
        Self::default()
    }

    fn parse(text: &[u8], source: PathBuf) -> Self {
        let mut set = BTreeMap::new();
        for line in text.split(|byte| *byte == b'\n') {
            let Some(line) = line.strip_prefix(b"CONFIG_") else { continue };
            let Some((name, value)) =
                core::str::from_utf8(line).ok().and_then(|line| line.split_once('='))
            else {
                continue;
            };
            let setting = match value.trim_end() {
                "n" => Setting::No,
                "m" => Setting::Module,
                _ => Setting::Yes,
            };
            set.insert(name.to_owned(), setting);
        }
        Self { source: Some(source), set }
    }

    /// How an option is set, by its name without `CONFIG_`; `None` where there is no configuration
    /// to look at.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Setting> {
        self.source.as_ref()?;
        Some(self.set.get(name).copied().unwrap_or(Setting::No))
    }
}

/// The kernel's release, if it can stand in a file name.
fn release(roots: &Roots) -> Option<String> {
    let text = Tree::open(&roots.proc()).and_then(|p| p.text("sys/kernel/osrelease")).ok()?;
    let text = core::str::from_utf8(text.as_bytes()).ok()?.to_owned();
    let plain = !text.is_empty() && !text.starts_with('.') && !text.contains('/');
    plain.then_some(text)
}

/// Unpacks a gzip file of one member without extra fields, as the kernel build makes it.
fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = bytes.split_at_checked(10)?;
    if !head.starts_with(&[0x1f, 0x8b, 8, 0]) {
        return None;
    }
    let (body, length) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
    let text = miniz_oxide::inflate::decompress_to_vec_with_limit(body, CONFIG).ok()?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    (u32::try_from(text.len()) == Ok(length)).then_some(text)
}

/// Whether the kernel offers SED-Opal ioctls on its disks. Asked before each send, and the same
/// for the whole of a boot.
pub(crate) fn opal(roots: &Roots) -> Known {
    static HERE: OnceLock<Known> = OnceLock::new();
    let look = || match KernelConfig::read(roots).get("BLK_SED_OPAL") {
        Some(Setting::No) => Known::No,
        Some(Setting::Yes | Setting::Module) => Known::Yes,
        None => Known::CannotTell,
    };
    if *roots == Roots::here() { *HERE.get_or_init(look) } else { look() }
}

/// Where a module is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModuleState {
    /// Loaded.
    Loaded,
    /// Part of the kernel.
    BuiltIn,
    /// There to be loaded.
    Installed,
    /// Not there.
    Missing,
    /// Neither loaded, nor is there a list of what could be.
    CannotTell,
}

/// Where the module of that name is. `-` and `_` in it are the same.
#[must_use]
pub fn module(roots: &Roots, name: &str) -> ModuleState {
    let name = name.replace('-', "_");
    let exists =
        |path: &str| Tree::open(&roots.sys()).and_then(|sys| sys.exists(path)).unwrap_or_default();
    if exists(&format!("module/{name}/initstate")) {
        return ModuleState::Loaded;
    }
    if exists(&format!("module/{name}")) {
        return ModuleState::BuiltIn;
    }
    let Some(release) = release(roots) else { return ModuleState::CannotTell };
    let Ok(tree) = Tree::open(&roots.modules()) else { return ModuleState::CannotTell };
    let list = |file: &str| tree.read(format!("{release}/{file}"), MODULES);
    match (list("modules.builtin"), list("modules.dep")) {
        (Ok(list), _) if lists(&list, &name) => ModuleState::BuiltIn,
        (_, Ok(list)) if lists(&list, &name) => ModuleState::Installed,
        (Ok(_), Ok(_)) => ModuleState::Missing,
        _ => ModuleState::CannotTell,
    }
}

/// Whether a list of paths names a module: `kernel/drivers/fwctl/fwctl.ko.xz: ...`.
fn lists(list: &[u8], name: &str) -> bool {
    list.split(|byte| *byte == b'\n').any(|line| {
        let path = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let file = Text::trimmed(file).to_string();
        file.split_once(".ko").is_some_and(|(module, _)| module.replace('-', "_") == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_not_set_or_not_known_is_off() {
        let text =
            b"# CONFIG_FWCTL is not set\nCONFIG_CXL_BUS=m\nCONFIG_FW_UPLOAD=y\nCONFIG_X=\"a\"\n";
        let config = KernelConfig::parse(text, "config".into());
        assert_eq!(config.get("FWCTL"), Some(Setting::No));
        assert_eq!(config.get("CXL_BUS"), Some(Setting::Module));
        assert_eq!(config.get("FW_UPLOAD"), Some(Setting::Yes));
        assert_eq!(config.get("CXL_FEATURES"), Some(Setting::No));
        assert_eq!(KernelConfig::default().get("FWCTL"), None);
    }

    #[test]
    fn a_packed_configuration_is_unpacked_within_its_limit() {
        let text = b"CONFIG_FWCTL=m\n".repeat(100);
        let packed = gzip(&text);
        assert_eq!(unpack(&packed).as_deref(), Some(text.as_slice()));
        for cut in 0..packed.len() {
            assert_eq!(unpack(packed.get(..cut).unwrap()), None, "{cut}");
        }
        let bomb = gzip(&vec![b'#'; CONFIG + 1]);
        assert!(bomb.len() < 32 << 10);
        assert_eq!(unpack(&bomb), None);
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3];
        packed.extend(miniz_oxide::deflate::compress_to_vec(text, 6));
        // The checksum is not looked at: the kernel made the file, and it is advice.
        packed.extend([0; 4]);
        packed.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        packed
    }

    #[test]
    fn a_module_is_found_by_its_file_whatever_packs_it() {
        let list =
            b"kernel/drivers/fwctl/fwctl.ko.xz:\nkernel/drivers/nvme/host/nvme-core.ko: a.ko\n";
        assert!(lists(list, "fwctl") && lists(list, "nvme_core"));
        assert!(!lists(list, "a") && !lists(list, "fwct"));
    }
}
