// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scenarios: which guest, and what runs in it.
//!
//! *Invariants*: a scenario is a row here and nothing else; its script is in `xtask/lab/scenarios`
//! or it is one of the programs that `programs` builds.
//!
//! *Not here*: running them (`trials`); what counts as a success (`outcome`).

use super::machine::{Kernel, Modules};

/// In which lab a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lab {
    /// A busybox guest.
    Fast,
    /// A Debian guest with systemd.
    Full,
}

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) lab: Lab,
    pub(crate) kernel: Kernel,
    pub(crate) modules: Modules,
    /// Added to the kernel's command line. `lab.lockdown=LEVEL` sets lockdown after the modules are
    /// loaded, `lockdown=LEVEL` from the start.
    pub(crate) append: &'static str,
    /// In MiB; what the module set needs if not given.
    pub(crate) memory: Option<u32>,
    /// Seconds.
    pub(crate) limit: u32,
    /// A script of `xtask/lab/scenarios` (its name ends in `.sh`) or a program, and its arguments.
    pub(crate) run: &'static [&'static str],
    /// Checks that may be skipped here.
    pub(crate) may_skip: &'static [&'static str],
}

/// What the rows below have in common.
const FAST: Scenario = Scenario {
    name: "",
    about: "",
    lab: Lab::Fast,
    kernel: Kernel::Built,
    modules: Modules::Cxl,
    append: "",
    memory: None,
    limit: 240,
    run: &[],
    may_skip: &[],
};

/// The same for the full lab, whose kernel is Debian's.
const FULL: Scenario = Scenario { lab: Lab::Full, kernel: Kernel::Stock, ..FAST };

/// All scenarios.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "boot-built",
        about: "the built kernel has its devices and what it was configured for",
        run: &["boot-built.sh"],
        ..FAST
    },
    Scenario {
        name: "boot-stock",
        about: "Debian's kernel has the devices, no fwctl and no RAW commands",
        kernel: Kernel::Stock,
        run: &["boot-stock.sh"],
        ..FAST
    },
    Scenario {
        name: "boot-raw0",
        about: "the drivers without RAW commands find the same devices",
        modules: Modules::Raw0,
        run: &["boot-set.sh", "2", "0"],
        ..FAST
    },
    Scenario {
        name: "boot-noexcl",
        about: "with no Feature kept by the kernel, QEMU's devices have a fwctl",
        modules: Modules::Noexcl,
        run: &["boot-set.sh", "2", "2"],
        ..FAST
    },
    Scenario {
        name: "boot-cxl-test",
        about: "cxl_test gives memory devices and fwctl devices in software",
        modules: Modules::Test,
        run: &["boot-set.sh", "13", "11"],
        ..FAST
    },
    Scenario {
        name: "monitor",
        about: "devices are unplugged and plugged, and events injected, by the guest's wish",
        run: &["monitor.sh"],
        ..FAST
    },
    Scenario {
        name: "lockdown-integrity",
        about: "lockdown from the command line; every module is signed and loads",
        append: "lockdown=integrity",
        run: &["lockdown.sh", "integrity"],
        ..FAST
    },
    Scenario {
        name: "lockdown-stock",
        about: "the same on Debian's kernel, at the highest level",
        kernel: Kernel::Stock,
        append: "lockdown=confidentiality",
        run: &["lockdown.sh", "confidentiality"],
        ..FAST
    },
    Scenario {
        name: "discover-built",
        about: "discovery on the built kernel; a reset and a device put back are seen",
        run: &["discover.sh", "3", "churn"],
        ..FAST
    },
    Scenario {
        name: "discover-stock",
        about: "discovery on Debian's kernel",
        kernel: Kernel::Stock,
        run: &["discover.sh", "3", "churn"],
        ..FAST
    },
    Scenario {
        name: "discover-cxl-test",
        about: "discovery of cxl_test's devices, which are on no bus",
        modules: Modules::Test,
        run: &["discover.sh", "14", "still"],
        ..FAST
    },
    Scenario {
        name: "conformance-cxl-test",
        about: "100 000 ioctls on cxl_test end as fwgate's reading of the kernel says",
        modules: Modules::Test,
        limit: 420,
        run: &["conformance.sh", "100000", "10000"],
        ..FAST
    },
    Scenario {
        name: "conformance-qemu",
        about: "the same on QEMU's memory devices",
        run: &["conformance.sh", "15000", "5000"],
        ..FAST
    },
    Scenario {
        name: "conformance-noexcl",
        about: "the same with a fwctl on QEMU's devices",
        modules: Modules::Noexcl,
        run: &["conformance.sh", "15000", "5000", "--nothing-exclusive"],
        ..FAST
    },
    Scenario {
        name: "conformance-raw0",
        about: "the same on drivers without RAW commands",
        modules: Modules::Raw0,
        run: &["conformance.sh", "5000", "2000"],
        ..FAST
    },
    Scenario {
        name: "conformance-lockdown",
        about: "the same under lockdown",
        append: "lab.lockdown=integrity",
        run: &["conformance.sh", "5000", "2000"],
        ..FAST
    },
    Scenario {
        name: "proof",
        about: "discovery, facts, typed ids, NVMe, doctor and bad input on QEMU's devices",
        run: &[
            "fwgate-proof",
            "discovery",
            "facts",
            "memdev",
            "nvme",
            "raw",
            "lockdown",
            "doctor",
            "bad-input",
        ],
        ..FAST
    },
    Scenario {
        name: "proof-cli",
        about: "the command line on QEMU's devices",
        run: &["fwgate-proof", "cli"],
        ..FAST
    },
    Scenario {
        name: "proof-interfaces",
        about: "the kernel's own interfaces to QEMU's devices, by the gate",
        run: &["fwgate-proof", "interfaces"],
        ..FAST
    },
    Scenario {
        name: "proof-removal",
        about: "devices taken away under load, and others under their names",
        run: &["fwgate-proof", "removal"],
        ..FAST
    },
    Scenario {
        name: "proof-noexcl",
        about: "the standard Features by fwctl, where the kernel keeps none of them",
        modules: Modules::Noexcl,
        run: &["fwgate-proof", "facts", "features-standard"],
        ..FAST
    },
    Scenario {
        name: "proof-cxl-test",
        about: "Features and the kernel's own interfaces on cxl_test",
        modules: Modules::Test,
        run: &["fwgate-proof", "features", "lockdown", "interfaces-mock", "cli-mock"],
        ..FAST
    },
    Scenario {
        name: "proof-rights",
        about: "five identities, two modes of the nodes: what the gate says and what the kernel says",
        modules: Modules::Test,
        run: &["fwgate-proof", "rights"],
        ..FAST
    },
    Scenario {
        name: "proof-integrity",
        about: "lockdown at integrity: fwctl goes, RAW does not",
        modules: Modules::Test,
        append: "lab.lockdown=integrity",
        run: &["fwgate-proof-raw", "raw", "lockdown"],
        ..FAST
    },
    Scenario {
        name: "proof-confidentiality",
        about: "lockdown at confidentiality: dumps are not shown either",
        modules: Modules::Test,
        append: "lab.lockdown=confidentiality",
        run: &["fwgate-proof-raw", "raw", "lockdown"],
        ..FAST
    },
    Scenario {
        name: "proof-raw",
        about: "RAW, built into kernel and program",
        run: &["fwgate-proof-raw", "raw", "lockdown", "doctor"],
        ..FAST
    },
    Scenario {
        name: "proof-raw0",
        about: "RAW, built into the program and not into the kernel",
        modules: Modules::Raw0,
        run: &["fwgate-proof-raw", "raw", "memdev"],
        ..FAST
    },
    Scenario {
        name: "proof-stock",
        about: "Debian's kernel: what goes there, and doctor on what does not",
        kernel: Kernel::Stock,
        run: &[
            "fwgate-proof",
            "discovery",
            "facts",
            "memdev",
            "nvme",
            "raw",
            "lockdown",
            "doctor",
            "doctor-stock",
        ],
        ..FAST
    },
    Scenario {
        name: "system",
        about: "Debian with systemd is up, and its tools see the drive and the memory devices",
        run: &["system.sh"],
        ..FULL
    },
    Scenario {
        name: "discover-system",
        about: "discovery beside systemd and udev",
        run: &["discover.sh", "3", "still"],
        ..FULL
    },
];

