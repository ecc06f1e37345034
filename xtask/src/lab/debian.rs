// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian's part: tools that the lab needs, and packages that it takes apart.
//!
//! The mirror is the one that this machine's own sources name. Packages are fetched with an apt state
//! of the lab's own: neither the machine's lists nor its sources are changed. apt checks signatures
//! with Debian's keyring, as always.
//!
//! *Invariants*: what is missing is named with its package, whether it can be installed or not.
//!
//! *Not here*: what is done with the packages (`kernel`, `modules`, `full`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, make_folder, output, write};

/// The release whose backports have the kernel.
pub(crate) const RELEASE: &str = "trixie";
/// The keyring that apt checks signatures with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The oldest QEMU with the CXL commands that the lab uses.
const QEMU_MAJOR: u32 = 10;

/// Something that has to be on the machine.
#[derive(Clone, Copy, Debug)]
struct Need {
    what: What,
    package: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// On the search path.
    Program(&'static str),
    /// At this place.
    File(&'static str),
    /// A program at this place that needs no library.
    Static(&'static str),
}

const fn program(name: &'static str, package: &'static str) -> Need {
    Need { what: What::Program(name), package }
}

const fn file(path: &'static str, package: &'static str) -> Need {
    Need { what: What::File(path), package }
}

const NEEDS: &[Need] = &[
    program("make", "make"),
    program("gcc", "gcc"),
    program("ld", "binutils"),
    program("flex", "flex"),
    program("bison", "bison"),
    program("bc", "bc"),
    program("perl", "perl"),
    program("rsync", "rsync"),
    program("cpio", "cpio"),
    program("xz", "xz-utils"),
    program("zstd", "zstd"),
    program("modinfo", "kmod"),
    program("dpkg-deb", "dpkg"),
    program("debootstrap", "debootstrap"),
    program("mke2fs", "e2fsprogs"),
    file("/usr/include/stdio.h", "libc6-dev"),
    file("/usr/include/linux/nvme_ioctl.h", "linux-libc-dev"),
    file("/usr/include/libelf.h", "libelf-dev"),
    file("/usr/include/openssl/ssl.h", "libssl-dev"),
    Need { what: What::Static("/bin/busybox"), package: "busybox-static" },
    file(KEYRING, "debian-archive-keyring"),
];
/// From backports.
const QEMU: &[Need] = &[
    program("qemu-system-x86_64", "qemu-system-x86"),
    program("qemu-img", "qemu-utils"),
    file("/usr/share/seabios/bios-256k.bin", "seabios"),
];

/// Sees that every tool is there; installs what is not.
pub(crate) fn tools(cache: &Cache) -> Result<(), String> {
    let plain = missing(NEEDS);
    let mut newer = missing(QEMU);
    if newer.is_empty()
        && let Err(why) = qemu_is_new_enough()
    {
        newer.push((why, "qemu-system-x86"));
    }
    if plain.is_empty() && newer.is_empty() {
        return Ok(());
    }
    for (what, package) in plain.iter().chain(&newer) {
        println!("lab: missing: {what} (package {package})");
    }
    install(cache, &packages(&plain), &packages(&newer)).map_err(|why| {
        format!(
            "{why}\ninstall them by hand: apt-get install {}",
            [packages(&plain), packages(&newer)].concat().join(" ")
        )
    })?;
    let left: Vec<_> = missing(NEEDS).into_iter().chain(missing(QEMU)).collect();
    if let Some((what, package)) = left.first() {
        return Err(format!("package {package} is installed and there is still no {what}"));
    }
    qemu_is_new_enough()
}

fn missing(needs: &[Need]) -> Vec<(String, &'static str)> {
    needs.iter().filter(|need| !is_there(need)).map(|need| (name(need), need.package)).collect()
}

fn name(need: &Need) -> String {
    match need.what {
        What::Program(name) | What::File(name) => name.to_owned(),
        What::Static(name) => format!("{name} without libraries"),
    }
}

fn packages(missing: &[(String, &'static str)]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn is_there(need: &Need) -> bool {
    match need.what {
        What::File(path) => Path::new(path).exists(),
        What::Program(name) => find(name).is_some(),
        What::Static(path) => fs::read(path).is_ok_and(|bytes| is_static(&bytes)),
    }
}

/// Whether a program names no loader among its first bytes, where the linker puts it.
fn is_static(program: &[u8]) -> bool {
    let start = &program[..program.len().min(4096)];
    program.starts_with(b"\x7fELF") && !start.windows(8).any(|bytes| bytes == b"ld-linux")
}

/// A program on the search path, or where only root looks.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn qemu_is_new_enough() -> Result<(), String> {
    let said = output(Command::new("qemu-system-x86_64").arg("--version"))?;
    match qemu_major(&said) {
        Some(major) if major >= QEMU_MAJOR => Ok(()),
        Some(major) => Err(format!("QEMU {QEMU_MAJOR} or newer (there is {major})")),
        None => Err(format!("QEMU {QEMU_MAJOR} or newer (there is `{}`)", said.trim())),
    }
}

/// `QEMU emulator version 10.0.2 (...)`.
fn qemu_major(said: &str) -> Option<u32> {
    said.split_once("version ")?.1.split('.').next()?.parse().ok()
}

fn install(cache: &Cache, plain: &[&str], newer: &[&str]) -> Result<(), String> {
    let own = codename(&read("/etc/os-release")?)?;
    let sources = Sources::of_machine(&own)?;
    let mut lists = sources.all(&own);
    lists.push(sources.line(&format!("{own}-backports")));
    let apt = Apt::new(cache, "install", &lists)?;
    println!("lab: tools: installing, with the mirror of this machine's own sources");
    cache.clear_log("tools")?;
    cache.run("tools", as_root("apt-get")?.args(&apt.options).args(["update", "-q"]))?;
    // Without a target release for the plain ones: what fits the installed libraries is taken, also
    // where these are security updates.
    let backports = format!("{own}-backports");
    for (target, packages) in [(None, plain), (Some(backports), newer)] {
        if packages.is_empty() {
            continue;
        }
        let mut command = as_root("apt-get")?;
        command.args(&apt.options).args(["install", "-y", "-q", "--no-install-recommends"]);
        if let Some(target) = target {
            command.args(["-t", &target]);
        }
        cache.run("tools", command.args(packages))?;
    }
    Ok(())
}

/// A command with root's rights.
pub(crate) fn as_root(program: &str) -> Result<Command, String> {
    let is_root = output(Command::new("id").arg("-u"))?.trim() == "0";
    let program = find(program).ok_or_else(|| format!("there is no `{program}`"))?;
    if is_root {
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        return Ok(command);
    }
    if output(Command::new("sudo").args(["-n", "true"])).is_err() {
        return Err("this needs root: neither is this root nor does `sudo -n` work".to_owned());
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive"]).arg(program);
    Ok(command)
}

/// An apt state of our own.
#[derive(Debug)]
pub(crate) struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// In `apt/NAME`, with these lines as its sources.
    fn new(cache: &Cache, name: &str, lines: &[String]) -> Result<Self, String> {
        let folder = cache.path(&format!("apt/{name}"));
        for part in ["lists/partial", "cache/archives/partial"] {
            make_folder(&folder.join(part))?;
        }
        write(&folder.join("sources.list"), format!("{}\n", lines.join("\n")).as_bytes())?;
        let folder = folder.display();
        let options = [
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache={folder}/cache"),
            format!("Dir::Etc::SourceList={folder}/sources.list"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "Acquire::Retries=3".to_owned(),
            // Our folder may be one that apt's own user cannot read.
            "APT::Sandbox::User=root".to_owned(),
        ];
        Ok(Self { options: options.into_iter().map(|option| format!("-o{option}")).collect() })
    }

    /// For packages of `trixie-backports` that are taken apart and never installed.
    pub(crate) fn backports(cache: &Cache) -> Result<Self, String> {
        let own = codename(&read("/etc/os-release")?)?;
        let sources = Sources::of_machine(&own)?;
        let mut apt =
            Self::new(cache, "backports", &[sources.line(&format!("{RELEASE}-backports"))])?;
        apt.options.push("-oDir::State::status=/dev/null".to_owned());
        Ok(apt)
    }

    /// Fetches the lists.
    pub(crate) fn update(&self, cache: &Cache, step: &str) -> Result<(), String> {
        cache.run(step, Command::new("apt-get").args(&self.options).args(["update", "-q"]))
    }

    /// What a package depends on, by name.
    pub(crate) fn depends(&self, package: &str) -> Result<Vec<String>, String> {
        let mut command = Command::new("apt-cache");
        let said = output(command.args(&self.options).args(["depends", package]))?;
        let names = said.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names.map(|name| name.trim().to_owned()).collect())
    }

    /// The version that would be fetched.
    pub(crate) fn version(&self, package: &str) -> Result<String, String> {
        let mut command = Command::new("apt-cache");
        let said = output(command.args(&self.options).args(["policy", package]))?;
        said.lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "))
            .filter(|version| *version != "(none)")
            .map(str::to_owned)
            .ok_or_else(|| format!("the mirror has no package {package}"))
    }

    /// Fetches packages (`NAME=VERSION`) and unpacks them into a folder.
    pub(crate) fn unpack(
        &self,
        cache: &Cache,
        step: &str,
        packages: &[String],
        into: &Path,
    ) -> Result<(), String> {
        let folder = cache.path(&format!("apt/{step}"));
        super::cache::fresh_folder(&folder)?;
        let mut command = Command::new("apt-get");
        command.args(&self.options).args(["download", "-q"]).args(packages).current_dir(&folder);
        cache.run(step, &mut command)?;
        let listing = fs::read_dir(&folder).map_err(|error| super::cache::fail(&folder, &error))?;
        for entry in listing {
            let path = entry.map_err(|error| super::cache::fail(&folder, &error))?.path();
            cache.run(step, Command::new("dpkg-deb").arg("-x").arg(&path).arg(into))?;
        }
        super::cache::remove(&folder)
    }
}

/// Where the machine gets Debian from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sources {
    main: String,
    security: Option<String>,
}

impl Sources {
    /// From the machine's own files.
    pub(crate) fn of_machine(codename: &str) -> Result<Self, String> {
        let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
        if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
            files.extend(parts.flatten().map(|entry| entry.path()));
        }
        files.sort();
        let mut pairs = Vec::new();
        for file in files {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            match file.extension().and_then(|end| end.to_str()) {
                Some("sources") => pairs.extend(stanzas(&text)),
                Some("list") => pairs.extend(one_lines(&text)),
                _ => {}
            }
        }
        Self::choose(&pairs, codename)
    }

    fn choose(pairs: &[(String, String)], codename: &str) -> Result<Self, String> {
        let uri =
            |suite: &str| pairs.iter().find(|(_, have)| have == suite).map(|(uri, _)| uri.clone());
        let main = uri(codename).ok_or_else(|| {
            format!("no file of /etc/apt names a mirror for Debian {codename}; the lab needs one")
        })?;
        Ok(Self { main, security: uri(&format!("{codename}-security")) })
    }

    /// A line of a `sources.list`.
    pub(crate) fn line(&self, suite: &str) -> String {
        format!("deb [signed-by={KEYRING}] {} {suite} main", self.main)
    }

    /// What the machine itself runs.
    fn all(&self, codename: &str) -> Vec<String> {
        let mut lines = vec![self.line(codename), self.line(&format!("{codename}-updates"))];
        if let Some(security) = &self.security {
            lines.push(format!("deb [signed-by={KEYRING}] {security} {codename}-security main"));
        }
        lines
    }
}

/// The release that the machine runs.
pub(crate) fn codename(os_release: &str) -> Result<String, String> {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .filter(|name| !name.is_empty())
        .ok_or_else(|| "/etc/os-release names no release; the lab needs Debian".to_owned())
}

/// The machine's mirror.
pub(crate) fn machine_mirror() -> Result<String, String> {
    let own = codename(&read("/etc/os-release")?)?;
    Ok(Sources::of_machine(&own)?.main)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// Address and suite of each stanza of a `.sources` file.
fn stanzas(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .unwrap_or_default()
        };
        if field("Enabled").trim() == "no"
            || !field("Types").split_whitespace().any(|it| it == "deb")
        {
            continue;
        }
        for uri in field("URIs").split_whitespace() {
            pairs.extend(field("Suites").split_whitespace().map(|it| (uri.into(), it.into())));
        }
    }
    pairs
}

/// Address and suite of each line of a `.list` file.
fn one_lines(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else { continue };
        let rest = match rest.trim().strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            pairs.push((uri.to_owned(), suite.to_owned()));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(uri: &str, suite: &str) -> (String, String) {
        (uri.to_owned(), suite.to_owned())
    }

    #[test]
    fn stanzas_give_each_address_with_each_suite() {
        let text = "Types: deb\n# a note\nURIs: http://a/debian\nSuites: bookworm bookworm-updates\n\
            Components: main\n\nTypes: deb-src\nURIs: http://b\nSuites: bookworm\n\n\
            Types: deb\nEnabled: no\nURIs: http://c\nSuites: bookworm\n";
        let pairs = stanzas(text);
        assert_eq!(
            pairs,
            [pair("http://a/debian", "bookworm"), pair("http://a/debian", "bookworm-updates")]
        );
    }

    #[test]
    fn lines_are_read_with_and_without_options() {
        let text = "# deb http://no bookworm main\ndeb http://a bookworm main\n\
            deb [arch=amd64 signed-by=/k] http://b bookworm-security main\ndeb-src http://c bookworm";
        let pairs = one_lines(text);
        assert_eq!(pairs, [pair("http://a", "bookworm"), pair("http://b", "bookworm-security")]);
    }

    #[test]
    fn the_mirror_is_the_first_that_has_the_machines_release() {
        let pairs = [pair("http://x", "nodistro"), pair("http://a", "bookworm")];
        let sources = Sources::choose(&pairs, "bookworm").unwrap();
        assert_eq!(
            sources.line("trixie-backports"),
            format!("deb [signed-by={KEYRING}] http://a trixie-backports main")
        );
        assert_eq!(sources.all("bookworm").len(), 2);
    }

    #[test]
    fn a_machine_without_debian_is_told_so() {
        let error = Sources::choose(&[], "bookworm").unwrap_err();
        assert!(error.contains("Debian bookworm"), "{error}");
        assert!(codename("NAME=x\n").is_err());
        assert_eq!(codename("VERSION_CODENAME=\"trixie\"\n").unwrap(), "trixie");
    }

    #[test]
    fn qemu_says_its_version_in_its_first_line() {
        assert_eq!(qemu_major("QEMU emulator version 10.0.2 (Debian 1:10)\nCopyright"), Some(10));
        assert_eq!(qemu_major("QEMU"), None);
    }

    #[test]
    fn a_program_that_names_a_loader_is_not_static() {
        assert!(is_static(b"\x7fELF and so on"));
        assert!(!is_static(b"\x7fELF /lib64/ld-linux-x86-64.so.2"));
        assert!(!is_static(b"#!/bin/sh"));
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own), "tests are built with libraries");
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let needs = [program("no-such-program", "nothing"), file("/no/such/file", "none")];
        assert_eq!(
            missing(&needs),
            [("no-such-program".to_owned(), "nothing"), ("/no/such/file".to_owned(), "none")]
        );
    }
}
