// SPDX-License-Identifier: MIT OR Apache-2.0
//! A gate on this machine, and devices behind it.
//!
//! Real devices, real kernel, a journal in memory, and a site policy that permits everything so that the
//! other steps show, or the one that is built in.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fwgate_gate::journal::{Journal, Kind as RecordKind};
use fwgate_gate::{
    Background, Caller, Explanation, Firmware, Gate, InProcess, Kernel, Message, Opened, Request,
    Sent, SiteAnswer, SitePolicy, SiteQuestion,
};
use fwgate_linux::caller;
use fwgate_linux::device::{self, Reached};
use fwgate_linux::discover::{Kind, Machine, Roots, Scan, Target, Uevents};
use fwgate_linux::host::Taint;
use fwgate_policy::{Grants, Scope, Site};

/// The longest that anything may take here: QEMU's firmware transfers go on for seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Permits everything to everybody; sets nothing aside.
#[derive(Debug)]
struct Everything;

impl SitePolicy for Everything {
    fn ask(&self, _: &SiteQuestion<'_, '_>) -> SiteAnswer {
        let rule = "proof: everything".to_owned();
        SiteAnswer { site: Site::Permit, grants: Grants::EVERYTHING, rule }
    }
}

/// A gate on this machine.
pub(crate) struct Rig {
    pub(crate) machine: Machine,
    pub(crate) roots: Roots,
    pub(crate) uevents: Option<Arc<Uevents>>,
    pub(crate) gate: Gate,
    pub(crate) journal: Arc<Journal>,
    pub(crate) caller: Arc<Caller>,
}

impl Rig {
    /// With everything permitted.
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(Everything))
    }

    /// With the site policy that is built in.
    pub(crate) fn by_default() -> Self {
        Self::with(Arc::new(InProcess::owned_by(Caller::this_process().uid)))
    }

    fn with(site: Arc<dyn SitePolicy>) -> Self {
        let machine = Machine::here();
        let roots = machine.roots.clone();
        let journal = Arc::new(Journal::in_memory());
        let gate = Gate::new(Arc::clone(&journal), site, Arc::new(Taint::new(&roots)));
        let caller = Arc::new(caller::this_process(&roots));
        let uevents = Uevents::open().ok().map(Arc::new);
        Self { machine, roots, uevents, gate, journal, caller }
    }

    /// What there is.
    pub(crate) fn scan(&self) -> Result<Scan, String> {
        self.machine.scan().map_err(|error| error.to_string())
    }

    /// The target that a name stands for.
    pub(crate) fn find(&self, name: &str) -> Result<Target, String> {
        self.scan()?.find(name).map_err(|error| error.to_string())
    }

    /// Opens what a name stands for.
    pub(crate) fn open(&self, name: &str) -> Result<Unit<'_>, String> {
        self.open_target(self.find(name)?)
    }

    /// Opens a target: nodes, then facts.
    pub(crate) fn open_target(&self, target: Target) -> Result<Unit<'_>, String> {
        let reached = self.reach(&target)?;
        let opened =
            self.gate.open(Arc::clone(&reached.device)).map_err(|error| error.to_string())?;
        Ok(Unit { rig: self, target, reached, opened })
    }

    /// Opens a target's nodes.
    pub(crate) fn reach(&self, target: &Target) -> Result<Reached, String> {
        device::open(&self.machine, target, self.uevents.clone()).map_err(|error| error.to_string())
    }

    /// Every CXL memory device with a fwctl child.
    pub(crate) fn with_fwctl(&self) -> Result<Vec<Target>, String> {
        let targets = self.scan()?.targets();
        let has = |target: &Target| matches!(&target.kind, Kind::Cxl { fwctl: Some(_), .. });
        Ok(targets.into_iter().filter(has).collect())
    }

    /// A memory device of cxl_test with no decoder committed and a fwctl child, by its number among them.
    pub(crate) fn mock(&self, number: usize) -> Result<Target, String> {
        let free = |target: &Target| match &target.kind {
            Kind::Cxl { memdev, .. } => {
                let folder = memdev.folder.to_string_lossy().into_owned();
                let endpoint = memdev.endpoint.as_ref();
                folder.contains("/cxl_mem.")
                    && memdev.driver.is_some()
                    && endpoint.is_some_and(|it| it.committed == Some(0) && it.regions.is_empty())
            }
            _ => false,
        };
        let mocks = self.with_fwctl()?.into_iter().filter(free);
        mocks.into_iter().nth(number).ok_or_else(|| format!("cxl_test has no free device {number}"))
    }

    /// What the journal holds, as kinds and bodies.
    pub(crate) fn records(&self) -> Result<Vec<(RecordKind, serde_json::Value)>, String> {
        let reader = self.journal.reader().map_err(|error| error.to_string())?;
        let mut records = Vec::new();
        for record in reader {
            let record = record.map_err(|error| error.to_string())?;
            let body = serde_json::from_slice(&record.body).unwrap_or(serde_json::Value::Null);
            records.push((record.kind, body));
        }
        Ok(records)
    }

    /// The taint of the kernel now.
    pub(crate) fn taint(&self) -> Result<u64, String> {
        Taint::new(&self.roots).read().map_err(|error| error.to_string())
    }
}

/// A device that is open behind the gate.
pub(crate) struct Unit<'r> {
    rig: &'r Rig,
    pub(crate) target: Target,
    pub(crate) reached: Reached,
    pub(crate) opened: Opened,
}

