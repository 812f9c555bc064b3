//! Lines about authorities and pins.

use super::*;
use crate::policy::{Authority, Pin};
use crate::rule::Tofu;

impl Look<'_> {
    pub(super) fn authority(&self, index: usize, authority: &Authority) -> Line {
        let name = authority.name.as_str();
        let mut line = Line::new(About::Authority, name, &authority.place);
        if let AuthorityKind::Tofu(tofu) = &authority.kind {
            self.remembering(index, tofu, &mut line);
        }
        let AuthorityKind::X509 { crls, .. } = &authority.kind else { return line };
        let cas: Vec<_> = self.anchors.cas.iter().filter(|ca| ca.is_anchor_of(index)).collect();
        for questions in self.anchors.questions {
            for ca in &cas {
                self.anchor(ca, questions, &mut line);
            }
        }
        self.leaves(index, &mut line);
        if !crls.is_empty() {
            self.revocation(crls, &cas, &mut line);
        }
        let scoped = cas.iter().filter(|ca| ca.is_system() && self.loses_its_place(ca)).count();
        if scoped > 0 {
            let what = "key pinning (HPKP) and Certificate Transparency are not enforced for";
            line.lost_in_firefox = Some(format!("{what} {scoped} of {} roots", cas.len()));
        }
        line
    }

    /// An authority that remembers keys. The certificates around them are looked at when NSS asks.
    fn remembering(&self, index: usize, tofu: &Tofu, line: &mut Line) {
        let servers = self.servers();
        let scope = &self.epoch.policy.authorities[index].scope;
        let over = scope.until.is_some_and(|until| until < self.epoch.now);
        let protocols = scope.protocols.as_deref();
        if protocols.is_some_and(|all| !all.iter().any(|p| p.as_str() == Usage::Server.protocol()))
        {
            line.stricter("NSS is told of no keys that are remembered for anything but https");
            return;
        }
        let asked = |cell: &super::super::cells::Cell| {
            cell.decides.iter().any(|decides| self.accept_of(*decides).mentions(index))
        };
        let cells: Vec<_> = servers.cells.all.iter().filter(|cell| asked(cell)).collect();
        if over || cells.is_empty() {
            return;
        }
        let keys = self.all_keys();
        let is_met = |cell: &&super::super::cells::Cell| {
            servers.judge.accepts(&cell.decides, &keys, &cell.name, &[])
        };
        if !cells.iter().any(is_met) {
            line.stricter("no rule takes its word without a CA's, and NSS adds nothing up");
            return;
        }
        line.stricter(
            "a key counts once a program has seen the certificate around it: version 3, valid, \
             CA:FALSE, and for nobody else",
        );
        if !tofu.holds && tofu.min_age == 0 && tofu.min_sightings <= 1 {
            line.stricter(
                "nobody is met for the first time through NSS: meet it with another program, or \
                 write its key down with peerkey keys add",
            );
        }
        line.stricter("a key that a person denied is refused, whoever else vouches for it");
    }

    /// Every key that is pinned or remembered, of one peer.
    pub(super) fn all_keys(&self) -> Voter {
        let is_of_keys = |kind: &AuthorityKind| {
            matches!(kind, AuthorityKind::Pin { .. } | AuthorityKind::Tofu(_))
        };
        let all = self.epoch.policy.authorities.iter().enumerate();
        let authorities = all.filter(|(_, own)| is_of_keys(&own.kind)).map(|(index, _)| index);
        Voter { authorities: authorities.collect(), ..Voter::default() }
    }

    /// Whether paths for servers end in a twin of it.
    fn loses_its_place(&self, ca: &Ca<'_>) -> bool {
        match self.anchors.part(ca, self.servers()) {
            Part::Twins(_) => true,
            Part::Alone(region) => !region.subtrees.is_empty(),
            Part::Plain | Part::Nothing => false,
        }
    }

    fn anchor(&self, ca: &Ca<'_>, questions: &Questions<'_>, line: &mut Line) {
        let usage = questions.judge.usage;
        let part = self.anchors.part(ca, questions);
        if ca.has_strange_limits {
            line.stricter(
                "what a CA says itself of the names below it cannot be told: it is no anchor",
            );
            return;
        }
        let voter = self.anchors.voter(ca, questions);
        let with = |application| questions.region(&Voter { application, ..voter.clone() });
        match &part {
            Part::Twins(region) | Part::Alone(region) => {
                if !region.subtrees.is_empty() {
                    line.stricter(WHOLE);
                }
                let texts = |cells: &[usize]| -> Vec<String> {
                    cells.iter().map(|cell| questions.cells.all[*cell].text.clone()).collect()
                };
                if !region.lost.is_empty() {
                    line.stricter(format!("not for {}", some(&texts(&region.lost))));
                }
                let left: Vec<_> =
                    region.left.iter().filter(|c| !region.lost.contains(c)).collect();
                let left: Vec<usize> = left.into_iter().copied().collect();
                if !left.is_empty() {
                    let names = some(&texts(&left));
                    line.stricter(format!("for {names} only in Firefox and Thunderbird"));
                }
                for host in &region.around {
                    let domain = host.parent().map_or(String::new(), |up| up.to_string());
                    let what = format!(
                        "but for Firefox and Thunderbird, a certificate for *.{domain} is taken for \
                         {host}"
                    );
                    line.laxer(
                        what,
                        format!("accept it for all of .{domain}, or for nothing in it"),
                    );
                }
            }
            Part::Nothing if usage == Usage::Client && !with(false).is_nothing() => {
                line.stricter(
                    "no anchor for clients: a client's certificate need not have a name that it \
                     could be held to",
                );
            }
            Part::Plain | Part::Nothing => {}
        }
        let is_alone = matches!(part, Part::Alone(_));
        if !is_alone && with(true) != with(voter.application) {
            line.stricter("a program that trusts it by itself is held to the same names");
        }
        let other = |of: Usage| {
            let questions = self.anchors.questions.iter().find(|q| q.judge.usage == of);
            questions.is_some_and(|q| matches!(self.anchors.part(ca, q), Part::Alone(_)))
        };
        if !is_alone && ca.is_system() && (other(Usage::Email) || other(Usage::Client)) {
            line.stricter("programs lose their own trust in it for what the policy leaves to them");
        }
        if self.is_too_long(ca, questions) {
            line.stricter("its names are too many for one certificate: it is no anchor");
        }
    }

    fn is_too_long(&self, ca: &Ca<'_>, questions: &Questions<'_>) -> bool {
        let unsaid = self.anchors.tell(ca, super::super::Span::ALWAYS, &mut Default::default());
        unsaid.contains(&questions.judge.usage)
    }

    /// Anchors that are no CA's.
    fn leaves(&self, index: usize, line: &mut Line) {
        for candidate in pins::candidates(self.epoch.policy) {
            if candidate.anchor_of.contains(&index) {
                let leaf =
                    pins::see(self.servers(), &candidate, &self.epoch.denied, self.epoch.now);
                say(&leaf, &candidate.certificate.to_string(), line);
            }
        }
    }

    fn revocation(&self, crls: &[Vec<u8>], cas: &[&Ca<'_>], line: &mut Line) {
        line.stricter("what its CRLs revoke is refused, whoever else vouches for it");
        let subjects: Vec<_> =
            cas.iter().flat_map(|ca| &ca.members).map(|m| m.certificate.subject()).collect();
        let others = crls.iter().filter_map(|crl| super::super::crl_of(crl));
        if others.into_iter().any(|(issuer, next)| next.is_some() && !subjects.contains(&issuer)) {
            line.laxer(
                "that a CRL of a CA below its anchors is out of date is not noticed",
                "replace the CRL in time, and run peerkey apply",
            );
        }
    }

    pub(super) fn pin(&self, index: usize, pin: &Pin) -> Line {
        let authority = &self.epoch.policy.authorities[index].name;
        let what = format!("{} in {authority}", pin.peer);
        let mut line = Line::new(About::Pin, what, &pin.place);
        let over = pin.until.is_some_and(|until| until < self.epoch.now);
        if over || !pins::is_for_servers(pin) {
            if !over && pin.protocols.iter().flatten().any(|p| p.as_str() == "smime") {
                line.stricter("NSS is told of no keys for mail");
            }
            return line;
        }
        let servers = self.servers();
        let decides = servers.judge.decides(&pin.peer);
        let asked = |decides: &Decides| self.accept_of(*decides).mentions(index);
        if !decides.iter().all(asked) {
            return line;
        }
        for key in &pin.keys {
            if !pin.certificates.iter().any(|named| named.key == *key) {
                line.stricter(format!(
                    "the certificate of {key} is not known: name its file in spki"
                ));
            }
        }
        for candidate in pins::candidates(self.epoch.policy) {
            let own = |named: &crate::policy::NamedCertificate| {
                named.certificate.der() == candidate.certificate.der()
            };
            if !pin.certificates.iter().any(own) {
                continue;
            }
            if pins::is_enough(servers, &candidate, &pin.peer, self.epoch.now) {
                let leaf = pins::see(servers, &candidate, &self.epoch.denied, self.epoch.now);
                say(&leaf, "its certificate", &mut line);
            } else {
                line.stricter("the rule asks for more than this pin, and NSS adds nothing up");
            }
        }
        line
    }

    pub(super) fn accept_of(&self, decides: Decides) -> &Accept {
        let policy = self.epoch.policy;
        decides.0.map_or(&policy.default, |index| &policy.rules[index].accept)
    }
}

fn say(leaf: &pins::Leaf, what: &str, line: &mut Line) {
    match leaf {
        pins::Leaf::Trusted => {}
        pins::Leaf::ToolsOnly(why) => {
            line.stricter(format!("{what} is not taken by Firefox and Thunderbird: {why}"));
        }
        pins::Leaf::No(why) => line.stricter(format!("{what} is not trusted: {why}")),
    }
}
