#!/bin/sh
# Makes a machine's kernel, its first root and its disk: image.sh RELEASE FOLDER. Nothing of peerkey is in it.
set -eu
release=$1 folder=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$folder/root
mkdir -p "$root"

with="linux-image-cloud-amd64,initramfs-tools,systemd,systemd-sysv,dbus,libpam-systemd,udev,zstd"
with="$with,ca-certificates,curl,openssl,openssh-server,openssh-client,libnss3-tools"
with="$with,apparmor"
debootstrap --variant=minbase --include "$with" "$release" "$root"

echo machine >"$root/etc/hostname"
echo '127.0.0.1 localhost machine' >"$root/etc/hosts"
echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
install -m 755 "$here/agent.sh" "$root/usr/local/sbin/agent"
install -m 644 "$here/agent.service" "$root/etc/systemd/system/agent.service"
systemctl --root="$root" enable agent.service
# They want a network.
systemctl --root="$root" mask apt-daily.timer apt-daily-upgrade.timer

cp "$root"/boot/vmlinuz-* "$folder/kernel"
cp "$root"/boot/initrd.img-* "$folder/initrd"
rm -rf "$root"/boot/* "$root"/var/cache/apt/archives/*.deb
mke2fs -q -t ext4 -d "$root" "$folder/disk" 3G
rm -rf "$root"
