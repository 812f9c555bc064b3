//! `apply --confirm`, `confirm`, `off` and `on`: what they say, and what they refuse.

use std::fs;

use crate::lab::{Lab, run};

const ONE: &str = "version = 1\n";
const TWO: &str =
    "version = 1\n[[rule]]\npeers = ['a.example']\naccept = { any = ['application'] }\n";

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let lab = Lab::new();
    lab.write("conf/policy.toml", ONE);
    lab.peerkey("apply --confirm 5m")
        .is(1)
        .complains("there is no policy in")
        .complains("peerkey apply");
    lab.peerkey("off --for 5m")
        .is(1)
        .complains("there is no policy in")
        .complains("Nothing has changed");
    lab.peerkey("confirm").is(1).complains("no policy waits to be confirmed");
    lab.peerkey("on").is(0).says("peerkey is not off");
    lab.peerkey("apply").is(0);
    lab.peerkey("apply --confirm 5m").is(0).says("there is nothing to confirm");
    lab.peerkey("off").is(2).complains("--for");
    for time in ["0s", "8d", "soon"] {
        lab.run(["off", "--for", time]).is(2);
        lab.run(["apply", "--confirm", time]).is(2);
    }
    lab.peerkey("apply --check --confirm 5m").is(2);
    lab.write("conf/policy.toml", TWO);
    lab.peerkey("apply --confirm 1h").is(0).says("in force for 1 hour, until 20");
    lab.peerkey("apply").is(1).complains("a policy waits to be confirmed already");
    lab.peerkey("apply --confirm 1h").is(1).complains("waits to be confirmed already");
    lab.peerkey("off --for 1h").is(1).complains("waits to be confirmed already");
    lab.peerkey("on").is(1).complains("peerkey is not off");
    lab.peerkey("status").is(1).says("goes back to the one before at 20");
    lab.peerkey("confirm").is(0).says("the policy stays in force");
    lab.peerkey("off --for 1h").is(0).says("peerkey is OFF for 1 hour, until 20");
    lab.peerkey("off --for 1h").is(1).complains("peerkey is off");
    lab.peerkey("policy rollback").is(1).complains("peerkey is off").complains("peerkey on");
    lab.peerkey("confirm").is(1).complains("peerkey is off");
    lab.peerkey("status").is(1).says("peerkey is OFF until 20");
    lab.peerkey("on").is(0).says("peerkey is on");
}

#[test]
fn what_is_applied_while_off_comes_after_it() {
    let lab = Lab::with(ONE, &[]);
    lab.peerkey("off --for 1h").is(0);
    lab.write("conf/policy.toml", TWO);
    lab.peerkey("apply").is(0).says("peerkey is OFF; this policy comes after it: 1 rule");
    assert_eq!(lab.peerkey("policy show --json").json()["rules"].as_array().unwrap().len(), 0);
    lab.peerkey("on").is(0);
    assert_eq!(lab.peerkey("policy show --json").json()["rules"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_ended_here_is_said() {
    let lab = Lab::with(ONE, &[]);
    lab.write("conf/policy.toml", TWO);
    lab.peerkey("apply --confirm 1h").is(0);
    // Of another start of the system.
    let record = lab.path("state/policy-1.db.interim");
    let text = fs::read_to_string(&record).unwrap().replace("boot=", "boot=0");
    fs::write(&record, text).unwrap();
    lab.peerkey("policy show").is(0).complains("nobody confirmed the policy in time");
    assert_eq!(lab.peerkey("policy show --json").json()["rules"].as_array().unwrap().len(), 0);
    let record = fs::read_to_string(lab.path("state/uid/0/record.jsonl")).unwrap_or_default();
    let events: Vec<serde_json::Value> =
        record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    if rustix::process::geteuid().is_root() {
        let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(names, ["apply, to be confirmed", "not confirmed"]);
    }
}

/// No process can be started that would end it: then nothing begins.
#[test]
fn without_a_process_to_end_it_nothing_begins() {
    let lab = Lab::with(ONE, &[]);
    lab.write("conf/policy.toml", TWO);
    let command = lab.command();
    // Wherever it was built, the other user may run this copy.
    let program = lab.path("peerkey");
    std::fs::copy(command.get_program(), &program).unwrap();
    let script = format!("ulimit -u 1; exec {} apply --confirm 1h", program.display());
    let mut limited = std::process::Command::new("setpriv");
    limited.args(["--reuid", "4711", "--clear-groups", "bash", "-c", &script]);
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for name in ["", "state", "conf", "state/policy-1.db", "state/policy.lock"] {
        std::os::unix::fs::chown(lab.path(name), Some(4711), None).unwrap();
    }
    let said = run(&mut limited);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("nobody could be found to end it in time"), "{said:?}");
    assert!(!lab.path("state/policy-1.db.interim").exists());
    assert!(!lab.path("state/policy-1.db.aside").exists());
}
