//! Whom a program expects.

use super::{Builder, Requirement, Who, who};
use crate::certificate::CertificateName;
use crate::peer::{HostName, Name};
use crate::query::{ExpectedHost, ExpectedPeer};
use crate::store::StoreError;

impl Builder<'_> {
    /// Any of the hosts, and the address, and the mailbox (X509_VERIFY_PARAM_set1_host and others).
    pub(super) fn expected(&mut self, expected: &ExpectedPeer) -> Result<Requirement, StoreError> {
        let mut all = Vec::new();
        if !expected.hosts.is_empty() {
            // With several hosts, the program's acceptance is about those that the certificate names.
            let several = expected.hosts.len() > 1;
            let hosts = expected.hosts.iter().map(|host| self.expected_host(host, several));
            all.push(Requirement::Any(hosts.collect::<Result<_, _>>()?));
        }
        if let Some(address) = expected.address {
            all.push(self.case(&Who::Name(Name::Address(address)), true, true)?);
        }
        if let Some(email) = &expected.email {
            all.push(self.case(&Who::Name(Name::Email(email.clone())), true, true)?);
        }
        Ok(Requirement::All(all))
    }

    fn expected_host(
        &mut self,
        host: &ExpectedHost,
        several: bool,
    ) -> Result<Requirement, StoreError> {
        match host {
            ExpectedHost::Exact(host) => {
                let name = Name::Host(host.clone());
                let counts = !several || self.names().iter().any(|own| own.covers(&name));
                self.case(&Who::Name(name), true, counts)
            }
            ExpectedHost::Below(domain) => {
                let below: Vec<_> =
                    self.names().iter().filter(|own| is_below(own, domain)).collect();
                let all: Result<Vec<_>, _> =
                    below.into_iter().map(|own| self.case(&who(own), true, true)).collect();
                let all = all?;
                if !all.is_empty() {
                    return Ok(Requirement::All(all));
                }
                let why = format!("it has no name below .{domain}");
                self.case(&Who::Nameless(why), true, !several)
            }
        }
    }
}

fn is_below(name: &CertificateName, domain: &HostName) -> bool {
    match name {
        CertificateName::Exact(Name::Host(host)) => host != domain && host.is_within(domain),
        CertificateName::Wildcard(above) => above.is_within(domain),
        CertificateName::Exact(_) => false,
    }
}
