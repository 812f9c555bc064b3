//! Where programs verify certificates with a store of their own, outside of TLS or beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod access_lists;
mod guests;
mod limits;
mod signed_mail;

use std::sync::LazyLock;

use peerkey_tests::pki::{Draft, Issued};

/// The CAs of all tests: a public one, and a private one that programs trust by themselves.
struct World {
    web: Issued,
    web_ca: Issued,
    own: Issued,
    own_ca: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let web = Draft::ca("Web Root").self_signed();
    let web_ca = Draft::ca("Web CA").signed_by(&web);
    let own = Draft::ca("Own Root").self_signed();
    let own_ca = Draft::ca("Own CA").signed_by(&own);
    World { web, web_ca, own, own_ca }
});

/// Public CAs may vouch for every server, and for every client.
const FOR_TLS: &str = "
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']

[[rule]]
peers = ['*']
accept = { any = ['application', 'web'] }

[[rule]]
role = 'client'
accept = { any = ['application', 'web'] }

[[rule]]
protocols = ['smime']
accept = { any = ['application', 'web'] }

[[rule]]
applications = ['/usr/bin/openssl', '/usr/bin/ruby3.1']
accept = { any = ['application', 'web'] }

[default]
accept = { any = ['application', 'web'] }
";

/// Mail by a mailbox at mail.example, verified by openssl, may come with a certificate of a public CA.
const FOR_MAIL: &str = "
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']

[[rule]]
applications = ['/usr/bin/openssl']
protocols = ['smime']
peers = ['@mail.example']
accept = { any = ['application', 'web'] }
";
