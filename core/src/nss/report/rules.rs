//! Lines about rules.

use super::*;
use crate::pattern::Pattern;

/// What Thunderbird speaks with TLS, and NSS tells nobody.
const THUNDERBIRD: [&str; 13] = [
    "imap",
    "imaps",
    "pop3",
    "pop3s",
    "smtp",
    "submission",
    "submissions",
    "ldap",
    "ldaps",
    "nntp",
    "nntps",
    "xmpp-client",
    "ircs-u",
];

impl Look<'_> {
    pub(super) fn rule(&self, index: usize, rule: &Rule) -> Line {
        let peers = match &rule.peers {
            None => "every peer".into(),
            Some(peers) => some(&peers.iter().map(ToString::to_string).collect::<Vec<_>>()),
        };
        let what = match &rule.protocols {
            None => peers,
            Some(all) => {
                let all: Vec<_> = all.iter().map(ToString::to_string).collect();
                format!("{peers} over {}", some(&all))
            }
        };
        let mut line = Line::new(About::Rule, what, &rule.place);
        if rule.until.is_some_and(|until| until < self.epoch.now) {
            return line;
        }
        let patterns = rule.peers.as_deref().unwrap_or(&[Pattern::Any]);
        let mut is_asked = false;
        for questions in self.anchors.questions {
            if is_for(rule, questions.judge.usage, self.epoch.now) {
                is_asked = true;
                self.decides(Decides(Some(index)), questions, &mut line);
            }
        }
        if !is_asked {
            self.judged_otherwise(rule, patterns, &mut line);
        } else if rule.applications.is_some() {
            line.stricter("it binds every program: NSS cannot be told of one alone");
        }
        line
    }

    pub(super) fn default(&self) -> Line {
        let mut line = Line::new(About::Default, "everybody else", &Default::default());
        for questions in self.anchors.questions {
            self.decides(Decides(None), questions, &mut line);
        }
        line
    }

    /// What is to be said where this expression decides.
    fn decides(&self, decides: Decides, questions: &Questions<'_>, line: &mut Line) {
        let usage = questions.judge.usage;
        let cells = questions.cells.all.iter();
        let is_about = |name: &crate::peer::Name| match (usage, name) {
            (Usage::Client, _) => true,
            (Usage::Email, name) => matches!(name, crate::peer::Name::Email(_)),
            (Usage::Server, name) => !matches!(name, crate::peer::Name::Email(_)),
        };
        let cells: Vec<_> =
            cells.filter(|c| is_about(&c.name) && c.decides.contains(&decides)).collect();
        if cells.is_empty() {
            return;
        }
        let rule = decides.0.map(|index| &self.epoch.policy.rules[index]);
        let watches = rule.is_some_and(|rule| rule.mode == Some(Mode::Monitor));
        let program = Voter { application: true, ..Voter::default() };
        let open = |cell: &&super::super::cells::Cell| {
            questions.judge.satisfied(decides, &program, &cell.name)
        };
        let is_closed = self.is_closed();
        if !is_closed && !cells.iter().all(open) {
            let what = match usage {
                Usage::Server => "roots that only programs know vouch here, too".to_owned(),
                _ => format!("roots that only programs know vouch for {} here, too", usage.text()),
            };
            line.laxer(what, self.remedy());
        }
        if is_closed && cells.iter().any(open) {
            line.stricter("roots that no authority names vouch for nobody");
        }
        if usage == Usage::Server && !watches {
            self.sums(self.accept_of(decides), &cells, questions, line);
        }
    }

    /// How to make programs' own roots follow.
    fn remedy(&self) -> String {
        let policy = self.epoch.policy;
        let holds_all = |index: &usize| match &policy.authorities[*index].kind {
            AuthorityKind::X509 { anchors, .. } => policy
                .system
                .iter()
                .all(|own| anchors.iter().any(|anchor| anchor.certificate.der() == own.der())),
            _ => false,
        };
        let has_bundle = !policy.system.is_empty();
        let bundle = (1..policy.authorities.len()).filter(|_| has_bundle).find(holds_all);
        let (name, first) = match bundle {
            Some(index) => (policy.authorities[index].name.as_str(), ""),
            None => (
                "web",
                "write [authority.web] with the system's anchors \
                 (/etc/ssl/certs/ca-certificates.crt), and ",
            ),
        };
        format!("{first}write \"{name}\" in place of \"application\" in [default]")
    }

    /// Says which operands nobody alone can satisfy.
    fn sums(
        &self,
        accept: &Accept,
        cells: &[&super::super::cells::Cell],
        questions: &Questions<'_>,
        line: &mut Line,
    ) {
        let of = match accept {
            Accept::Authority(_) => return,
            Accept::Any(of) | Accept::All(of) | Accept::AtLeast(_, of) => of,
        };
        let adds = match accept {
            Accept::All(of) => of.len() > 1,
            Accept::AtLeast(least, _) => *least > 1,
            _ => false,
        };
        if !adds {
            of.iter().for_each(|one| self.sums(one, cells, questions, line));
            return;
        }
        let mut voters: Vec<Voter> =
            self.anchors.cas.iter().map(|ca| self.anchors.voter(ca, questions)).collect();
        voters.push(Voter { application: true, ..Voter::default() });
        voters.push(self.all_keys());
        let met = voters.iter().any(|voter| {
            cells.iter().any(|cell| questions.judge.evaluate(accept, voter, &cell.name))
        });
        if !met {
            let mut names = Vec::new();
            self.names(accept, &mut names);
            line.stricter(format!("{} together are never met: NSS adds nothing up", some(&names)));
        }
    }

    fn names(&self, accept: &Accept, into: &mut Vec<String>) {
        match accept {
            Accept::Authority(APPLICATION) => into.push("application".into()),
            Accept::Authority(index) => {
                into.push(self.epoch.policy.authorities[*index].name.clone());
            }
            Accept::Any(of) | Accept::All(of) | Accept::AtLeast(_, of) => {
                of.iter().for_each(|one| self.names(one, into));
            }
        }
    }

    /// A rule about what NSS never says: Thunderbird's servers are judged as those of `https`.
    fn judged_otherwise(&self, rule: &Rule, patterns: &[Pattern], line: &mut Line) {
        let spoken = rule.protocols.iter().flatten().map(|p| p.as_str());
        let spoken: Vec<_> =
            spoken.filter(|p| THUNDERBIRD.contains(p)).map(str::to_owned).collect();
        if spoken.is_empty() || rule.role == Some(crate::query::Role::Client) {
            return;
        }
        let questions = self.servers();
        let inside = |cell: &&super::super::cells::Cell| {
            patterns.iter().any(|pattern| pattern.matches(&cell.name))
        };
        let differs = questions.cells.all.iter().filter(inside).any(|cell| {
            cell.decides.iter().any(|decides| *self.accept_of(*decides) != rule.accept)
        });
        if differs {
            line.laxer(
                format!("Thunderbird's {} is judged like https, by other rules", some(&spoken)),
                "write \"https\" among its protocols, too",
            );
        }
    }
}
