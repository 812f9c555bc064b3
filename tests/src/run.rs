//! Running programs: every wait has an end, and nothing that was started outlives the test.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long we wait for a client program to end, or for a server to be ready.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its exit code; None if a signal or the end of our patience ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Run {
    /// Whether it exited with 0.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Fails the test, with everything the program said, unless it exited with 0.
    #[track_caller]
    pub fn expect_ok(self, what: &str) -> Self {
        assert!(self.ok(), "{what}: {self}");
        self
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or("killed".into(), |code| format!("exit {code}"));
        write!(f, "{code}\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

/// Runs a program to its end, or kills it and its children when our patience ends.
pub fn run(command: &mut Command) -> Run {
    run_with(command, b"", PATIENCE)
}

/// The same, with something to read and a patience.
pub fn run_with(command: &mut Command, input: &[u8], patience: Duration) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    thread::spawn(move || stdin.write_all(&input));
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let status = wait(&mut child, patience);
    kill_group(&child, libc::SIGKILL);
    // A grandchild that left the group may hold the pipes; do not wait for it for ever.
    let text = |stream: mpsc::Receiver<Vec<u8>>| {
        let bytes = stream.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Run { code: status.and_then(|s| s.code()), stdout: text(stdout), stderr: text(stderr) }
}

fn collect(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}

/// Waits for a child; None when it is still there at the end.
pub fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() > end {
            kill_group(child, libc::SIGKILL);
            let _ = child.wait();
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn kill_group(child: &Child, signal: i32) {
    // SAFETY: kill(2) takes plain numbers; the group is the one that we made for this child.
    unsafe { libc::kill(-(child.id() as i32), signal) };
}

/// Asks again and again, with short pauses, until the answer is yes; fails the test when our patience
/// ends.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The same command under another program, which takes it as its last arguments.
pub fn under(program: &str, arguments: &[String], command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer.args(arguments).arg(command.get_program()).args(command.get_args()).env_clear();
    outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

/// A server program. A shell watches over it: when we drop the pipe to it, or die in any way, the
/// shell ends the server and what belongs to it.
#[derive(Debug)]
pub struct Daemon {
    shell: Child,
}

const WATCH: &str = r#"
signal=$1; shift
"$@" </dev/null & child=$!
read -r line
kill -s "$signal" "$child" 2>/dev/null
( sleep 5; kill -s KILL -- -$$ ) 2>/dev/null &
wait "$child"
kill -s KILL -- -$$
"#;

impl Daemon {
    /// Starts the program; its output goes to the file. `stop` is the signal that ends it.
    pub fn start(command: &Command, stop: &str, log: &std::path::Path) -> Self {
        let output = std::fs::File::create(log).unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(WATCH).arg("watch").arg(stop);
        shell.arg(command.get_program()).args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            value.map(|value| shell.env(name, value));
        }
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        shell.stdin(Stdio::piped()).process_group(0);
        shell.stdout(output.try_clone().unwrap()).stderr(output);
        Self { shell: shell.spawn().unwrap() }
    }

    /// The number of the process group.
    pub fn group(&self) -> u32 {
        self.shell.id()
    }

    /// Whether the server is still there.
    pub fn alive(&mut self) -> bool {
        matches!(self.shell.try_wait(), Ok(None))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        wait(&mut self.shell, Duration::from_secs(8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let start = Instant::now();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 60 & echo here; wait"]);
        let run = run_with(&mut command, b"", Duration::from_millis(200));
        assert_eq!((run.code, run.stdout.as_str()), (None, "here\n"));
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_server_ends_with_the_test() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo $$; trap 'echo bye; exit' TERM; while :; do sleep 0.02; done"]);
        command.env("PATH", "/usr/bin:/bin");
        let daemon = Daemon::start(&command, "TERM", log.path());
        let said = || std::fs::read_to_string(log.path()).unwrap();
        until("it starts", || said().ends_with('\n'));
        let pid = said().trim().parse::<i32>().unwrap();
        drop(daemon);
        assert!(said().ends_with("bye\n"));
        // SAFETY: signal 0 only asks whether the process is there.
        assert_eq!(unsafe { libc::kill(pid, 0) }, -1);
    }
}
