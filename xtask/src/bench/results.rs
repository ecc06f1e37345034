// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results of benches: from criterion's files, and from lines that benches print.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

/// What was measured under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// Nanoseconds.
    Time,
    /// A number that the bench prints before this word.
    Printed(&'static str),
}

/// All results of one run.
#[derive(Debug, Default)]
pub(super) struct Results {
    times: BTreeMap<String, f64>,
    printed: BTreeMap<String, Vec<(f64, String)>>,
    missing: Vec<(String, String)>,
}

impl Results {
    /// The result of that id, if there is one.
    pub(super) fn get(&self, id: &str, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Time => self.times.get(id).copied(),
            Measure::Printed(unit) => self
                .printed
                .get(id)?
                .iter()
                .find(|(_, what)| what.split(' ').next() == Some(unit))
                .map(|(number, _)| *number),
        }
    }

    /// Every time that was measured.
    pub(super) fn times(&self) -> impl Iterator<Item = (&str, f64)> {
        self.times.iter().map(|(id, time)| (id.as_str(), *time))
    }

    /// What could not be measured, and why.
    pub(super) fn missing(&self) -> &[(String, String)] {
        &self.missing
    }

    pub(super) fn add_time(&mut self, id: &str, nanoseconds: f64) {
        self.times.insert(id.to_owned(), nanoseconds);
    }

    pub(super) fn add_printed(&mut self, id: &str, number: f64, what: &str) {
        self.printed.entry(id.to_owned()).or_default().push((number, what.to_owned()));
    }

    pub(super) fn add_missing(&mut self, id: &str, why: &str) {
        self.missing.push((id.to_owned(), why.to_owned()));
    }

    /// Reads `<bench id>: <number> <what>, <number> <what>`; any other line is left alone.
    pub(super) fn read_line(&mut self, line: &str) {
        let Some((id, rest)) = line.split_once(": ") else { return };
        if !id.contains('/') || id.starts_with(' ') {
            return;
        }
        for part in rest.split(", ") {
            if let Some((number, what)) = part.split_once(' ')
                && let Ok(number) = number.parse()
            {
                self.add_printed(id, number, what);
            }
        }
    }

    /// Reads the medians of every bench that criterion wrote since then.
    pub(super) fn read_criterion(
        &mut self,
        folder: &Path,
        since: SystemTime,
    ) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Benchmark {
            full_id: String,
        }
        #[derive(Deserialize)]
        struct Estimates {
            median: Estimate,
        }
        #[derive(Deserialize)]
        struct Estimate {
            point_estimate: f64,
        }

        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        for entry in entries.flatten() {
            let path = entry.path();
            if !path.is_dir() {
                continue;
            }
            let estimates = path.join("estimates.json");
            let written = fs::metadata(&estimates).and_then(|file| file.modified());
            let fresh = written.is_ok_and(|written| written >= since);
            if entry.file_name() == "new" && fresh {
                let benchmark: Benchmark = json(&path.join("benchmark.json"))?;
                let estimates: Estimates = json(&estimates)?;
                self.add_time(&benchmark.full_id, estimates.median.point_estimate);
            } else {
                self.read_criterion(&path, since)?;
            }
        }
        Ok(())
    }
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_several_numbers_gives_them_all() {
        let mut results = Results::default();
        results.read_line("journal/synced-64-callers: 0.05 syncs per record, 23456 records/s");
        let id = "journal/synced-64-callers";
        assert_eq!(results.get(id, Measure::Printed("syncs")), Some(0.05));
        assert_eq!(results.get(id, Measure::Printed("records/s")), Some(23456.0));
        assert_eq!(results.get(id, Measure::Time), None);
    }

    #[test]
    fn what_criterion_prints_is_left_alone() {
        let mut results = Results::default();
        results.read_line("judge/opaque            time:   [101.2 ns 102.3 ns 103.4 ns]");
        results.read_line("Benchmarking judge/opaque: Warming up for 3.0000 s");
        results.read_line("warning: 3 things");
        assert!(results.printed.is_empty(), "{:?}", results.printed);
    }

    #[test]
    fn only_what_criterion_wrote_in_this_run_counts() {
        let folder = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        let new = folder.join("judge/opaque/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), r#"{"full_id":"judge/opaque","x":1}"#).unwrap();
        let estimates = r#"{"median":{"point_estimate":101.5},"mean":{"point_estimate":9.0}}"#;
        fs::write(new.join("estimates.json"), estimates).unwrap();
        let hour = std::time::Duration::from_secs(3600);
        let mut results = Results::default();
        results.read_criterion(&folder, SystemTime::now() + hour).unwrap();
        assert_eq!(results.get("judge/opaque", Measure::Time), None);
        results.read_criterion(&folder, SystemTime::now() - hour).unwrap();
        assert_eq!(results.get("judge/opaque", Measure::Time), Some(101.5));
        fs::remove_dir_all(&folder).unwrap();
    }
}
