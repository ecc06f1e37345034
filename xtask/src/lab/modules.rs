// SPDX-License-Identifier: MIT OR Apache-2.0
//! Module sets: which modules a guest loads, and in which order.
//!
//! | set | what it is |
//! |---|---|
//! | `cxl` | the kernel's own CXL drivers |
//! | `raw0` | the same, built with `CONFIG_CXL_MEM_RAW_COMMANDS=n` |
//! | `noexcl` | the same, with the list of Features that the kernel keeps for itself emptied: QEMU's device then has a fwctl |
//! | `test` | `cxl_test`: memory devices in software, each with a vendor's Feature |
//!
//! *Invariants*: a set is a folder of modules and a file `order`; each module stands after those it
//! depends on. Modules are signed with the kernel's own key, so that they load under lockdown.
//!
//! *Not here*: building the kernel (`kernel`).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, beside, digest, fail, fresh_folder, make_folder, replace, write};
use super::kernel::{jobs, make, modinfo};

/// The real drivers.
const REAL: &[&str] = &[
    "aes",
    "cbc",
    "ecb",
    "fwctl",
    "libnvdimm",
    "nd_pmem",
    "dax_pmem",
    "device_dax",
    "kmem",
    "dax_hmem",
    "cxl_core",
    "cxl_port",
    "cxl_acpi",
    "cxl_pmem",
    "cxl_mem",
    "cxl_pci",
    "dax_cxl",
];
/// Changes with the list above.
pub(crate) const REAL_KEY: &str = "real-1";
/// Those with the devices in software.
const TEST: &[&str] = &[
    "aes",
    "cbc",
    "ecb",
    "fwctl",
    "libnvdimm",
    "nd_pmem",
    "dax_pmem",
    "device_dax",
    "kmem",
    "cxl_core",
    "cxl_port",
    "cxl_acpi",
    "cxl_pmem",
    "cxl_mem",
    "cxl_pci",
    "dax_hmem",
    "dax_cxl",
    "cxl_mock",
    "cxl_mock_mem",
    "cxl_test",
];
/// What a guest with Debian's kernel always loads.
const STOCK_BASE: &[&str] =
    &["9pnet_virtio", "9p", "virtio_rng", "virtio_blk", "ext4", "nvme", "cuse"];
/// Debian's CXL drivers; `cxl_core` and `cxl_port` are in the kernel itself.
const STOCK_CXL: &[&str] = &[
    "cxl_acpi",
    "cxl_pmem",
    "cxl_mem",
    "cxl_pci",
    "device_dax",
    "kmem",
    "dax_pmem",
    "dax_hmem",
    "dax_cxl",
    "nd_pmem",
    "cxl_core",
    "cxl_port",
];

/// A change to the source of a set of its own.
struct Variant {
    set: &'static str,
    file: &'static str,
    /// What is there, and what is put in its place.
    edits: &'static [(&'static str, &'static str)],
}

const VARIANTS: &[Variant] = &[
    Variant {
        set: "raw0",
        file: "core/mbox.c",
        edits: &[
            ("IS_ENABLED(CONFIG_CXL_MEM_RAW_COMMANDS)", "0"),
            ("#ifdef CONFIG_CXL_MEM_RAW_COMMANDS", "#if 0"),
        ],
    },
    Variant {
        set: "noexcl",
        file: "core/features.c",
        edits: &[(
            "for (int i = 0; i < ARRAY_SIZE(cxl_exclusive_feats); i++) {",
            "for (int i = 0; i < 0; i++) {",
        )],
    },
];

/// The set `cxl`; part of the kernel's step.
pub(crate) fn real(cache: &Cache) -> Result<(), String> {
    collect(cache, "cxl", REAL, &[])
}

/// The sets that are built beside the kernel.
pub(crate) fn variants(cache: &Cache, kernel: &str) -> Result<(), String> {
    let roots = REAL.join(" ");
    for variant in VARIANTS {
        let Variant { set, file, edits } = variant;
        let mut parts = vec![kernel.as_bytes(), roots.as_bytes(), file.as_bytes()];
        parts.extend(edits.iter().flat_map(|(from, to)| [from.as_bytes(), to.as_bytes()]));
        let order = format!("mods/{set}/order");
        cache.step(&format!("modules-{set}"), &digest(parts), &[&order], || {
            let step = format!("modules-{set}");
            cache.clear_log(&step)?;
            let folder = cache.path(&format!("var/{set}"));
            fresh_folder(&folder)?;
            let mut copy = Command::new("cp");
            copy.arg("-r").arg(cache.path("src/linux/drivers/cxl")).arg(&folder);
            cache.run(&step, &mut copy)?;
            let path = folder.join("cxl").join(file);
            let text = fs::read_to_string(&path).map_err(|error| fail(&path, &error))?;
            write(&path, edit(&text, file, edits)?.as_bytes())?;
            let module = format!("M={}", folder.join("cxl").display());
            cache.run(&step, make(cache).arg(jobs()).arg(module).arg("modules"))?;
            collect(cache, set, REAL, &[folder.join("cxl")])?;
            Ok(String::new())
        })?;
    }
    test_set(cache, kernel)
}

