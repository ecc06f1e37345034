// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ioctl numbers, structures and ids of `fwgate-wire` against the kernel's own headers, by a C compiler.
//!
//! | headers | where | checked |
//! |---|---|---|
//! | `linux/cxl_mem.h`, `linux/nvme_ioctl.h` | installed (`linux-libc-dev`) | always |
//! | the same and `fwctl/*.h` | the folder `FWGATE_UAPI`, as `make headers_install` fills it | where it is set |
//!
//! Without `FWGATE_UAPI` the second row is not checked, and the test says so on standard error. The lab sets `FWGATE_LAB` as
//! well, and then it is an error.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;

use fwgate_wire::fwctl::cxl::{CxlRpcRequestHeader, CxlRpcResponseHeader};
use fwgate_wire::fwctl::{FWCTL_INFO, FWCTL_RPC, FwctlInfo, FwctlRpc, device_type, scope};
use fwgate_wire::memdev::{
    self, CommandInfo, IDS, IdKind, QUERY_COMMANDS, QueryHeader, SEND_COMMAND, SendCommand,
};
use fwgate_wire::nvme::ioctl::{
    IOCTL_ADMIN_CMD, IOCTL_ADMIN64_CMD, IOCTL_ID, PassthruCmd, PassthruCmd64, PassthruCommon,
};

