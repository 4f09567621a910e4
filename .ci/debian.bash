#!/bin/bash
# Installs a Debian package of tmpx in a new minimal Debian, follows the README there as a new user, removes
# the package, and expects that nothing is left.
#
# Usage: unshare --mount --pid --fork --mount-proc --kill-child bash .ci/debian.bash PACKAGE
#
# The system lies on a tmpfs of this mount namespace, so it ends with the namespace. It becomes the root
# directory by pivot_root, since the kernel refuses user namespaces, which --private-tmp needs, below chroot.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8
fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

if [ "${1:-}" != --inside ]; then
    package=$(realpath "$1")
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # The mirror that apt uses on this machine.
    mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
        sed -n "s/^$codename //p" | head -n 1)
    [ -n "$mirror" ] || fail "apt has no mirror for $codename"
    root=/mnt
    mount -t tmpfs -o mode=755 tmpfs "$root"
    log=$(debootstrap --variant=minbase "$codename" "$root" "$mirror" 2>&1) || fail "debootstrap: ${log: -2000}"
    cp .ci/debian.bash "$root/root/"
    cp "$package" "$root/root/tmpx.deb"
    cp /etc/resolv.conf "$root/etc/"
    mkdir "$root/old"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    cd "$root"
    pivot_root . old
    umount --lazy old
    rmdir old
    exec bash /root/debian.bash --inside
fi

# Prints the files that a package or a user may leave. apt's and dpkg's own are not among them.
files() {
    find / -xdev \( -path /proc -o -path /dev -o -path /root -o -path /var/lib/dpkg -o -path /var/lib/apt \
        -o -path /var/cache -o -path /var/log \) -prune -o -print | sort
}

# Two blocks of the README are for these shells.
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends fish elvish >/dev/null 2>&1
useradd --create-home --shell /bin/bash visitor
before=$(files)
dpkg --install /root/tmpx.deb >/dev/null

echo 'The files of the package'
for file in /usr/bin/tmpx /usr/share/man/man1/tmpx{,-exec,-cache-run}.1.gz /usr/share/doc/tmpx/{copyright,README.md} \
    /usr/share/bash-completion/completions/tmpx /usr/share/zsh/vendor-completions/_tmpx \
    /usr/share/fish/vendor_completions.d/tmpx.fish /usr/lib/systemd/user/tmpx-cleanup.{service,timer} \
    /usr/share/doc/tmpx/examples/unmodified-build.sh; do
    [ -s "$file" ] || fail "no $file"
done
[ "$(readlink -f /usr/libexec/tmpx/mktemp)" = /usr/bin/tmpx ] || fail 'no link for mktemp'
[ -z "$(find /etc -name 'tmpx*')" ] || fail 'a unit is enabled'
for name in anyhow rustix musl; do
    grep -q "== .*$name" /usr/share/doc/tmpx/copyright || fail "no license of $name"
done
[ -z "$(dpkg --verify tmpx)" ] || fail 'the files differ from those of the package'
[ "$(dpkg-query -W -f '${Depends}' tmpx)" = '' ] || fail 'the package depends on others'
rights=$(dpkg -L tmpx | xargs stat -c '%U:%G %A %n' | grep -v '^root:root [-dl]rw.r-[x-]r-[x-] ' | grep -v ' lrwxrwxrwx ' || :)
[ -z "$rights" ] || fail "$rights"

as_visitor() { setpriv --reuid visitor --regid visitor --init-groups env -i HOME=/home/visitor PATH=/usr/bin:/bin "$@"; }

echo 'The documents and completions, as a new user'
for page in /usr/share/man/man1/tmpx*.1.gz; do
    name=$(basename "$page" .1.gz)
    as_visitor gzip -dc "$page" | grep "^\.TH ${name^^} 1 " >/dev/null || fail "$page is no man page of $name"
done
grep -o '](\(benches\|docs\|examples\|ARCHITECTURE\)[^)#]*' /usr/share/doc/tmpx/README.md | sort -u | while read -r link; do
    as_visitor test -r "/usr/share/doc/tmpx/${link#](}" || fail "the README refers to ${link#](}, which the package does not have"
done
as_visitor tmpx completions bash | cmp - /usr/share/bash-completion/completions/tmpx
as_visitor tmpx completions zsh | cmp - /usr/share/zsh/vendor-completions/_tmpx
as_visitor tmpx completions fish | cmp - /usr/share/fish/vendor_completions.d/tmpx.fish
# Tab after these words.
offered=$(as_visitor bash -c 'source /usr/share/bash-completion/completions/tmpx
    COMP_WORDS=(tmpx clea) COMP_CWORD=1
    _tmpx_dynamic tmpx clea tmpx
    echo "${COMPREPLY[@]}"')
[ "$offered" = cleanup ] || fail "bash offers $offered"
offered=$(as_visitor fish -c 'complete -C "tmpx clea"')
[[ $offered == cleanup* ]] || fail "fish offers $offered"

echo 'The README, as a new user'
cat >/home/visitor/blocks.awk <<'AWK'
# Prints the blocks of a document in order, as one script. Those of cargo need the source.
/^```/ {
    tag = tag == "" ? substr($0, 4) : ""
    if (tag == "") close(shell)
    shell = tag ~ /^(fish|elvish) recipe$/ ? substr(tag, 1, index(tag, " ") - 1) : ""
    if (shell != "") print shell " recipe." shell
    next
}
shell != "" { print > ("recipe." shell); next }
tag == "console" && sub(/^[$>] /, "") { print }
tag ~ /^sh( recipe)?$/ && !/^cargo / { print }
AWK
cat >/home/visitor/first-steps.sh <<'SH'
set -eu
cd
cp /usr/share/doc/tmpx/README.md .
cp -r /usr/share/doc/tmpx/examples .
# What the reader has.
printf '#!/bin/sh\nmktemp > built\n' > build.sh
printf '#!/bin/sh\nmktemp -d > tested\n' > test.sh
chmod +x build.sh test.sh
awk -f blocks.awk README.md > script
[ "$(grep -c . script)" -gt 50 ]
bash -eu script > printed
grep -qx 'one' results/unique
[ "$(wc -l < runs.log)" -eq 1 ]
[ ! -e "$(cat built)" ] && [ ! -e "$(cat tested)" ]
SH
as_visitor sh /home/visitor/first-steps.sh || {
    tail -n 20 /home/visitor/printed >&2
    fail 'the blocks of the README do not run'
}
as_visitor tmpx cleanup
as_visitor tmpx cleanup --all
left=$(find /tmp /var/tmp -mindepth 1)
[ -z "$left" ] || fail "the README leaves $left"

echo 'The removal of the package'
dpkg --purge tmpx >/dev/null
rm -rf /home/visitor/{*,.local,.cache,.config}
left=$(comm -13 <(echo "$before") <(files))
[ -z "$left" ] || fail "the package leaves $left"