/// `cxl_test`, built from a copy: its build puts objects beside the sources that it shares with the
/// drivers, and does not see that the configuration has changed.
fn test_set(cache: &Cache, kernel: &str) -> Result<(), String> {
    let step = "modules-test";
    let roots = TEST.join(" ");
    let key = digest([kernel.as_bytes(), roots.as_bytes()]);
    cache.step(step, &key, &["mods/test/order"], || {
        cache.clear_log(step)?;
        let folder = cache.path("var/test");
        fresh_folder(&folder)?;
        for part in ["drivers/cxl", "drivers/dax", "tools/testing/cxl"] {
            let to = folder.join(part);
            make_folder(&to)?;
            let from = cache.path("src/linux").join(part).join(".");
            cache.run(step, Command::new("cp").arg("-r").arg(from).arg(&to))?;
        }
        let module = format!("M={}", folder.join("tools/testing/cxl").display());
        cache.run(step, make(cache).arg(jobs()).arg(module).arg("modules"))?;
        collect(cache, "test", TEST, &[folder.join("tools/testing/cxl")])?;
        Ok(String::new())
    })?;
    Ok(())
}

fn edit(text: &str, file: &str, edits: &[(&str, &str)]) -> Result<String, String> {
    let mut text = text.to_owned();
    for (from, to) in edits {
        if !text.contains(from) {
            return Err(format!("drivers/cxl/{file} has no `{from}` any more"));
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

/// Puts a set together; modules in `over` stand for those of the kernel with the same name.
fn collect(cache: &Cache, set: &str, roots: &[&str], over: &[PathBuf]) -> Result<(), String> {
    let mut modules = found(&cache.path("build"))?;
    for folder in over {
        modules.extend(found(folder)?);
    }
    let order = order(roots, |name| {
        let Some(path) = modules.get(name) else { return Err(format!("no module {name}")) };
        Ok(Some(depends(path)?))
    })?;
    let folder = cache.path(&format!("mods/{set}"));
    let new = beside(&folder);
    fresh_folder(&new)?;
    let build = cache.path("build");
    for name in &order {
        let to = new.join(format!("{name}.ko"));
        fs::copy(&modules[name], &to).map_err(|error| fail(&to, &error))?;
        let mut sign = Command::new(build.join("scripts/sign-file"));
        sign.arg("sha512").arg(build.join("certs/signing_key.pem"));
        sign.arg(build.join("certs/signing_key.x509")).arg(&to);
        cache.run("modules", &mut sign)?;
    }
    write(&new.join("order"), listing(&order).as_bytes())?;
    replace(&new, &folder)
}

/// The sets of Debian's kernel: `stock-base` and `stock-cxl`, unpacked from their compressed files.
pub(crate) fn stock(cache: &Cache, kernel: &str) -> Result<(), String> {
    let base = STOCK_BASE.join(" ");
    let cxl = STOCK_CXL.join(" ");
    let key = digest([kernel.as_bytes(), base.as_bytes(), cxl.as_bytes()]);
    let makes = ["mods/stock-base/order", "mods/stock-cxl/order"];
    cache.step("modules-stock", &key, &makes, || {
        cache.clear_log("modules-stock")?;
        let modules = found(&cache.path("stock/modules"))?;
        let path = cache.path("stock/modules.builtin");
        let text = fs::read_to_string(&path).map_err(|error| fail(&path, &error))?;
        let built_in: HashSet<_> = text.lines().map(|line| module_name(Path::new(line))).collect();
        let depends = |name: &str| match modules.get(name) {
            Some(path) => depends(path).map(Some),
            None if built_in.contains(name) => Ok(None),
            None => Err(format!("Debian's kernel has no module {name}")),
        };
        let first = order(STOCK_BASE, depends)?;
        let mut second = order(STOCK_CXL, depends)?;
        second.retain(|name| !first.contains(name));
        for (set, names) in [("stock-base", &first), ("stock-cxl", &second)] {
            let folder = cache.path(&format!("mods/{set}"));
            let new = beside(&folder);
            fresh_folder(&new)?;
            for name in names {
                let to = new.join(format!("{name}.ko"));
                unpack(&modules[name], &to)?;
            }
            write(&new.join("order"), listing(names).as_bytes())?;
            replace(&new, &folder)?;
        }
        Ok(String::new())
    })?;
    Ok(())
}

/// A module without its compression; its signature is part of what was compressed.
fn unpack(module: &Path, to: &Path) -> Result<(), String> {
    if module.extension().is_some_and(|end| end == "ko") {
        fs::copy(module, to).map_err(|error| fail(to, &error))?;
        return Ok(());
    }
    let file = fs::File::create(to).map_err(|error| fail(to, &error))?;
    let status = Command::new("xz").args(["-d", "-c"]).arg(module).stdout(file).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("xz failed on {} ({status})", module.display())),
        Err(error) => Err(format!("cannot run xz: {error}")),
    }
}

/// Every module under a folder, by name.
fn found(folder: &Path) -> Result<HashMap<String, PathBuf>, String> {
    let mut modules = HashMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| fail(&folder, &error))? {
            let entry = entry.map_err(|error| fail(&folder, &error))?;
            let kind = entry.file_type().map_err(|error| fail(&folder, &error))?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if kind.is_dir() {
                folders.push(path);
            } else if [".ko", ".ko.xz"].iter().any(|end| name.ends_with(end)) {
                modules.insert(module_name(&path), path);
            }
        }
    }
    Ok(modules)
}

