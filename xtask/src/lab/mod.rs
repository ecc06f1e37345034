// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lab`: real kernels in virtual machines, built here and booted in seconds.
//!
//! `lab up` makes everything, `lab run` boots a guest with a folder, `lab test` runs the scenarios.
//! Everything is kept in `$HOME/.cache/fwgate/lab`. What it is for: `docs/lab.md`.
//!
//! *Invariants*: what cannot be had is an error that says why; nothing is left out in silence.
//!
//! *Not here*: the parts, one module each.

mod cache;
mod debian;
mod full;
mod guest;
mod initrd;
mod kernel;
mod machine;
mod modules;
mod outcome;
mod programs;
mod qmp;
mod scenarios;
mod trials;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::tree::Tree;
use cache::Cache;
use machine::{Kernel, Modules, Wanted};
use scenarios::Lab;

/// Runs the chore.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let (verb, rest) = match args.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => return crate::usage("`lab` needs `up`, `run` or `test`"),
    };
    let result = match verb {
        "up" => up_options(rest).map(|newest| up(newest).map(|()| ExitCode::SUCCESS)),
        "run" => run_options(rest).map(|asked| run_guest(&asked)),
        "test" => {
            trials::Options::parse(rest).map(|options| test(&options).map(|()| ExitCode::SUCCESS))
        }
        _ => Err(format!("`lab` does not know `{verb}`; it knows up, run and test")),
    };
    match result {
        Ok(Ok(code)) => code,
        Ok(Err(what)) => {
            eprintln!("xtask lab: {what}");
            ExitCode::FAILURE
        }
        Err(what) => crate::usage(&what),
    }
}

fn up_options(args: &[String]) -> Result<bool, String> {
    match args {
        [] => Ok(false),
        [only] if only == "--newest" => Ok(true),
        _ => Err("`lab up` takes nothing but `--newest`".to_owned()),
    }
}

/// Makes everything that is not made yet, and says how long it took.
fn up(newest: bool) -> Result<(), String> {
    let began = Instant::now();
    let cache = Cache::here()?;
    make(&cache, newest, &[Lab::Fast, Lab::Full])?;
    println!("lab: up in {:.1} min", began.elapsed().as_secs_f64() / 60.0);
    Ok(())
}

/// Makes what these labs need and have not yet.
fn make(cache: &Cache, newest: bool, labs: &[Lab]) -> Result<(), String> {
    let _lock = cache.lock("build")?;
    let tree = Tree::here();
    debian::tools(cache)?;
    let versions = kernel::Versions::choose(cache, newest)?;
    let stock = kernel::stock(cache, &versions)?;
    modules::stock(cache, &stock)?;
    if labs.contains(&Lab::Fast) {
        kernel::source(cache, &versions)?;
        let built = kernel::build(cache, &versions, &tree.path("xtask/lab/kernel.config"))?;
        modules::variants(cache, &built)?;
        let release = kernel::built_release(cache)?;
        let kernels =
            [(Kernel::Built, &*built, &*release), (Kernel::Stock, &*stock, &*versions.stock)];
        initrd::all(cache, &tree, &kernels)?;
    }
    if labs.contains(&Lab::Full) {
        full::up(cache, &tree, &versions, &stock)?;
    }
    Ok(())
}

/// Runs scenarios.
fn test(options: &trials::Options) -> Result<(), String> {
    let cache = Cache::here()?;
    trials::run(options, &cache, |labs| make(&cache, false, labs))
}

/// A guest to run.
#[derive(Debug)]
struct Asked {
    wanted: Wanted,
    lab: Lab,
    folder: PathBuf,
}

/// What `lab run` was asked for, and the share.
fn run_options(args: &[String]) -> Result<Asked, String> {
    let mut wanted = Wanted::default();
    let mut lab = Lab::Fast;
    let mut only_fast = None;
    let mut folder = None;
    let mut args = args.iter();
    while let Some(name) = args.next() {
        if name.starts_with("--") && !["--full", "--limit"].contains(&name.as_str()) {
            only_fast = Some(name);
        }
        let mut value = || args.next().ok_or_else(|| format!("`{name}` needs a value"));
        match name.as_str() {
            "--kernel" => wanted.kernel = Kernel::named(value()?)?,
            "--modules" => wanted.modules = Modules::named(value()?)?,
            "--append" => wanted.append = format!("{} {}", wanted.append, value()?),
            "--memory" => wanted.memory = Some(number(value()?)?),
            "--processors" => wanted.processors = number(value()?)?,
            "--limit" => wanted.limit = number(value()?)?,
            "--full" => lab = Lab::Full,
            "--shell" => {
                wanted.shell = true;
                wanted.limit = 10 * 60 * 60;
            }
            other if other.starts_with('-') => {
                return Err(format!("`lab run` does not know `{other}`"));
            }
            other => {
                if folder.replace(PathBuf::from(other)).is_some() {
                    return Err("`lab run` takes one folder".to_owned());
                }
            }
        }
    }
    wanted.check()?;
    if let (Lab::Full, Some(name)) = (lab, only_fast) {
        return Err(format!("the full lab's guest is booted already; it takes no `{name}`"));
    }
    let folder = folder.ok_or("`lab run` needs a folder to share")?;
    Ok(Asked { wanted, lab, folder })
}

fn number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is no number above 0"))
}

/// Boots a guest and gives its status on.
fn run_guest(asked: &Asked) -> Result<ExitCode, String> {
    let Asked { wanted, lab, folder } = asked;
    let cache = Cache::here()?;
    make(&cache, false, &[*lab])?;
    let run = match lab {
        Lab::Fast => guest::run(&cache, wanted, folder)?,
        Lab::Full => full::run(&cache, wanted.limit, folder)?,
    };
    if !wanted.shell {
        let text = std::fs::read(folder.join("out.txt")).unwrap_or_default();
        print!("{}", String::from_utf8_lossy(&text));
    }
    if !run.last_words.is_empty() && !wanted.shell {
        eprintln!("{}", run.last_words);
    }
    let what = match run.end {
        guest::End::Status(status) => format!("status {status}"),
        guest::End::Timeout => format!("killed at its limit of {} s", wanted.limit),
        guest::End::Silent => "ended without a status".to_owned(),
    };
    eprintln!("lab: {what}, after {:.1} s", run.time.as_secs_f64());
    Ok(ExitCode::from(if wanted.shell { 0 } else { run.end.code() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_of_a_run_are_read() {
        let text = "--kernel stock --modules none --append lockdown=integrity --memory 900 dir";
        let Asked { wanted, lab, folder } = run_options(&words(text)).unwrap();
        assert_eq!(lab, Lab::Fast);
        assert_eq!((wanted.kernel, wanted.modules), (Kernel::Stock, Modules::None));
        assert_eq!(wanted.append.trim(), "lockdown=integrity");
        assert_eq!((wanted.memory, folder), (Some(900), PathBuf::from("dir")));
    }

    #[test]
    fn what_a_run_cannot_be_is_said() {
        for (text, why) in [
            ("", "needs a folder"),
            ("a b", "one folder"),
            ("--kernel bsd a", "no kernel `bsd`"),
            ("--kernel stock --modules test a", "no module set `test`"),
            ("--memory 0 a", "no number above 0"),
            ("--fast a", "does not know `--fast`"),
            ("--append", "needs a value"),
            ("--full --kernel stock a", "takes no `--kernel`"),
        ] {
            let error = run_options(&words(text)).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
