// SPDX-License-Identifier: MIT OR Apache-2.0
//! Printed trace events, read back by the kernel's own description of how it prints them.
//!
//! A `format` file ends with `print fmt: "memdev=%s host=%s ...", ...`. What stands between two
//! conversions separates two values in a line; the words before a conversion name the value.
//!
//! Lines are hostile. The `format` file is the kernel's, and may be another kernel's than expected.
//!
//! *Invariants*: a line is a whole event or none. Values are bounded by the line's length, and their
//! number by the format's.
//!
//! *Not here*: what a value means (`record`).
//!
//! *Spec*: `f_show` in `kernel/trace/trace_events.c @ v7.3`; `drivers/cxl/core/trace.h @ v7.3`.

/// Most values that an event has.
const MAX_VALUES: usize = 64;

/// One event, as the kernel printed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceEvent {
    /// Such as `cxl_dram`.
    pub name: String,
    /// Names and values, in the order in which they are printed.
    pub fields: Vec<(String, String)>,
}

impl TraceEvent {
    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// How the kernel prints one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Format {
    name: String,
    /// What is printed before each value, and the value's name.
    values: Vec<(String, String)>,
    /// What is printed after the last.
    tail: String,
}

impl Format {
    /// Reads a `format` file, which must be that of this event.
    pub(crate) fn parse(name: &str, file: &str) -> Result<Self, String> {
        let first = file.lines().next().unwrap_or_default();
        if first.strip_prefix("name: ") != Some(name) {
            return Err(format!("the format of `{name}` begins with `{first:.60}`"));
        }
        let line = file.lines().find_map(|line| line.strip_prefix("print fmt: \""));
        let line = line.ok_or_else(|| format!("the format of `{name}` has no `print fmt`"))?;
        // The names in these formats hold no quotation mark.
        let (template, _) = line
            .split_once('"')
            .ok_or_else(|| format!("the `print fmt` of `{name}` does not end"))?;
        let mut values = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('%') {
            if values.len() == MAX_VALUES {
                return Err(format!("`{name}` prints more than {MAX_VALUES} values"));
            }
            rest = conversion(after)
                .ok_or_else(|| format!("`{name}` prints a value by an unknown conversion"))?;
            values.push((before.to_owned(), label(before)));
        }
        let separated = values.iter().skip(1).all(|(before, _)| !before.is_empty());
        if values.is_empty() || !separated {
            return Err(format!("`{name}` prints values that cannot be told apart"));
        }
        Ok(Self { name: name.to_owned(), values, tail: rest.to_owned() })
    }

    /// The names of the values, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(_, name)| name.as_str())
    }

    /// Reads what stands after `NAME: ` in a line.
    pub(crate) fn read(&self, line: &str) -> Option<TraceEvent> {
        let mut fields = Vec::with_capacity(self.values.len());
        let (first, _) = self.values.first()?;
        let mut rest = line.strip_prefix(first.as_str())?;
        for (at, (_, name)) in self.values.iter().enumerate() {
            let next = self.values.get(at.saturating_add(1));
            let (value, after) = match next {
                Some((before, _)) => rest.split_once(before.as_str())?,
                None => (rest.strip_suffix(self.tail.as_str())?, ""),
            };
            fields.push((name.clone(), value.to_owned()));
            rest = after;
        }
        Some(TraceEvent { name: self.name.clone(), fields })
    }
}

/// What follows one conversion of `printk`: flags, width, length, letter; `%p` has letters after it.
fn conversion(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(['#', '0', '-', '+']);
    let text = text.trim_start_matches(|it: char| it.is_ascii_digit());
    let text = text.trim_start_matches(['l', 'h', 'z']);
    let rest = text.strip_prefix(['d', 'i', 'u', 'x', 's']);
    rest.or_else(|| text.strip_prefix("pUb")).or_else(|| text.strip_prefix("pU"))
}

/// The name of a value: the words before it, without what closes the one before and opens this one.
fn label(before: &str) -> String {
    let name = before.trim_start_matches(['\'', ' ', ':', ',']);
    let name = name.trim_end_matches(['\'', ' ']);
    name.trim_end_matches("0x").trim_end_matches(['=', ':']).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "name: cxl_x\nID: 7\nformat:\n\tfield:u8 a;\toffset:0;\n\n\
        print fmt: \"memdev=%s serial=%llu: log=%s : time=%llu uuid=%pUb flags='%s' \
        spare resource avail=%u dpa=0x%llx status: '%s'\", REC->a, \"no=%s\"\n";

    #[test]
    fn a_line_is_read_by_the_kernels_own_format() {
        let format = Format::parse("cxl_x", FILE).unwrap();
        let names: Vec<&str> = format.names().collect();
        let expected =
            ["memdev", "serial", "log", "time", "uuid", "flags", "spare resource avail", "dpa"];
        assert_eq!(names[..8], expected);
        assert_eq!(names[8], "status");
        let line = "memdev=mem0 serial=4097: log=Fatal : time=1 uuid=ab flags='A | B' \
                    spare resource avail=3 dpa=0x40 status: 'x'";
        let event = format.read(line).unwrap();
        assert_eq!(event.get("flags"), Some("A | B"));
        assert_eq!(event.get("dpa"), Some("40"));
        assert_eq!(event.get("status"), Some("x"));
        assert_eq!(event.get("nothing"), None);
        assert_eq!(format.read("memdev=mem0 serial=4097"), None);
        assert_eq!(format.read(&line[..line.len() - 1]), None, "the last quote is missing");
    }

    #[test]
    fn a_format_that_is_none_is_said_to_be_none() {
        for (file, words) in [
            ("", "begins with"),
            ("name: cxl_y\n", "begins with"),
            ("name: cxl_x\n", "has no `print fmt`"),
            ("name: cxl_x\nprint fmt: \"a=%s", "does not end"),
            ("name: cxl_x\nprint fmt: \"a=%q\"", "unknown conversion"),
            ("name: cxl_x\nprint fmt: \"a=%\"", "unknown conversion"),
            ("name: cxl_x\nprint fmt: \"a=%s%s\"", "told apart"),
            ("name: cxl_x\nprint fmt: \"nothing\"", "told apart"),
        ] {
            let error = Format::parse("cxl_x", file).unwrap_err();
            assert!(error.contains(words), "{file:?}: {error}");
        }
        let many = format!("name: cxl_x\nprint fmt: \"{}\"", "a=%s ".repeat(65));
        assert!(Format::parse("cxl_x", &many).unwrap_err().contains("more than 64"));
    }

    proptest! {
        #[test]
        fn no_line_and_no_format_panics(file in ".{0,200}", line in ".{0,200}") {
            let _ = Format::parse("cxl_x", &format!("name: cxl_x\nprint fmt: \"{file}\""));
            let format = Format::parse("cxl_x", FILE).unwrap();
            let _ = format.read(&line);
            let _ = format.read(&format!("memdev={line}"));
        }
    }
}