/// `nd-pmem.ko.xz` is the module `nd_pmem`.
fn module_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().replace('-', "_")
}

fn depends(module: &Path) -> Result<Vec<String>, String> {
    let said = modinfo("depends", module)?;
    let names = said.trim().split(',').filter(|name| !name.is_empty());
    Ok(names.map(|name| name.replace('-', "_")).collect())
}

/// What a module depends on.
type Depends<'a> = dyn Fn(&str) -> Result<Option<Vec<String>>, String> + 'a;

/// The modules and all they depend on, each after what it depends on. `None` is one that is in the
/// kernel itself.
fn order(
    roots: &[&str],
    depends: impl Fn(&str) -> Result<Option<Vec<String>>, String>,
) -> Result<Vec<String>, String> {
    fn visit(
        name: &str,
        depends: &Depends<'_>,
        seen: &mut HashSet<String>,
        order: &mut Vec<String>,
    ) -> Result<(), String> {
        if !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(needs) = depends(name)? else { return Ok(()) };
        for need in needs {
            visit(&need, depends, seen, order)?;
        }
        order.push(name.to_owned());
        Ok(())
    }
    let mut seen = HashSet::new();
    let mut list = Vec::new();
    for root in roots {
        visit(root, &depends, &mut seen, &mut list)?;
    }
    Ok(list)
}

fn listing(names: &[String]) -> String {
    names.iter().map(|name| format!("{name}.ko\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(name: &str) -> Result<Option<Vec<String>>, String> {
        let needs: &[&str] = match name {
            "top" => &["left", "right"],
            "left" | "right" => &["low"],
            "low" => &[],
            "inside" => return Ok(None),
            _ => return Err(format!("no module {name}")),
        };
        Ok(Some(needs.iter().map(|name| (*name).to_owned()).collect()))
    }

    #[test]
    fn a_module_stands_after_those_it_depends_on_and_once() {
        assert_eq!(order(&["right", "top"], tree).unwrap(), ["low", "right", "left", "top"]);
    }

    #[test]
    fn what_is_in_the_kernel_is_not_loaded_and_what_is_nowhere_is_an_error() {
        assert_eq!(order(&["inside", "low"], tree).unwrap(), ["low"]);
        assert_eq!(order(&["none"], tree).unwrap_err(), "no module none");
    }

    #[test]
    fn a_file_gives_the_name_that_the_kernel_uses() {
        for file in ["a/nd-pmem.ko", "nd_pmem.ko.xz"] {
            assert_eq!(module_name(Path::new(file)), "nd_pmem");
        }
    }

    #[test]
    fn an_edit_that_finds_nothing_is_an_error_and_not_an_unchanged_set() {
        assert_eq!(edit("one two", "f.c", &[("two", "three")]).unwrap(), "one three");
        let error = edit("one two", "f.c", &[("four", "five")]).unwrap_err();
        assert_eq!(error, "drivers/cxl/f.c has no `four` any more");
    }
}
