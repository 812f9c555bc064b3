//! For what a certification path is wanted (RFC 5280 section 4.2.1.12).

use webpki::KeyUsage;

use super::cases::CaseState;
use crate::certificate::Purposes;
use crate::query::Role;

/// id-kp-emailProtection, 1.3.6.1.5.5.7.3.4.
const EMAIL_PROTECTION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 4];

/// For what the path is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Server,
    Client,
    Email,
}

impl Purpose {
    pub(super) fn of(case: &CaseState, role: Role) -> Self {
        let is_email = case.protocol.as_ref().is_some_and(|p| p.as_str() == "smime");
        if is_email { Self::Email } else { Self::of_role(role) }
    }

    /// For TLS.
    pub(super) fn of_role(role: Role) -> Self {
        match role {
            Role::Server => Self::Server,
            Role::Client => Self::Client,
        }
    }

    pub(super) fn is_in(self, purposes: Purposes) -> bool {
        match self {
            Self::Server => purposes.server,
            Self::Client => purposes.client,
            Self::Email => purposes.email,
        }
    }

    pub(super) fn usage(self) -> KeyUsage {
        match self {
            Self::Server => KeyUsage::server_auth(),
            Self::Client => KeyUsage::client_auth(),
            Self::Email => KeyUsage::required_if_present(EMAIL_PROTECTION),
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Server => "TLS servers",
            Self::Client => "TLS clients",
            Self::Email => "e-mail",
        }
    }
}
