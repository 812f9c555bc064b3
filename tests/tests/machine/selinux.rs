//! SELinux with Debian's policy: Fedora's is not to be had here.
