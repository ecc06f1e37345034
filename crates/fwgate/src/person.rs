// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks: this process, or another user for `explain --as`.
//!
//! `/etc/passwd` and `/etc/group` are read as bytes and may hold anything. *Invariants*: a line
//! that cannot be read names nobody; a name that is not there is an error and never a guess.
//!
//! *Not here*: users that only a directory service knows: give them by number.

use std::path::Path;

use fwgate_gate::Caller;
use fwgate_policy::Capabilities;

use crate::error::{CliError, shown};

/// The most that is read of a file of names.
const LIMIT: usize = 16 << 20;
/// The group of somebody of whom no group is known: no group has this number.
const NO_GROUP: u32 = u32::MAX;

/// The files of names, as far as they could be read.
#[derive(Clone, Default, Debug)]
pub(crate) struct Names {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

impl Names {
    /// Reads this machine's. A file that is not there names nobody.
    pub(crate) fn of_this_machine() -> Self {
        let read = |file| crate::files::read(Path::new(file), LIMIT, "--as").unwrap_or_default();
        Self { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    /// This process, with the names of its groups.
    pub(crate) fn this_process(&self) -> Caller {
        let mut caller = Caller::this_process();
        let mut ids = caller.groups.clone();
        ids.push(caller.gid);
        caller.group_names = self.group_names(&ids);
        caller
    }

    /// Another user: `USER[:GROUP][+cap_sys_rawio][+cap_sys_admin]`.
    pub(crate) fn stand_in(&self, text: &str) -> Result<Caller, CliError> {
        let bad = |code, detail: String| CliError::usage(code, detail).argument("--as");
        let mut parts = text.split('+');
        let who = parts.next().unwrap_or_default();
        let (user, also) = match who.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (who, None),
        };
        let number = user.parse::<u32>().ok().filter(|_| user.bytes().all(|b| b.is_ascii_digit()));
        let entry = self.user(|name, uid| match number {
            Some(number) => uid == number,
            None => !user.is_empty() && name == user.as_bytes(),
        });
        let (uid, gid, login) = match (entry, number) {
            (Some(entry), _) => entry,
            (None, Some(uid)) => (uid, NO_GROUP, &b""[..]),
            (None, None) => {
                let detail = format!(
                    "no user `{}` in /etc/passwd; a number works for every user",
                    shown(user)
                );
                return Err(bad("unknown-user", detail));
            }
        };
        let mut groups = self.groups_of(login);
        groups.retain(|group| *group != gid);
        let mut all = groups.clone();
        all.push(gid);
        let mut group_names = self.group_names(&all);
        match also {
            Some("") => {
                return Err(bad("unknown-group", "a group is missing after `:`".to_owned()));
            }
            // The group may be one that this machine does not have yet.
            Some(group) => group_names.push(group.to_owned()),
            None => {}
        }
        let mut capabilities = Capabilities { sys_admin: uid == 0, sys_rawio: uid == 0 };
        for part in parts {
            match part {
                "cap_sys_admin" => capabilities.sys_admin = true,
                "cap_sys_rawio" => capabilities.sys_rawio = true,
                other => {
                    let detail = format!(
                        "`+{}` is no capability that counts; those are cap_sys_rawio and \
                         cap_sys_admin",
                        shown(other)
                    );
                    return Err(bad("unknown-capability", detail));
                }
            }
        }
        let mut caller = Caller::stand_in(uid, gid, groups, capabilities);
        caller.group_names = group_names;
        Ok(caller)
    }

    /// The first user that fits: uid, gid, login name.
    fn user(&self, fits: impl Fn(&[u8], u32) -> bool) -> Option<(u32, u32, &[u8])> {
        fields(&self.passwd).find_map(|fields| {
            let name = *fields.first()?;
            let uid = number(fields.get(2)?)?;
            let gid = number(fields.get(3)?)?;
            fits(name, uid).then_some((uid, gid, name))
        })
    }

    /// The groups that list this login name.
    fn groups_of(&self, login: &[u8]) -> Vec<u32> {
        if login.is_empty() {
            return Vec::new();
        }
        fields(&self.group)
            .filter_map(|fields| {
                let id = number(fields.get(2)?)?;
                let mut members = fields.get(3)?.split(|byte| *byte == b',');
                members.any(|member| member == login).then_some(id)
            })
            .collect()
    }

    fn group_names(&self, ids: &[u32]) -> Vec<String> {
        fields(&self.group)
            .filter_map(|fields| {
                let id = number(fields.get(2)?)?;
                let name = str::from_utf8(fields.first()?).ok()?;
                (ids.contains(&id) && !name.is_empty()).then(|| name.to_owned())
            })
            .collect()
    }
}

/// The fields of each line.
fn fields(file: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    file.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':').collect())
}

fn number(field: &[u8]) -> Option<u32> {
    if field.is_empty() || !field.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            passwd:
                b"root:x:0:0:root:/root:/bin/sh\n\xff\xfe\nbroken\n:x:7:7::/:\nann:x:1001:100:::\n\
                      bob:x:-2:100:::\neve:x:99999999999:1:::\n"
                    .to_vec(),
            group: b"root:x:0:\nusers:x:100:\nfwgate:x:990:ann,bob\n\xff:x:991:ann\nshort:x\n"
                .to_vec(),
        }
    }

    #[test]
    fn a_name_brings_its_groups() {
        let ann = names().stand_in("ann").unwrap();
        assert_eq!((ann.uid, ann.gid, ann.groups.as_slice()), (1001, 100, &[990, 991][..]));
        assert_eq!(ann.group_names, ["users", "fwgate"]);
        assert_eq!(ann.capabilities, Capabilities::default());
    }

    #[test]
    fn a_number_that_nobody_has_is_a_stranger_without_groups() {
        let stranger = names().stand_in("4099").unwrap();
        assert_eq!((stranger.uid, stranger.gid, stranger.groups.len()), (4099, NO_GROUP, 0));
        assert!(stranger.group_names.is_empty());
        assert_eq!(names().stand_in("1001").unwrap().group_names, ["users", "fwgate"]);
    }

    #[test]
    fn root_has_all_capabilities_and_others_those_that_are_named() {
        let root = names().stand_in("root").unwrap().capabilities;
        assert!(root.sys_admin && root.sys_rawio);
        let ann = names().stand_in("ann+cap_sys_rawio").unwrap().capabilities;
        assert!(!ann.sys_admin && ann.sys_rawio);
        let code = |text| names().stand_in(text).unwrap_err().code();
        assert_eq!(code("ann+cap_net_raw"), "unknown-capability");
        assert_eq!(code("ann+"), "unknown-capability");
    }

    #[test]
    fn a_group_can_be_supposed() {
        assert_eq!(names().stand_in("4099:fwgate").unwrap().group_names, ["fwgate"]);
        assert_eq!(names().stand_in("4099:").unwrap_err().code(), "unknown-group");
    }

    #[test]
    fn a_name_that_is_not_there_is_never_a_guess() {
        for text in ["nobody-here", "", "+cap_sys_rawio", "-2", "+1", "99999999999", "bob", "eve"] {
            let error = names().stand_in(text).unwrap_err();
            assert!(matches!(error.code(), "unknown-user" | "unknown-capability"), "{text}");
        }
    }

    #[test]
    fn files_that_hold_anything_name_nobody() {
        let junk: Vec<u8> = (0..=255u8).cycle().take(100_000).collect();
        let names = Names { passwd: junk.clone(), group: junk };
        assert_eq!(names.stand_in("root").unwrap_err().code(), "unknown-user");
        assert_eq!(names.stand_in("0").unwrap().uid, 0);
    }
}
