// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's monitor, for a guest that asks for an event, an error or an unplugged device.
//!
//! The guest writes `LAB-QMP {json}` to its console. A request that is on the short list below is
//! sent; the answer is a line of `qmp.log` in the share, with the request's own `id`.
//!
//! *Invariants*: nothing but what [`ALLOWED`] names is sent. A request whose `id` was seen before is
//! not sent again: its answer is written again.
//!
//! *Not here*: who reads the console (`guest`).

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a guest may have done.
const ALLOWED: &[&str] = &[
    "cxl-inject-general-media-event",
    "cxl-inject-dram-event",
    "cxl-inject-memory-module-event",
    "cxl-inject-poison",
    "cxl-inject-uncorrectable-errors",
    "cxl-inject-correctable-error",
    "device_del",
    "device_add",
    "query-pci",
];
/// What may be plugged in.
const DRIVERS: &[&str] = &["nvme", "cxl-type3"];
/// What a line of the console begins a request with.
const MARK: &str = "LAB-QMP ";
/// How long QEMU has for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The request in a line of the console, if there is one.
fn request(line: &str) -> Option<Result<Value, String>> {
    let (_, text) = line.split_once(MARK)?;
    Some(match serde_json::from_str::<Value>(text.trim()) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err("the request is no object".to_owned()),
        Err(error) => Err(format!("the request cannot be read: {error}")),
    })
}

/// That a guest may ask for this.
fn permitted(request: &Value) -> Result<(), String> {
    let name = request.get("execute").and_then(Value::as_str).unwrap_or_default();
    if !ALLOWED.contains(&name) {
        return Err(format!("`{name}` is not on the list: {}", ALLOWED.join(", ")));
    }
    let driver = request.pointer("/arguments/driver").and_then(Value::as_str).unwrap_or_default();
    if name == "device_add" && !DRIVERS.contains(&driver) {
        return Err(format!("`{driver}` is not on the list: {}", DRIVERS.join(", ")));
    }
    Ok(())
}

/// Carries a guest's requests to QEMU.
#[derive(Debug)]
pub(crate) struct Relay {
    socket: PathBuf,
    channel: Option<Channel>,
    answers: HashMap<String, String>,
}

impl Relay {
    /// To the QEMU that listens there; it is connected to with the first request.
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket, channel: None, answers: HashMap::new() }
    }

    /// Over a connection that is there already.
    pub(crate) fn over(channel: Channel) -> Self {
        Self { socket: PathBuf::new(), channel: Some(channel), answers: HashMap::new() }
    }

    /// The line for `qmp.log`, if the console's line was a request.
    pub(crate) fn line(&mut self, line: &str) -> Option<String> {
        let request = match request(line)? {
            Ok(request) => request,
            Err(why) => return Some(refusal(&why, None)),
        };
        let id = request.get("id").and_then(Value::as_str).map(str::to_owned);
        if let Some(old) = id.as_ref().and_then(|id| self.answers.get(id)) {
            return Some(old.clone());
        }
        let answer = match permitted(&request).and_then(|()| self.send(&request)) {
            Ok(answer) => answer.to_string(),
            Err(why) => refusal(&why, id.as_deref()),
        };
        if let Some(id) = id {
            self.answers.insert(id, answer.clone());
        }
        Some(answer)
    }

    fn send(&mut self, request: &Value) -> Result<Value, String> {
        if self.channel.is_none() {
            self.channel = Some(Channel::connect(&self.socket)?);
        }
        match &mut self.channel {
            Some(channel) => channel.ask(request),
            None => Err("not connected".to_owned()),
        }
    }
}

fn refusal(why: &str, id: Option<&str>) -> String {
    let mut answer = json!({"error": {"class": "Lab", "desc": why}});
    if let Some(id) = id {
        answer["id"] = json!(id);
    }
    answer.to_string()
}