/// One C expression and the value that it has here.
type Fact = (&'static str, usize);

const MEMDEV: &[Fact] = &[
    ("CXL_MEM_QUERY_COMMANDS", QUERY_COMMANDS as usize),
    ("CXL_MEM_SEND_COMMAND", SEND_COMMAND as usize),
    ("sizeof(struct cxl_mem_query_commands)", QueryHeader::SIZE),
    ("offsetof(struct cxl_mem_query_commands, n_commands)", offset_of!(QueryHeader, n_commands)),
    ("offsetof(struct cxl_mem_query_commands, commands)", QueryHeader::SIZE),
    ("sizeof(struct cxl_command_info)", CommandInfo::SIZE),
    ("offsetof(struct cxl_command_info, id)", offset_of!(CommandInfo, id)),
    ("offsetof(struct cxl_command_info, flags)", offset_of!(CommandInfo, flags)),
    ("offsetof(struct cxl_command_info, size_in)", offset_of!(CommandInfo, size_in)),
    ("offsetof(struct cxl_command_info, size_out)", offset_of!(CommandInfo, size_out)),
    ("sizeof(struct cxl_send_command)", SendCommand::SIZE),
    ("offsetof(struct cxl_send_command, id)", offset_of!(SendCommand, id)),
    ("offsetof(struct cxl_send_command, flags)", offset_of!(SendCommand, flags)),
    ("offsetof(struct cxl_send_command, raw.opcode)", offset_of!(SendCommand, raw_opcode)),
    ("offsetof(struct cxl_send_command, raw.rsvd)", offset_of!(SendCommand, raw_reserved)),
    ("offsetof(struct cxl_send_command, retval)", offset_of!(SendCommand, retval)),
    ("offsetof(struct cxl_send_command, in.size)", offset_of!(SendCommand, in_size)),
    ("offsetof(struct cxl_send_command, in.rsvd)", offset_of!(SendCommand, in_reserved)),
    ("offsetof(struct cxl_send_command, in.payload)", offset_of!(SendCommand, in_payload)),
    ("offsetof(struct cxl_send_command, out.size)", offset_of!(SendCommand, out_size)),
    ("offsetof(struct cxl_send_command, out.rsvd)", offset_of!(SendCommand, out_reserved)),
    ("offsetof(struct cxl_send_command, out.payload)", offset_of!(SendCommand, out_payload)),
];

const NVME: &[Fact] = &[
    ("NVME_IOCTL_ID", IOCTL_ID as usize),
    ("NVME_IOCTL_ADMIN_CMD", IOCTL_ADMIN_CMD as usize),
    ("NVME_IOCTL_ADMIN64_CMD", IOCTL_ADMIN64_CMD as usize),
    ("sizeof(struct nvme_passthru_cmd)", PassthruCmd::SIZE),
    ("offsetof(struct nvme_passthru_cmd, result)", offset_of!(PassthruCmd, result)),
    ("sizeof(struct nvme_passthru_cmd64)", PassthruCmd64::SIZE),
    ("offsetof(struct nvme_passthru_cmd64, rsvd2)", offset_of!(PassthruCmd64, reserved2)),
    ("offsetof(struct nvme_passthru_cmd64, result)", offset_of!(PassthruCmd64, result)),
    ("offsetof(struct nvme_passthru_cmd, timeout_ms)", offset_of!(PassthruCommon, timeout_ms)),
    ("offsetof(struct nvme_passthru_cmd64, opcode)", offset_of!(PassthruCommon, opcode)),
    ("offsetof(struct nvme_passthru_cmd64, flags)", offset_of!(PassthruCommon, flags)),
    ("offsetof(struct nvme_passthru_cmd64, rsvd1)", offset_of!(PassthruCommon, reserved1)),
    ("offsetof(struct nvme_passthru_cmd64, nsid)", offset_of!(PassthruCommon, nsid)),
    ("offsetof(struct nvme_passthru_cmd64, cdw2)", offset_of!(PassthruCommon, cdw2)),
    ("offsetof(struct nvme_passthru_cmd64, cdw3)", offset_of!(PassthruCommon, cdw3)),
    ("offsetof(struct nvme_passthru_cmd64, metadata)", offset_of!(PassthruCommon, metadata)),
    ("offsetof(struct nvme_passthru_cmd64, addr)", offset_of!(PassthruCommon, addr)),
    (
        "offsetof(struct nvme_passthru_cmd64, metadata_len)",
        offset_of!(PassthruCommon, metadata_len),
    ),
    ("offsetof(struct nvme_passthru_cmd64, data_len)", offset_of!(PassthruCommon, data_len)),
    ("offsetof(struct nvme_passthru_cmd64, cdw10)", offset_of!(PassthruCommon, cdw10)),
    ("offsetof(struct nvme_passthru_cmd64, cdw15)", offset_of!(PassthruCommon, cdw10) + 20),
    ("offsetof(struct nvme_passthru_cmd64, timeout_ms)", offset_of!(PassthruCommon, timeout_ms)),
];

const FWCTL: &[Fact] = &[
    ("FWCTL_INFO", FWCTL_INFO as usize),
    ("FWCTL_RPC", FWCTL_RPC as usize),
    ("sizeof(struct fwctl_info)", FwctlInfo::SIZE),
    ("offsetof(struct fwctl_info, size)", offset_of!(FwctlInfo, size)),
    ("offsetof(struct fwctl_info, flags)", offset_of!(FwctlInfo, flags)),
    ("offsetof(struct fwctl_info, out_device_type)", offset_of!(FwctlInfo, out_device_type)),
    ("offsetof(struct fwctl_info, device_data_len)", offset_of!(FwctlInfo, device_data_len)),
    ("offsetof(struct fwctl_info, out_device_data)", offset_of!(FwctlInfo, out_device_data)),
    ("sizeof(struct fwctl_rpc)", FwctlRpc::SIZE),
    ("offsetof(struct fwctl_rpc, size)", offset_of!(FwctlRpc, size)),
    ("offsetof(struct fwctl_rpc, scope)", offset_of!(FwctlRpc, scope)),
    ("offsetof(struct fwctl_rpc, in_len)", offset_of!(FwctlRpc, in_len)),
    ("offsetof(struct fwctl_rpc, out_len)", offset_of!(FwctlRpc, out_len)),
    ("offsetof(struct fwctl_rpc, in)", offset_of!(FwctlRpc, input)),
    ("offsetof(struct fwctl_rpc, out)", offset_of!(FwctlRpc, output)),
    ("FWCTL_DEVICE_TYPE_ERROR", device_type::ERROR as usize),
    ("FWCTL_DEVICE_TYPE_MLX5", device_type::MLX5 as usize),
    ("FWCTL_DEVICE_TYPE_CXL", device_type::CXL as usize),
    ("FWCTL_DEVICE_TYPE_BNXT", device_type::BNXT as usize),
    ("FWCTL_DEVICE_TYPE_PDS", device_type::PDS as usize),
    ("FWCTL_RPC_CONFIGURATION", scope::CONFIGURATION as usize),
    ("FWCTL_RPC_DEBUG_READ_ONLY", scope::DEBUG_READ_ONLY as usize),
    ("FWCTL_RPC_DEBUG_WRITE", scope::DEBUG_WRITE as usize),
    ("FWCTL_RPC_DEBUG_WRITE_FULL", scope::DEBUG_WRITE_FULL as usize),
    ("sizeof(struct fwctl_rpc_cxl_hdr)", CxlRpcRequestHeader::SIZE),
    ("offsetof(struct fwctl_rpc_cxl, opcode)", offset_of!(CxlRpcRequestHeader, opcode)),
    ("offsetof(struct fwctl_rpc_cxl, flags)", offset_of!(CxlRpcRequestHeader, flags)),
    ("offsetof(struct fwctl_rpc_cxl, op_size)", offset_of!(CxlRpcRequestHeader, op_size)),
    ("offsetof(struct fwctl_rpc_cxl, reserved1)", offset_of!(CxlRpcRequestHeader, reserved)),
    ("offsetof(struct fwctl_rpc_cxl, set_feat_in)", CxlRpcRequestHeader::SIZE),
    ("offsetof(struct fwctl_rpc_cxl_out, size)", offset_of!(CxlRpcResponseHeader, size)),
    ("offsetof(struct fwctl_rpc_cxl_out, retval)", offset_of!(CxlRpcResponseHeader, retval)),
    ("offsetof(struct fwctl_rpc_cxl_out, payload)", CxlRpcResponseHeader::SIZE),
    ("sizeof(struct fwctl_rpc_cxl_out)", CxlRpcResponseHeader::KERNEL_SIZE),
    // What crates/linux/src/sys/fwctl.rs and sys/bnxt.rs write by hand.
    ("sizeof(struct fwctl_rpc_pds)", 48),
    ("offsetof(struct fwctl_rpc_pds, in.op)", 0),
    ("offsetof(struct fwctl_rpc_pds, in.ep)", 4),
    ("offsetof(struct fwctl_rpc_pds, in.len)", 12),
    ("offsetof(struct fwctl_rpc_pds, in.payload)", 16),
    ("offsetof(struct fwctl_rpc_pds, out.retval)", 24),
    ("offsetof(struct fwctl_rpc_pds, out.len)", 36),
    ("offsetof(struct fwctl_rpc_pds, out.payload)", 40),
    ("FWCTL_BNXT_MAX_DMABUF", 0x1_0000),
];

/// Compiles a C program with these headers and answers its output, split into lines.
fn run(include: Option<&Path>, headers: &[&str], body: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (source, program) = (folder.path().join("facts.c"), folder.path().join("facts"));
    // The headers leave `_IOR` and its like to whoever includes them.
    let mut text =
        String::from("#include <stddef.h>\n#include <stdio.h>\n#include <sys/ioctl.h>\n");
    for header in headers {
        text += &format!("#include <{header}>\n");
    }
    text += &format!("{body}\n");
    std::fs::write(&source, text).expect("the program is written");
    let mut cc = Command::new("cc");
    if let Some(include) = include {
        cc.arg("-I").arg(include);
    }
    cc.arg("-o").arg(&program).arg(&source);
    let compiled = cc.output().unwrap_or_else(|error| {
        panic!("cc does not run ({error}); this test needs a C compiler (Debian: gcc, libc6-dev)")
    });
    let complaints = String::from_utf8_lossy(&compiled.stderr);
    assert!(
        compiled.status.success(),
        "cc refuses the program; are the kernel's headers there (Debian: linux-libc-dev)?\n{complaints}"
    );
    let output = Command::new(&program).output().expect("the program runs");
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// Holds every fact against the headers, and names all that differ.
fn check(include: Option<&Path>, headers: &[&str], facts: &[Fact]) {
    let mut body = String::from("int main(void) {\n");
    for (expression, _) in facts {
        body += &format!("printf(\"%llu\\n\", (unsigned long long)({expression}));\n");
    }
    body += "return 0; }";
    let theirs = run(include, headers, &body);
    assert_eq!(theirs.len(), facts.len());
    let differ: BTreeMap<&str, (String, usize)> = facts
        .iter()
        .zip(theirs)
        .filter(|((_, ours), theirs)| *theirs != ours.to_string())
        .map(|((expression, ours), theirs)| (*expression, (theirs, *ours)))
        .collect();
    assert!(differ.is_empty(), "(the kernel's, ours): {differ:#?}");
}

/// The ids: each at its place, by its name; deprecated where the header knows of that.
fn check_ids(include: Option<&Path>) -> (usize, bool) {
    let body = "
#undef ___C
#define ___C(a, b) { #a, 0 }
#undef ___DEPRECATED
#define ___DEPRECATED(a, b) { #a, 1 }
static const struct { const char *name; int deprecated; } all[] = { CXL_CMDS };
int main(void) {
    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
        printf(\"%d %s\\n\", all[i].deprecated, all[i].name);
    return 0;
}";
    let mut lines = run(include, &["linux/cxl_mem.h"], body);
    assert_eq!(lines.pop().as_deref(), Some("0 MAX"));
    let knows_deprecated = lines.iter().any(|line| line.starts_with('1'));
    for (row, line) in IDS.iter().zip(&lines) {
        let (deprecated, name) = line.split_once(' ').expect("two words");
        assert_eq!(name, row.name, "id {}", row.id.0);
        if knows_deprecated {
            assert_eq!(deprecated == "1", row.kind == IdKind::Deprecated, "id {}", row.id.0);
        }
    }
    (lines.len(), knows_deprecated)
}

/// The folder that `FWGATE_UAPI` names: its `include`, or itself.
fn uapi() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("FWGATE_UAPI")?);
    let include = folder.join("include");
    Some(if include.is_dir() { include } else { folder })
}

#[test]
fn memdev_and_nvme_are_those_of_the_installed_headers() {
    check(None, &["linux/cxl_mem.h"], MEMDEV);
    check(None, &["linux/nvme_ioctl.h"], NVME);
    // Older headers know fewer ids, and none as deprecated.
    let (ids, _) = check_ids(None);
    assert!(ids >= 21, "{ids} ids");
}

#[test]
fn all_is_as_in_the_headers_of_linux_7_3() {
    let Some(include) = uapi() else {
        assert!(
            std::env::var_os("FWGATE_LAB").is_none(),
            "FWGATE_LAB is set, and FWGATE_UAPI is not: the lab has to check fwctl's headers"
        );
        // Past the test harness, which shows nothing of a test that passes.
        let mut stderr = std::io::stderr();
        let _ = writeln!(
            stderr,
            "skip: fwctl's layouts are not checked here: FWGATE_UAPI does not name a folder of \
             Linux 7.3's headers (make headers_install); the lab checks them"
        );
        return;
    };
    let include = include.as_path();
    check(Some(include), &["linux/cxl_mem.h"], MEMDEV);
    check(Some(include), &["linux/nvme_ioctl.h"], NVME);
    let fwctl = ["fwctl/fwctl.h", "fwctl/cxl.h", "fwctl/bnxt.h", "fwctl/pds.h"];
    check(Some(include), &fwctl, FWCTL);
    let (ids, deprecated) = check_ids(Some(include));
    assert!(deprecated, "the headers are older than 7.3");
    assert_eq!(u32::try_from(ids), Ok(memdev::CommandId::MAX.0));
}

#[test]
fn a_wrong_fact_is_found() {
    let wrong: &[Fact] = &[("sizeof(struct nvme_passthru_cmd)", 73)];
    let found = std::panic::catch_unwind(|| check(None, &["linux/nvme_ioctl.h"], wrong));
    assert!(found.is_err());
}
