// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two kernels: one built from Debian's source, and Debian's own as it comes.
//!
//! The built one has what Debian leaves out (fwctl, CXL Features, RAW commands); `xtask/lab/kernel.config`
//! says what it has. Debian's own is unpacked, not installed.
//!
//! *Invariants*: every option that `kernel.config` asks for is in the configuration that was built,
//! or the step fails and names it.
//!
//! *Not here*: which modules a guest gets (`modules`); fetching (`debian`).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{
    Cache, beside, digest, fail, fresh_folder, make_folder, output, remove, replace, write,
};
use super::debian::Apt;
use super::modules;

/// Changes when the steps here do something else than before.
const REVISION: &[u8] = b"1";

/// Which packages the lab uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    /// Such as `linux-source-7.3`.
    pub(crate) source: String,
    /// Its version.
    pub(crate) source_version: String,
    /// The stock kernel's release, such as `7.3.4+deb13-amd64`.
    pub(crate) stock: String,
    /// Its packages' version.
    pub(crate) stock_version: String,
}

impl Versions {
    /// Those that were chosen before, or the newest that the mirror has.
    pub(crate) fn choose(cache: &Cache, newest: bool) -> Result<Self, String> {
        let path = cache.path("versions");
        let old = fs::read_to_string(&path).ok().and_then(|text| Self::parse(&text));
        if let Some(old) = old
            && !newest
        {
            return Ok(old);
        }
        let versions = Self::newest(cache)?;
        write(&path, versions.text().as_bytes())?;
        Ok(versions)
    }

    fn newest(cache: &Cache) -> Result<Self, String> {
        cache.clear_log("versions")?;
        let apt = Apt::backports(cache)?;
        apt.update(cache, "versions")?;
        let first = |package: &str, prefix: &str| {
            let names = apt.depends(package)?;
            let mut names = names.into_iter().filter(|name| name.starts_with(prefix));
            names.next().ok_or_else(|| format!("{package} depends on no {prefix}..."))
        };
        let source = first("linux-source", "linux-source-")?;
        let image = first("linux-image-amd64", "linux-image-")?;
        let stock = image.trim_start_matches("linux-image-").to_owned();
        let source_version = apt.version(&source)?;
        let stock_version = apt.version(&image)?;
        Ok(Self { source, source_version, stock, stock_version })
    }

