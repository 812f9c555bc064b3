//! `watch`: the process that ends what is for a while. It outlives the shell, the connection and the session
//! of who began it: systemd runs it where it can, else it has a session of its own.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use peerkey_core::source::{self, Interim};

use super::{FINE, NO, interim};
use crate::args::{Color, Global, WatchArgs};
use crate::screen::Screen;

/// How long it may take until it runs.
const PATIENCE: Duration = Duration::from_secs(10);
/// A sleep that is longer does not notice that the interim was ended otherwise.
const STEP: Duration = Duration::from_millis(500);
/// After this time what could not be ended is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// What it says when it runs.
const READY: &[u8] = b"ready\n";

/// Starts it. It runs when this returns.
pub(super) fn start(state_dir: &Path, interim: &Interim) -> Result<(), String> {
    let own = env::current_exe().map_err(|why| format!("this program has no path: {why}"))?;
    let state_dir = std::path::absolute(state_dir).map_err(|why| why.to_string())?;
    let arguments = |detach: bool| {
        let words = [own.as_os_str(), OsStr::new("--state-dir"), state_dir.as_os_str()];
        let more = ["watch", &interim.id].into_iter().chain(detach.then_some("--detach"));
        words.into_iter().chain(more.map(OsStr::new)).map(OsStr::to_owned).collect::<Vec<_>>()
    };
    by_systemd(&arguments(false), interim).or_else(|()| by_itself(&arguments(true)))
}

/// As a service: what belongs to a session or to another service ends with it (logind.conf(5),
/// KillUserProcesses=).
fn by_systemd(arguments: &[OsString], interim: &Interim) -> Result<(), ()> {
    let is_there = Path::new("/run/systemd/system").is_dir();
    if !is_there || !rustix::process::geteuid().is_root() {
        return Err(());
    }
    let mut command = Command::new("systemd-run");
    command.args(["--quiet", "--collect", "--service-type=exec"]);
    command.arg(format!("--unit=peerkey-watch-{}", interim.id)).arg("--").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|_| ())?;
    match wait(&mut child) {
        Some(true) => Ok(()),
        _ => Err(()),
    }
}

/// Whether it ended well in time.
fn wait(child: &mut Child) -> Option<bool> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => sleep(Duration::from_millis(10)),
            Ok(Some(status)) => return Some(status.success()),
            Err(_) => return None,
        }
    }
    // It may be gone by now, which is as good.
    let _ = child.kill().and_then(|()| child.wait().map(|_| ()));
    None
}

fn by_itself(arguments: &[OsString]) -> Result<(), String> {
    let (program, arguments) = arguments.split_first().ok_or("nothing to run")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|why| format!("it cannot be started: {why}"))?;
    let mut said = Vec::new();
    let read = child.stdout.take().map(|pipe| pipe.take(READY.len() as u64).read_to_end(&mut said));
    match (read, wait(&mut child)) {
        (Some(Ok(_)), Some(true)) if said == READY => Ok(()),
        _ => Err("the process that was to end it did not start".into()),
    }
}

/// Runs the command.
pub fn run(global: &Global, args: &WatchArgs) -> u8 {
    if args.detach {
        return detached(global, args);
    }
    ready();
    watch(global, &args.id);
    FINE
}

/// In a session of its own, and not as its leader: no terminal can become its own.
fn detached(global: &Global, args: &WatchArgs) -> u8 {
    let Ok(own) = env::current_exe() else { return NO };
    if rustix::process::setsid().is_err() {
        return NO;
    }
    let mut command = Command::new(own);
    command.arg("--state-dir").arg(&global.state_dir).args(["watch", &args.id]);
    match command.spawn() {
        Ok(_) => FINE,
        Err(_) => NO,
    }
}

/// Says so, and lets go of the pipe that whoever waits reads.
fn ready() {
    let mut out = std::io::stdout();
    // Nobody may be there to read it.
    let _ = out.write_all(READY).and_then(|()| out.flush());
    if let Ok(nothing) = std::fs::File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&nothing);
    }
}

/// Waits for the end, and ends it; until then whoever ends it otherwise is left to it.
fn watch(global: &Global, id: &str) {
    loop {
        let Some(interim) = source::interim(&global.state_dir).filter(|i| i.id == id) else {
            return;
        };
        if !interim.is_over() {
            sleep(interim.remaining().min(STEP));
            continue;
        }
        match source::settle(&global.state_dir) {
            Ok(Some(ended)) => {
                return interim::ended_by_itself(global, &Screen::new(Color::Never), &ended);
            }
            Ok(None) => return,
            Err(_) => sleep(AGAIN),
        }
    }
}
