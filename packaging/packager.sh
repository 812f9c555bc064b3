# shellcheck shell=sh
# Who packages, and when: DEBFULLNAME, DEBEMAIL and SOURCE_DATE_EPOCH, or what the last commit says. Read by deb.sh and
# rpm.sh, with $TOP.

last() {
    git -C "$TOP" log -1 --format="$1" 2>/dev/null
}

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(last %ct || stat -c %Y "$TOP/CHANGELOG.md")}
PACKAGER="${DEBFULLNAME:-$(last %an || id -un)} <${DEBEMAIL:-$(last %ae || echo root@localhost)}>"
export SOURCE_DATE_EPOCH PACKAGER
