// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lab's folder: steps that are done once, and one builder at a time.
//!
//! *Invariants*: a step's stamp is written when the step is done and taken away before it begins, so
//! that a step that was cut short is done again. What a step makes appears under its name by a
//! rename. Everything is in one folder outside the tree.
//!
//! *Not here*: what the steps do (`debian`, `kernel`, `modules`, `initrd`, `full`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

/// Another folder than `$HOME/.cache/fwgate/lab`.
const FOLDER: &str = "FWGATE_LAB_FOLDER";

/// The lab's folder.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The folder of this user; it is made if it is not there.
    pub(crate) fn here() -> Result<Self, String> {
        let root = match std::env::var_os(FOLDER) {
            Some(folder) => PathBuf::from(folder),
            None => {
                let home = std::env::var_os("HOME").ok_or("HOME is not set")?;
                Path::new(&home).join(".cache/fwgate/lab")
            }
        };
        Self::at(&root)
    }

    /// This folder; it is made if it is not there.
    pub(crate) fn at(root: &Path) -> Result<Self, String> {
        for folder in ["stamps", "log", "run", "results"] {
            make_folder(&root.join(folder))?;
        }
        let root = root.canonicalize().map_err(|error| fail(root, &error))?;
        Ok(Self { root })
    }

    /// A path in the folder.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Waits until nobody else does the same here (`build`, `test`); the lock is held as long as what
    /// is returned.
    pub(crate) fn lock(&self, what: &str) -> Result<File, String> {
        let path = self.path(&format!("{what}.lock"));
        let file = File::create(&path).map_err(|error| fail(&path, &error))?;
        if file.try_lock().is_err() {
            eprintln!("lab: another run holds {}; waiting for it", path.display());
            file.lock().map_err(|error| fail(&path, &error))?;
        }
        Ok(file)
    }

    /// Does a step, unless it was done with the same key and what it made is still there.
    ///
    /// Returns whether it was done now.
    pub(crate) fn step(
        &self,
        name: &str,
        key: &str,
        makes: &[&str],
        work: impl FnOnce() -> Result<String, String>,
    ) -> Result<bool, String> {
        let stamp = self.path(&format!("stamps/{name}"));
        let done = fs::read_to_string(&stamp).is_ok_and(|old| old.trim() == key);
        if done && makes.iter().all(|path| self.path(path).exists()) {
            return Ok(false);
        }
        println!("lab: {name}: begun");
        let began = Instant::now();
        remove(&stamp)?;
        let what = work().map_err(|what| format!("{name}: {what}"))?;
        if let Some(missing) = makes.iter().find(|path| !self.path(path).exists()) {
            return Err(format!("{name}: it made no {missing}"));
        }
        write(&stamp, format!("{key}\n").as_bytes())?;
        println!("lab: {name}: done in {:.1} s{what}", began.elapsed().as_secs_f64());
        Ok(true)
    }

    /// Runs a command of a step; what it says goes to the step's log, and its end into the error.
    pub(crate) fn run(&self, step: &str, command: &mut Command) -> Result<(), String> {
        let path = self.path(&format!("log/{step}.log"));
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| fail(&path, &error))?;
        let twin = log.try_clone().map_err(|error| fail(&path, &error))?;
        let words = words(command);
        let status = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(twin)
            .status()
            .map_err(|error| format!("cannot run `{words}`: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let text = fs::read(&path).unwrap_or_default();
        Err(format!("`{words}` failed ({status}); {} ends:\n{}", path.display(), tail(&text, 20)))
    }

    /// Begins a step's log anew.
    pub(crate) fn clear_log(&self, step: &str) -> Result<(), String> {
        remove(&self.path(&format!("log/{step}.log")))
    }
}

/// What a command writes to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let words = words(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run `{words}`: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{words}` failed ({}): {}", output.status, said.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{words}` wrote what is not UTF-8"))
}

fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().take(12).map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// The last lines of a text.
pub(crate) fn tail(text: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A digest of parts. Each part's length is in it, so that no two lists of parts run together.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file under another name and renames it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let new = beside(path);
    fs::write(&new, bytes).map_err(|error| fail(&new, &error))?;
    fs::rename(&new, path).map_err(|error| fail(path, &error))
}

/// Puts a file or folder in the place of another.
pub(crate) fn replace(new: &Path, path: &Path) -> Result<(), String> {
    if path.is_dir() {
        remove(path)?;
    }
    fs::rename(new, path).map_err(|error| fail(path, &error))
}

/// The name that something has while it is being made.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Takes away a file or a folder with all in it; it need not be there.
pub(crate) fn remove(path: &Path) -> Result<(), String> {
    let result = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    result.map_err(|error| fail(path, &error))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| fail(path, &error))
}

/// A folder that is empty.
pub(crate) fn fresh_folder(path: &Path) -> Result<(), String> {
    remove(path)?;
    make_folder(path)
}

/// An error with the path it is about.
pub(crate) fn fail(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("lab")).unwrap();
        (folder, cache)
    }

    #[test]
    fn a_step_is_done_once_for_a_key_and_again_for_another() {
        let (_folder, cache) = cache();
        let make = || fs::write(cache.path("thing"), "x").map(|()| String::new());
        let make = || make().map_err(|error| error.to_string());
        assert!(cache.step("make", "a", &["thing"], make).unwrap());
        assert!(!cache.step("make", "a", &["thing"], make).unwrap());
        assert!(cache.step("make", "b", &["thing"], make).unwrap());
    }

    #[test]
    fn a_step_is_done_again_when_what_it_made_is_gone() {
        let (_folder, cache) = cache();
        let make = || fs::write(cache.path("thing"), "x").map(|()| String::new());
        let make = || make().map_err(|error| error.to_string());
        cache.step("make", "a", &["thing"], make).unwrap();
        fs::remove_file(cache.path("thing")).unwrap();
        assert!(cache.step("make", "a", &["thing"], make).unwrap());
    }

    #[test]
    fn a_step_that_failed_is_not_done_even_if_it_was_before() {
        let (_folder, cache) = cache();
        cache.step("make", "a", &[], || Ok(String::new())).unwrap();
        assert_eq!(cache.step("make", "b", &[], || Err("no".to_owned())).unwrap_err(), "make: no");
        assert!(cache.step("make", "a", &[], || Ok(String::new())).unwrap());
    }

    #[test]
    fn a_step_that_makes_nothing_has_failed() {
        let (_folder, cache) = cache();
        let error = cache.step("make", "a", &["thing"], || Ok(String::new())).unwrap_err();
        assert_eq!(error, "make: it made no thing");
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped_and_one_is_not_another() {
        let (_folder, cache) = cache();
        let held = cache.lock("build").unwrap();
        let other = File::create(cache.path("build.lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(cache.lock("test").unwrap());
        drop(held);
        other.try_lock().unwrap();
    }

    #[test]
    fn digests_tell_parts_apart() {
        let one = digest([b"ab".as_slice(), b"c"]);
        assert_eq!(one, digest([b"ab".as_slice(), b"c"]));
        assert_ne!(one, digest([b"a".as_slice(), b"bc"]));
        assert_ne!(one, digest([b"abc".as_slice()]));
        assert_eq!(one.len(), 32);
    }

    #[test]
    fn the_error_of_a_command_has_the_end_of_what_it_said() {
        let (_folder, cache) = cache();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let error = cache.run("say", &mut command).unwrap_err();
        assert!(error.contains("exit status: 3") && error.ends_with("one\ntwo"), "{error}");
    }
}
