//! Who is who: three hierarchies, and what a peer may present.

use peerkey_tests::pki::{Draft, Issued, p256};

use crate::stage::Program;

/// What the peer presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presents {
    /// A leaf under two intermediates of the web's root.
    Web,
    /// The same, for another name than the one that is expected.
    WebElse,
    /// The same, expired yesterday.
    WebExpired,
    /// A leaf of the company's CA.
    Corp,
    /// A leaf of the government's CA.
    Gov,
    /// The same, with a second certificate for the issuing CA, from the web's root.
    GovCrossed,
    /// A self-signed certificate.
    Myself,
    /// A self-signed certificate for another name.
    MyselfElse,
}

/// What the program trusts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trusts {
    /// The web's root.
    Web,
    /// The company's root.
    Corp,
    /// All three roots.
    All,
}

/// The hierarchies, made once.
pub(crate) struct World {
    web: Issued,
    web_upper: Issued,
    web_lower: Issued,
    corp: Issued,
    corp_ca: Issued,
    gov: Issued,
    gov_ca: Issued,
    gov_ca_by_web: Issued,
}

impl World {
    pub(crate) fn new() -> Self {
        let web = Draft::ca("Web Root").self_signed();
        let web_upper = Draft::ca("Web Upper CA").signed_by(&web);
        let web_lower = Draft::ca("Web Lower CA").signed_by(&web_upper);
        let corp = Draft::ca("Corp Root").self_signed();
        let corp_ca = Draft::ca("Corp CA").signed_by(&corp);
        let gov = Draft::ca("Gov Root").self_signed();
        let draft = Draft::ca("Gov CA");
        let gov_ca = draft.clone().signed_by(&gov);
        let gov_ca_by_web = draft.signed_by(&web);
        Self { web, web_upper, web_lower, corp, corp_ca, gov, gov_ca, gov_ca_by_web }
    }

    /// What is presented for a peer; `client` makes it a client's certificate.
    pub(crate) fn identity(&self, presents: Presents, peer: &str, client: bool) -> Issued {
        let draft = |name: &str| if client { Draft::client(name) } else { Draft::server(name) };
        let leaf = draft(peer);
        match presents {
            Presents::Web => leaf.signed_by(&self.web_lower),
            Presents::WebElse => draft("else.example").signed_by(&self.web_lower),
            Presents::WebExpired => leaf.expired().signed_by(&self.web_lower),
            Presents::Corp => leaf.signed_by(&self.corp_ca),
            Presents::Gov => leaf.signed_by(&self.gov_ca),
            Presents::GovCrossed => {
                leaf.signed_by(&self.gov_ca).with_above(&[&self.gov_ca, &self.gov_ca_by_web])
            }
            Presents::Myself => leaf.self_signed(),
            Presents::MyselfElse => draft("else.example").self_signed(),
        }
    }

    /// The web's own server, for cases in which the server is not what is judged.
    pub(crate) fn server(&self, name: &str) -> Issued {
        Draft::server(name).signed_by(&self.web_lower)
    }

    /// The CA file of a program.
    pub(crate) fn bundle(&self, trusts: Trusts) -> String {
        match trusts {
            Trusts::Web => self.web.pem(),
            Trusts::Corp => self.corp.pem(),
            Trusts::All => [&self.web, &self.corp, &self.gov].map(Issued::pem).concat(),
        }
    }

    /// The files that policies name.
    pub(crate) fn files(&self) -> Vec<(&'static str, String)> {
        vec![
            ("web.pem", self.web.pem()),
            ("web-upper.pem", self.web_upper.pem()),
            ("web-lower.pem", self.web_lower.pem()),
            ("corp.pem", self.corp.pem()),
            ("gov.pem", self.gov.pem()),
            ("gov-ca.pem", self.gov_ca.pem()),
        ]
    }

    /// Fills in what a policy leaves open: for whom, over what, and whose keys.
    pub(crate) fn fill(&self, policy: &str, program: &Program, identity: &Issued) -> String {
        let other = Draft::server("other.example").key(&p256()).self_signed();
        let pins = |pin: String| {
            format!(
                "[authority.pins]\nkind = 'pin'\n\
                 [[authority.pins.key]]\npeer = '{{peer}}'\nspki = ['{pin}']\n"
            )
        };
        let role = if program.is_server() { "role = 'client'\n" } else { "" };
        let rule = format!("\n[[rule]]\npeers = ['{{peer}}']\n{role}");
        let corp = "[authority.corp]\nkind = 'x509'\nanchors = ['anchors/corp.pem']\n";
        let filled = policy
            .replace("{corp}", corp)
            .replace("{pins}", &pins(identity.pin()))
            .replace("{wrong pins}", &pins(other.pin()))
            .replace("{rule}", &rule)
            .replace("{peer}", program.peer)
            .replace("{protocol}", program.protocol)
            .replace("{pin}", &identity.pin())
            .replace("{web root}", &self.web.pin())
            .replace("{web upper}", &self.web_upper.pin());
        format!("version = 1\n{filled}\n")
    }
}
