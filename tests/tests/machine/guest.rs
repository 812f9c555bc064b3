//! A whole machine: QEMU with a kernel, systemd and a disk of its own, which is made once and kept; what a test writes to
//! it goes with the test, and not before: it may restart.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use peerkey_tests::fresh::{kept, pack, packages, release, say};
use peerkey_tests::run::{Run, run_with};
use tempfile::TempDir;

const QEMU: &str = "/usr/bin/qemu-system-x86_64";
const PATIENCE: Duration = Duration::from_secs(300);

/// A machine that runs.
pub(crate) struct Guest {
    qemu: Child,
    /// Scripts go in here, and answers come out there, a line each.
    scripts: ChildStdin,
    answers: Receiver<String>,
    folder: TempDir,
}

impl Guest {
    /// A machine with the packages of `make deb` in `/packages`; None, and words why, where there cannot be one.
    pub(crate) fn fresh() -> Option<Self> {
        match image() {
            Ok(image) => Some(Self::boot(image)),
            Err(why) => {
                say(&format!("skipped: {why}"));
                None
            }
        }
    }

    fn boot(image: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let parts = folder.path().join("parts");
        pack(&packages("deb"), &parts);
        let drive =
            |file: &Path, more: &str| format!("file={},format=raw,if=virtio{more}", file.display());
        let mut qemu = Command::new(QEMU);
        // Not every KVM runs every kernel: it is to be asked for.
        let accelerator = std::env::var("MACHINE_ACCEL").unwrap_or_else(|_| "tcg".into());
        qemu.args(["-accel", &accelerator, "-cpu", "max", "-smp", "1", "-m", "1024"]);
        qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-nic", "none"]);
        qemu.arg("-kernel").arg(image.join("kernel")).arg("-initrd").arg(image.join("initrd"));
        qemu.arg("-append").arg("root=/dev/vda rw quiet console=ttyS0");
        qemu.arg("-drive").arg(drive(&image.join("disk"), ",snapshot=on"));
        qemu.arg("-drive").arg(drive(&parts, ",readonly=on"));
        qemu.arg("-serial").arg(format!("file:{}", folder.path().join("console").display()));
        qemu.args(["-chardev", "stdio,id=test,signal=off", "-device", "virtio-serial-pci"]);
        qemu.args(["-device", "virtserialport,chardev=test,name=test"]);
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut qemu = qemu.spawn().unwrap();
        let (scripts, lines) = (qemu.stdin.take().unwrap(), qemu.stdout.take().unwrap());
        let (send, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut guest = Self { qemu, scripts, answers, folder };
        guest.is_up();
        guest.does("mkdir /packages && tar -C /packages -xf /dev/vdb");
        guest
    }

    fn is_up(&self) {
        assert_eq!(self.line(), "ready");
    }

    fn line(&self) -> String {
        self.answers.recv_timeout(PATIENCE).unwrap_or_else(|why| {
            let console = fs::read(self.folder.path().join("console")).unwrap_or_default();
            panic!("{why}; the console says\n{}", String::from_utf8_lossy(&console))
        })
    }

    /// Runs a script as root, in no session.
    pub(crate) fn run(&mut self, script: &str) -> Run {
        writeln!(self.scripts, "{}", BASE64.encode(script.as_bytes())).unwrap();
        let line = self.line();
        let mut parts = line.split(' ');
        let code = parts.next().and_then(|code| code.parse().ok());
        let mut text = || {
            let text = parts.next().and_then(|part| part.strip_prefix('.'));
            let text = text.unwrap_or_else(|| panic!("no answer: {line}"));
            String::from_utf8_lossy(&BASE64.decode(text.as_bytes()).unwrap()).into_owned()
        };
        Run { code, stdout: text(), stderr: text() }
    }

    /// The same, of what must not fail.
    #[track_caller]
    pub(crate) fn does(&mut self, script: &str) -> String {
        self.run(script).expect_ok(script).stdout
    }

    /// Asks again and again until a script ends with 0.
    #[track_caller]
    pub(crate) fn comes_to(&mut self, script: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.run(script);
            if said.ok() {
                return;
            }
            assert!(Instant::now() < end, "it does not come to that: {script}: {said}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Shuts down in order, and starts again.
    pub(crate) fn restarts(&mut self) {
        self.soon("systemctl reboot");
    }

    /// The power fails: nothing is shut down.
    pub(crate) fn power_fails(&mut self) {
        self.soon("sync; echo b >/proc/sysrq-trigger");
    }

    /// Does what ends this run of the machine, after it has answered.
    fn soon(&mut self, script: &str) {
        self.does(&format!("systemd-run --quiet --on-active=1s sh -c '{script}'"));
        self.is_up();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// The kernel and the disk that are kept in `target/machines`, made if they are not there.
fn image() -> Result<&'static Path, String> {
    static IMAGE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        if !Path::new(QEMU).exists() {
            return Err(format!("there is no {QEMU}; make install-deps brings it"));
        }
        kept("machines", |half| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine/image.sh");
            let mut make = Command::new(script);
            run_with(make.arg(release()).arg(half), b"", PATIENCE)
        })
    });
    image.as_deref().map_err(Clone::clone)
}
