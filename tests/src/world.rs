//! The CAs that most tests are made with.

use std::sync::LazyLock;

use crate::pki::{Draft, Issued};

/// The web's CAs, and a company's own.
pub struct World {
    /// A root of the web.
    pub web: Issued,
    /// A CA below it.
    pub web_ca: Issued,
    /// A root that no CA of the web has signed.
    pub corp: Issued,
}

/// Made once a process.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let web = Draft::ca("Web Root").self_signed();
    let web_ca = Draft::ca("Web CA").signed_by(&web);
    World { web_ca, web, corp: Draft::ca("Corp Root").self_signed() }
});