/// What was done came to, with all that a failed check wants to say.
pub(crate) fn told(sent: &Sent) -> String {
    let why = sent.explanation.reasons.iter().map(|it| format!("{} ({})", it.code, it.detail));
    let why = why.collect::<Vec<_>>().join("; ");
    let verdict = sent.explanation.verdict;
    match &sent.outcome {
        None => format!("{verdict}: {why}"),
        Some(outcome) => {
            let record = &outcome.record;
            let (status, code, error) = (record.status, record.return_code, &record.error);
            format!(
                "{verdict} by {:?}, {status}, code {code:?}, {error:?}; {why}",
                sent.explanation.path
            )
        }
    }
}

impl Unit<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.target.name
    }

    fn request<R: fwgate_gate::Route>(
        &self,
        route: R,
        message: Message,
        scope: Option<Scope>,
    ) -> Request<R> {
        let caller = Arc::clone(&self.rig.caller);
        Request { route, message, scope, caller, deadline: PATIENCE }
    }

    /// Sends a message to the firmware.
    pub(crate) fn message(&self, message: Message, scope: Option<Scope>) -> Result<Sent, String> {
        let request = self.request(Firmware, message, scope);
        self.rig.gate.send(&self.opened, request, &mut |_| ()).map_err(|error| error.to_string())
    }

    /// Sends a CXL command.
    pub(crate) fn send(&self, opcode: u16, payload: &[u8]) -> Result<Sent, String> {
        self.send_with(opcode, payload, None)
    }

    /// Sends a CXL command with a scope.
    pub(crate) fn send_with(
        &self,
        opcode: u16,
        payload: &[u8],
        scope: Option<Scope>,
    ) -> Result<Sent, String> {
        self.message(Message::Cxl { opcode, payload: payload.to_vec() }, scope)
    }

    /// What the gate would say of a CXL command.
    pub(crate) fn explain(
        &self,
        caller: &Caller,
        opcode: u16,
        payload: &[u8],
        scope: Option<Scope>,
    ) -> Result<Explanation, String> {
        self.explain_message(caller, Message::Cxl { opcode, payload: payload.to_vec() }, scope)
    }

    /// What the gate would say of a message.
    pub(crate) fn explain_message(
        &self,
        caller: &Caller,
        message: Message,
        scope: Option<Scope>,
    ) -> Result<Explanation, String> {
        let request =
            Request { caller: Arc::new(caller.clone()), ..self.request(Firmware, message, scope) };
        let explain = self.rig.gate.explain(&self.opened, &request, |it, _| it.clone());
        explain.map_err(|error| error.to_string())
    }

    /// Sends a CXL command that has to be done, and answers its reply.
    pub(crate) fn done(&self, opcode: u16, payload: &[u8]) -> Result<Vec<u8>, String> {
        let sent = self.send(opcode, payload)?;
        reply(&sent).map_err(|why| format!("{} {opcode:04x}h: {why}", self.name()))
    }

    /// Does a CXL command by a kernel interface.
    pub(crate) fn run(
        &self,
        key: &'static str,
        opcode: u16,
        payload: &[u8],
    ) -> Result<Sent, String> {
        self.follow(key, opcode, payload, &mut |_| ControlFlow::Continue(()))
    }

    /// The same, and follows it.
    pub(crate) fn follow(
        &self,
        key: &'static str,
        opcode: u16,
        payload: &[u8],
        progress: &mut dyn FnMut(Background) -> ControlFlow<()>,
    ) -> Result<Sent, String> {
        let interface = self.reached.interfaces.iter().find(|it| it.key() == key);
        let interface =
            interface.ok_or_else(|| format!("{} has no interface `{key}`", self.name()))?;
        let message = Message::Cxl { opcode, payload: payload.to_vec() };
        let request = self.request(Kernel { interface: key }, message, None);
        let ran = self.rig.gate.run(&self.opened, interface, request, progress);
        ran.map_err(|error| error.to_string())
    }

    /// Does a CXL command by a kernel interface, which has to succeed.
    pub(crate) fn ran(
        &self,
        key: &'static str,
        opcode: u16,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        let sent = self.run(key, opcode, payload)?;
        reply(&sent).map_err(|why| format!("{} {opcode:04x}h by {key}: {why}", self.name()))
    }

    /// One of the CXL memory device's own files in sysfs.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.rig.roots.sys().join(self.target.folder()).join(name)
    }
}

/// The reply of what was done; else what became of it.
pub(crate) fn reply(sent: &Sent) -> Result<Vec<u8>, String> {
    match &sent.outcome {
        Some(outcome) if outcome.record.status == "done" => Ok(outcome.reply.to_vec()),
        _ => Err(told(sent)),
    }
}

/// The status of what was sent; `refused` where it was not.
pub(crate) fn status(sent: &Sent) -> &'static str {
    sent.outcome.as_ref().map_or("refused", |outcome| outcome.record.status)
}

/// Whether it was refused for this reason.
pub(crate) fn refused(sent: &Sent, code: &str) -> Result<(), String> {
    match &sent.outcome {
        None if sent.explanation.headline() == code => Ok(()),
        _ => Err(format!("expected a refusal for `{code}`; {}", told(sent))),
    }
}

/// Reads a small file of the kernel's, without its line end.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String, String> {
    let path = path.as_ref();
    let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// Writes a small file of the kernel's.
pub(crate) fn write(path: impl AsRef<Path>, text: &str) -> Result<(), String> {
    let path = path.as_ref();
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Waits until something is so.
pub(crate) fn wait_for(what: &str, mut so: impl FnMut() -> bool) -> Result<(), String> {
    let began = std::time::Instant::now();
    while began.elapsed() < PATIENCE {
        if so() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("waited in vain for {what}"))
}

/// Has the host send a QMP command to this guest's machine.
pub(crate) fn qmp(json: &str) -> Result<(), String> {
    let output = std::process::Command::new("lab-qmp").arg(json).output();
    let output = output.map_err(|error| format!("lab-qmp: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].concat();
    Err(format!("lab-qmp: {}", String::from_utf8_lossy(&words)))
}