/// A connection to QEMU's monitor.
#[derive(Debug)]
pub(crate) struct Channel {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Channel {
    /// Connects and shakes hands; QEMU may need a moment to listen.
    pub(crate) fn connect(socket: &Path) -> Result<Self, String> {
        let fail = |error| format!("QEMU's monitor: {error}");
        let deadline = Instant::now() + PATIENCE;
        let to = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(fail(error)),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        to.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
        let from = BufReader::new(to.try_clone().map_err(fail)?);
        let mut channel = Self { to, from };
        channel.read()?;
        channel.ask(&json!({"execute": "qmp_capabilities"}))?;
        Ok(channel)
    }

    /// Sends a command and waits for its answer; events before it are passed over.
    pub(crate) fn ask(&mut self, command: &Value) -> Result<Value, String> {
        writeln!(self.to, "{command}").map_err(|error| format!("QEMU's monitor: {error}"))?;
        loop {
            let answer = self.read()?;
            if answer.get("return").is_some() || answer.get("error").is_some() {
                return Ok(answer);
            }
        }
    }

    /// As [`Self::ask`]; an error in the answer is one.
    pub(crate) fn must(&mut self, command: &Value) -> Result<Value, String> {
        let mut answer = self.ask(command)?;
        match answer.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => Err(format!("QEMU refused {command}: {answer}")),
        }
    }

    fn read(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        match self.from.read_line(&mut line) {
            Ok(0) => Err("QEMU's monitor is gone".to_owned()),
            Ok(_) => {
                serde_json::from_str(&line).map_err(|error| format!("QEMU's monitor: {error}"))
            }
            Err(error) => Err(format!("QEMU's monitor: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_request_is_found_behind_whatever_stands_before_it() {
        let line = "[    1.0] noise LAB-QMP {\"execute\":\"device_del\"}\r\n";
        assert_eq!(request(line).unwrap().unwrap()["execute"], "device_del");
        assert!(request("LAB: ready after 1.0 s").is_none());
        assert!(request("LAB-QMP {\"execute\":").unwrap().is_err());
        assert!(request("LAB-QMP 5").unwrap().is_err());
    }

    #[test]
    fn only_what_is_on_the_list_is_sent() {
        permitted(&json!({"execute": "device_del", "arguments": {"id": "nvme0"}})).unwrap();
        permitted(&json!({"execute": "device_add", "arguments": {"driver": "nvme"}})).unwrap();
        for request in [
            json!({"execute": "human-monitor-command"}),
            json!({"execute": "quit"}),
            json!({"execute": "device_add", "arguments": {"driver": "vfio-pci"}}),
            json!({"execute": "device_add"}),
            json!({"execute": 5}),
            json!({}),
        ] {
            assert!(permitted(&request).is_err(), "{request}");
        }
    }

    #[test]
    fn a_refusal_is_answered_with_the_requests_number_and_sends_nothing() {
        let mut relay = Relay::new("/no/such/socket".into());
        let answer = relay.line("LAB-QMP {\"execute\":\"quit\",\"id\":\"7\"}").unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["id"], "7");
        let why = answer.pointer("/error/desc").and_then(Value::as_str).unwrap();
        assert!(why.starts_with("`quit` is not on the list"), "{why}");
    }

    #[test]
    fn a_number_that_was_seen_is_answered_again_and_not_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("qmp");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut to = stream.try_clone().unwrap();
            writeln!(to, "{{\"QMP\":{{}}}}").unwrap();
            let mut seen = Vec::new();
            for line in BufReader::new(stream).lines() {
                let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
                writeln!(to, "{{\"event\":\"X\"}}").unwrap();
                writeln!(to, "{}", json!({"return": {}, "id": request["id"]})).unwrap();
                seen.push(request["execute"].as_str().unwrap().to_owned());
            }
            seen
        });
        let mut relay = Relay::new(socket);
        let line = "LAB-QMP {\"execute\":\"device_del\",\"id\":\"1\"}";
        let first = relay.line(line).unwrap();
        assert_eq!(first, "{\"id\":\"1\",\"return\":{}}");
        assert_eq!(relay.line(line).unwrap(), first);
        drop(relay);
        assert_eq!(server.join().unwrap(), ["qmp_capabilities", "device_del"]);
    }
}