/// The rows that were asked for; by name from any lab.
pub(crate) fn chosen(lab: Option<Lab>, names: &[String]) -> Result<Vec<&'static Scenario>, String> {
    if names.is_empty() {
        let rows = SCENARIOS.iter().filter(|row| lab.is_none_or(|lab| row.lab == lab));
        return Ok(rows.collect());
    }
    let find = |name: &String| {
        let found = SCENARIOS.iter().find(|row| row.name == *name);
        found.ok_or_else(|| format!("no scenario `{name}`; `lab test --list` names them"))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::machine::Wanted;

    #[test]
    fn each_scenario_has_its_own_name_and_says_what_it_is_about() {
        for (at, row) in SCENARIOS.iter().enumerate() {
            assert!(!row.name.is_empty() && !row.about.is_empty(), "{row:?}");
            assert!(SCENARIOS[..at].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }

    #[test]
    fn each_scenario_can_boot_and_runs_something_that_is_there() {
        let tree = crate::tree::Tree::here();
        for row in SCENARIOS {
            let wanted = Wanted { kernel: row.kernel, modules: row.modules, ..Wanted::default() };
            wanted.check().unwrap();
            let (first, _) = row.run.split_first().unwrap();
            if first.ends_with(".sh") {
                let path = tree.path("xtask/lab/scenarios").join(first);
                assert!(path.is_file(), "{}", path.display());
            }
        }
    }

    #[test]
    fn no_scenario_may_skip_everything() {
        for row in SCENARIOS {
            assert!(row.may_skip.len() < 10, "{}", row.name);
        }
    }

    #[test]
    fn scenarios_are_chosen_by_lab_or_by_name() {
        let fast = chosen(Some(Lab::Fast), &[]).unwrap();
        assert!(fast.iter().all(|row| row.lab == Lab::Fast) && !fast.is_empty());
        assert_eq!(chosen(None, &[]).unwrap().len(), SCENARIOS.len());
        let one = chosen(None, &["monitor".to_owned()]).unwrap();
        assert_eq!(one.len(), 1);
        assert!(chosen(None, &["nothing".to_owned()]).unwrap_err().contains("`nothing`"));
    }
}
