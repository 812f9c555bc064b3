//! For what NSS asks about a certificate, and which question of the policy's that is.

use crate::certificate::Purposes;
use crate::query::Role;

/// What NSS keeps a trust for. (It asks about code, too: for that nothing is trusted.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Usage {
    /// TLS servers: `https`, whatever the protocol is. NSS never says it.
    Server,
    /// TLS clients: `https` with role client.
    Client,
    /// Signed mail: `smime`.
    Email,
}

impl Usage {
    pub(super) const ALL: [Self; 3] = [Self::Server, Self::Client, Self::Email];

    pub(super) fn role(self) -> Role {
        match self {
            Self::Server | Self::Email => Role::Server,
            Self::Client => Role::Client,
        }
    }

    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::Server | Self::Client => "https",
            Self::Email => "smime",
        }
    }

    pub(super) fn is_in(self, purposes: Purposes) -> bool {
        match self {
            Self::Server => purposes.server,
            Self::Client => purposes.client,
            Self::Email => purposes.email,
        }
    }

    /// The object identifier of the purpose (RFC 5280 section 4.2.1.12), content octets.
    pub(super) fn purpose(self) -> &'static [u8] {
        match self {
            Self::Server => &[0x2b, 6, 1, 5, 5, 7, 3, 1],
            Self::Client => &[0x2b, 6, 1, 5, 5, 7, 3, 2],
            Self::Email => &[0x2b, 6, 1, 5, 5, 7, 3, 4],
        }
    }

    /// For people: `for TLS servers`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Server => "TLS servers",
            Self::Client => "TLS clients",
            Self::Email => "e-mail",
        }
    }
}