    fn text(&self) -> String {
        let Self { source, source_version, stock, stock_version } = self;
        format!("{source} {source_version}\n{stock} {stock_version}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().map(str::to_owned);
        let mut next = || words.next();
        Some(Self {
            source: next()?,
            source_version: next()?,
            stock: next()?,
            stock_version: next()?,
        })
    }
}

/// Fetches and unpacks the source.
pub(crate) fn source(cache: &Cache, versions: &Versions) -> Result<(), String> {
    let key = digest([versions.source.as_bytes(), versions.source_version.as_bytes()]);
    cache.step("source", &key, &["src/linux/Makefile"], || {
        cache.clear_log("source")?;
        let new = cache.path("src.new");
        fresh_folder(&new)?;
        let apt = Apt::backports(cache)?;
        if !cache.path("apt/backports/lists").join("lock").exists() {
            apt.update(cache, "source")?;
        }
        let package = format!("{}={}", versions.source, versions.source_version);
        apt.unpack(cache, "source", &[package], &new.join("package"))?;
        let archive = format!("package/usr/src/{}.tar.xz", versions.source);
        let mut tar = Command::new("tar");
        tar.args(["-x", "-f"]).arg(new.join(archive)).arg("-C").arg(&new);
        cache.run("source", &mut tar)?;
        remove(&new.join("package"))?;
        let link = new.join("linux");
        std::os::unix::fs::symlink(&versions.source, &link).map_err(|error| fail(&link, &error))?;
        replace(&new, &cache.path("src"))?;
        Ok(format!(" ({} {})", versions.source, versions.source_version))
    })?;
    Ok(())
}

/// Builds the kernel, its modules, the headers for programs, and the set of real CXL drivers.
pub(crate) fn build(cache: &Cache, versions: &Versions, fragment: &Path) -> Result<String, String> {
    let wanted = fs::read(fragment).map_err(|error| fail(fragment, &error))?;
    let config_key = digest([&*wanted, versions.source_version.as_bytes()]);
    let key = digest([config_key.as_bytes(), REVISION, modules::REAL_KEY.as_bytes()]);
    let makes = ["vmlinux", "uapi/include/linux/cxl_mem.h", "mods/cxl/order", "build/.config"];
    cache.step("kernel", &key, &makes, || {
        cache.clear_log("kernel")?;
        make_folder(&cache.path("build"))?;
        // Configured anew only for another fragment: make then rebuilds what that changes.
        let stamp = cache.path("build/.lab-config");
        let same = fs::read_to_string(&stamp).is_ok_and(|old| old == config_key);
        if !same || !cache.path("build/.config").exists() {
            remove(&stamp)?;
            let all = format!("KCONFIG_ALLCONFIG={}", fragment.display());
            cache.run("kernel", make(cache).arg(all).arg("allnoconfig"))?;
            write(&stamp, config_key.as_bytes())?;
        }
        holds(&wanted, &cache.path("build/.config"))?;
        cache.run("kernel", make(cache).arg(jobs()).args(["bzImage", "modules"]))?;
        // The tests of CXL are built from the same objects, with other flags: so the real drivers
        // are put aside before.
        modules::real(cache)?;
        let headers = beside(&cache.path("uapi"));
        remove(&headers)?;
        let path = format!("INSTALL_HDR_PATH={}", headers.display());
        cache.run("kernel", make(cache).arg(path).arg("headers_install"))?;
        replace(&headers, &cache.path("uapi"))?;
        let new = cache.path("vmlinux.new");
        let mut strip = Command::new("strip");
        strip.arg("-s").arg("-o").arg(&new).arg(cache.path("build/vmlinux"));
        cache.run("kernel", &mut strip)?;
        replace(&new, &cache.path("vmlinux"))?;
        Ok(String::new())
    })?;
    Ok(key)
}

/// `make` in the source's folder, with the build's folder beside it.
pub(crate) fn make(cache: &Cache) -> Command {
    let mut command = Command::new("nice");
    command.args(["make", "-s"]).arg(format!("O={}", cache.path("build").display()));
    command.current_dir(cache.path("src/linux"));
    // What cargo sets for us is not for the kernel's build.
    for name in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "MAKELEVEL", "LD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    command
}

/// One job for each processor.
pub(crate) fn jobs() -> String {
    format!("-j{}", std::thread::available_parallelism().map_or(2, usize::from))
}

/// That each option asked for was had.
fn holds(wanted: &[u8], config: &Path) -> Result<(), String> {
    let text = fs::read_to_string(config).map_err(|error| fail(config, &error))?;
    let have = options(&text);
    let wanted = String::from_utf8_lossy(wanted);
    let mut wrong = Vec::new();
    for (name, value) in options(&wanted) {
        let got = have.get(name).copied().unwrap_or("n");
        if got != value {
            wrong.push(format!("{name}: asked for {value}, got {got}"));
        }
    }
    wrong.sort();
    if wrong.is_empty() { Ok(()) } else { Err(format!("kernel.config: {}", wrong.join("; "))) }
}

/// The options of a configuration, by name.
fn options(text: &str) -> HashMap<&str, &str> {
    text.lines()
        .filter(|line| line.starts_with("CONFIG_"))
        .filter_map(|line| line.split_once('='))
        .collect()
}

/// The release of the built kernel.
pub(crate) fn built_release(cache: &Cache) -> Result<String, String> {
    let path = cache.path("build/include/config/kernel.release");
    let text = fs::read_to_string(&path).map_err(|error| fail(&path, &error))?;
    Ok(text.trim().to_owned())
}

/// Fetches Debian's kernel and unpacks it.
pub(crate) fn stock(cache: &Cache, versions: &Versions) -> Result<String, String> {
    let release = &versions.stock;
    let key = digest([release.as_bytes(), versions.stock_version.as_bytes(), REVISION]);
    let makes = ["stock/vmlinuz", "stock/config", "stock/modules/kernel", "stock/modules.builtin"];
    cache.step("stock", &key, &makes, || {
        cache.clear_log("stock")?;
        let new = cache.path("stock.new");
        fresh_folder(&new)?;
        let package = |kind: &str| format!("linux-{kind}-{release}={}", versions.stock_version);
        let packages = ["base", "binary", "modules"].map(package);
        let apt = Apt::backports(cache)?;
        if !cache.path("apt/backports/lists").join("lock").exists() {
            apt.update(cache, "stock")?;
        }
        apt.unpack(cache, "stock", &packages, &new.join("package"))?;
        let tree = new.join("package/usr/lib/modules").join(release);
        for name in ["vmlinuz", "config", "modules.builtin"] {
            let to = new.join(name);
            fs::rename(tree.join(name), &to).map_err(|error| fail(&tree.join(name), &error))?;
        }
        let modules = new.join("modules");
        // With what `depmod` reads.
        fs::rename(&tree, &modules).map_err(|error| fail(&tree, &error))?;
        remove(&new.join("package"))?;
        replace(&new, &cache.path("stock"))?;
        Ok(format!(" ({release})"))
    })?;
    Ok(key)
}

/// What `modinfo` says of a field of a module.
pub(crate) fn modinfo(field: &str, module: &Path) -> Result<String, String> {
    let program = super::debian::find("modinfo").unwrap_or_else(|| PathBuf::from("modinfo"));
    output(Command::new(program).args(["-F", field]).arg(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_and_read_again() {
        let versions = Versions {
            source: "linux-source-7.3".into(),
            source_version: "7.3.4-1".into(),
            stock: "7.3.4+deb13-amd64".into(),
            stock_version: "7.3.4-1".into(),
        };
        assert_eq!(Versions::parse(&versions.text()), Some(versions));
        assert_eq!(Versions::parse("linux-source-7.3 7.3.4-1\n"), None);
    }

    #[test]
    fn an_option_that_was_asked_for_and_not_had_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join(".config");
        fs::write(&config, "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n").unwrap();
        holds(b"# a note\nCONFIG_A=y\nCONFIG_C=n\n", &config).unwrap();
        let error = holds(b"CONFIG_B=y\nCONFIG_D=m\n", &config).unwrap_err();
        assert_eq!(
            error,
            "kernel.config: CONFIG_B: asked for y, got m; CONFIG_D: asked for m, got n"
        );
    }

    #[test]
    fn the_kernel_that_the_tree_asks_for_has_what_the_lab_is_for() {
        let text = include_str!("../../lab/kernel.config");
        let options = options(text);
        for (name, value) in [
            ("CONFIG_FWCTL", "m"),
            ("CONFIG_CXL_FEATURES", "y"),
            ("CONFIG_CXL_MEM_RAW_COMMANDS", "y"),
            ("CONFIG_CUSE", "y"),
            ("CONFIG_CXL_EDAC_MEM_FEATURES", "y"),
            ("CONFIG_SECURITY_LOCKDOWN_LSM", "y"),
        ] {
            assert_eq!(options.get(name), Some(&value), "{name}");
        }
    }
}
