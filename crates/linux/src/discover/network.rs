// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of the kernel's own interfaces to a network device are there.
//!
//! Hostile, as everything in sysfs.
//!
//! *Invariants*: what is called absent is known to be. A command on ground whose interface is absent may go to the firmware,
//! so what sysfs does not show is decided by the driver's source, and where that does not tell, nobody can.
//!
//! *Not here*: running any of them; the rows that name them (`data/ground.toml`).
//!
//! *Spec*, all `@ v7.3`
//! - devlink is not in sysfs. `mlx5_core` has `flash_update` and both reload actions on every function
//!   (`drivers/net/ethernet/mellanox/mlx5/core/devlink.c:mlx5_devlink_ops`, allocated in `main.c:probe_one`); `bnxt_en` on
//!   physical functions (`drivers/net/ethernet/broadcom/bnxt/bnxt_devlink.c:bnxt_dl_register`); `pds_core` there, without
//!   reload (`drivers/net/ethernet/amd/pds_core/main.c:pdsc_dl_ops`). Each selects CONFIG_NET_DEVLINK, and registers it
//!   before its probe ends.
//! - A network device stands below `net` in its function's folder. Its own folder shows only in the network namespace that
//!   sysfs was mounted from; `net` itself shows in all, and goes with the last one in it
//!   (`drivers/base/core.c:cleanup_glue_dir`). So that `net` is there counts, whatever it lists.
//! - Whether it takes DCB hangs on CONFIG_MLX5_CORE_EN_DCB and the firmware's capabilities
//!   (`drivers/net/ethernet/mellanox/mlx5/core/en_dcbnl.c:mlx5e_dcbnl_build_netdev`); sysfs shows neither, so each counts
//!   as one that does.

use std::path::Path;

use super::fwctl::Family;
use super::scan::Target;
use super::sysfs::{ReadError, Tree};

/// The keys of the interfaces to a fwctl device's network driver; `None` where they cannot be told. `all_known`: whether
/// every driver of the physical device is one that is known.
pub(super) fn interfaces(
    sys: &Tree,
    target: &Target,
    all_known: bool,
) -> Option<Vec<&'static str>> {
    let own = &target.function()?.folder;
    let driver = sys.link_name(own.join("driver")).ok()??;
    let is_virtual = sys.link_name(own.join("physfn")).ok()?.is_some();
    let mut keys = match (Family::of_driver(&driver), is_virtual) {
        (Family::Mlx5, _) | (Family::Bnxt, false) => vec!["devlink-flash", "devlink-reload"],
        (Family::Pds, false) => vec!["devlink-flash"],
        // What a virtual function lacks, its physical one has, wherever that is driven from.
        (Family::Bnxt | Family::Pds, true) | (Family::Cxl | Family::Unknown, _) => return None,
    };
    // A port can be driven by way of another function: one of two sockets, or of two paths to it.
    let mut any = false;
    for function in &target.physical.functions {
        any |= has_network_device(sys, &function.folder).ok()?;
    }
    if any {
        keys.extend(["netdev-dcb", "netdev-ethtool"]);
    } else if !all_known {
        // Behind vfio there may be a guest with a network device of its own.
        return None;
    }
    Some(keys)
}

/// Whether a function, or a subfunction of it, has a network device.
fn has_network_device(sys: &Tree, folder: &Path) -> Result<bool, ReadError> {
    let names = match sys.list(folder) {
        Err(error) if error.is_gone() => return Ok(false),
        names => names?,
    };
    for name in &names {
        let below = name.starts_with("mlx5_core.sf.");
        if name == "net" || below && sys.exists(folder.join(name).join("net"))? {
            return Ok(true);
        }
    }
    Ok(false)
}
