# shellcheck shell=bash
# The steps of `.ci/run --full`, each a function, in the order of `full_steps`.

# shellcheck source=.ci/tools.bash
source .ci/tools.bash

# Checks the licenses and sources of all dependencies, and that none is there twice. Then builds the package from
# them and its own files alone.
dependencies() {
    need cargo-deny
    cargo-deny --config .ci/deny.toml check bans licenses sources
    cargo package --locked --offline --allow-dirty --quiet
}

# Goes on for a minute with processes that are killed, to a million swapped directories, a million
# entries in one directory, a million changed leases, ten thousand scripts that remove their files, and five
# million rows, which DuckDB counts too.
stress() (
    venv=$(mktemp -d)
    trap 'rm -rf "$venv"' EXIT
    python_with duckdb==2.0.1 "$venv"
    export PATH=$venv/bin:$PATH TMPX_STRESS=60
    cargo test --test it -- --nocapture --test-threads 1 \
        stress:: swaps:: limits:: appenders:: unknown_calls:: faults::shared_dirs no_newer_calls local_filesystems \
        forgetting::scripts chunk::examples chunk::oracle
    # On tmpfs, a million sweeps take minutes.
    TMPDIR=/dev/shm cargo test --lib mutations
)

# Creates a virtual environment of Python with a package.
python_with() {
    python3 -c 'import ensurepip' 2>/dev/null || install python3-venv
    python3 -m venv "$2"
    "$2/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "$1"
}

# Checks the examples for CI systems against the schemas that these systems publish.
schemas() (
    venv=$(mktemp -d)
    trap 'rm -rf "$venv"' EXIT
    python_with check-jsonschema==0.39.0 "$venv"
    "$venv/bin/check-jsonschema" --builtin-schema vendor.github-workflows examples/ci/github.yml
    "$venv/bin/check-jsonschema" --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci examples/ci/gitlab.yml
)

# Installs tmpx as the README says for those who have Rust.
from_source() (
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    cargo install --locked --path . --root "$root" --quiet
    [ "$("$root/bin/tmpx" --version)" = "tmpx $(cargo pkgid | sed 's/.*[@#]//')" ] || fail 'cargo install'
)

# Compiles for every architecture that tmpx supports, without a warning.
architectures() {
    local target
    for target in aarch64-unknown-linux-gnu aarch64-unknown-linux-musl armv7-unknown-linux-gnueabihf \
        i686-unknown-linux-musl riscv64gc-unknown-linux-gnu x86_64-unknown-linux-musl; do
        rustup target add "$target"
        RUSTFLAGS='-D warnings' cargo check --locked --quiet --lib --bins --target "$target"
    done
}

# Runs all tests on the binary that is released, which is linked with musl.
musl() {
    rustup target add x86_64-unknown-linux-musl
    cargo test --target x86_64-unknown-linux-musl
}

# Runs the tests on what a distribution builds: linked dynamically with glibc, without our .cargo/config.toml.
# The tests of single calls are left to the other builds, since the loader makes calls of its own.
dynamic() (
    target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    git archive HEAD | tar -x --directory "$copy" --exclude=.cargo
    cd "$copy" || exit
    CARGO_TARGET_DIR=$target/dynamic cargo test -- --skip every_call --skip no_newer_calls
)

# Builds the release twice, at two paths and with two CARGO_HOMEs: the same bytes have to come out. Then uses the
# tarball where there is nothing else.
release() {
    local first second
    first=$(mktemp -d) second=$(mktemp -d)
    [ -e /usr/share/doc/musl/copyright ] || install musl
    need cargo-deb
    .ci/release "$first"
    git clone --quiet . "$second/elsewhere"
    mkdir -p "$second/home/registry"
    cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/{cache,index} "$second/home/registry/"
    (cd "$second/elsewhere" && CARGO_HOME=$second/home CARGO_TARGET_DIR=$second/target .ci/release "$second/dist")
    cmp "$first/SHA256SUMS" "$second/dist/SHA256SUMS"
    (cd "$first" && sha256sum --check --quiet SHA256SUMS && tar -xf tmpx-*-x86_64-unknown-linux-musl.tar.gz)
    in_an_empty_root "$first"/tmpx-*-x86_64-unknown-linux-musl/bin/tmpx
    rm -rf "$first" "$second"
}

# Uses a binary in a root directory that holds nothing else, as a user without an entry in passwd: first with
# a writable /tmp, then on a read-only root with one other writable directory. The mounts are in a namespace
# that ends with the step, however it ends.
in_an_empty_root() (
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    mkdir -m 1777 "$root/tmp"
    mkdir -m 777 "$root/work"
    chmod 755 "$root"
    cp "$1" "$root/tmpx"
    unshare --mount bash -c "$(declare -f fail use_an_empty_root)"'
        set -euo pipefail
        use_an_empty_root "$1"' bash "$root"
)

use_an_empty_root() {
    local root=$1 file
    local run=("$(command -v chroot)" --userspec=4242:4242 "$root")
    file=$(env -i "${run[@]}" /tmpx file)
    [ -f "$root$file" ] || fail "no $file in an empty root"
    env -i "${run[@]}" /tmpx list | grep -qF "$file"
    env -i "${run[@]}" /tmpx exec -- /tmpx gettempdir
    env -i "${run[@]}" /tmpx cleanup --all --quiet
    [ ! -e "$root$file" ] || fail "$file was not removed"
    file=$(env -i "$(command -v chroot)" "$root" /tmpx file)
    [ -f "$root$file" ] || fail "no $file for root in an empty root"
    [ ! -e "$root/var" ] || fail "root has created /var for its store"
    env -i "$(command -v chroot)" "$root" /tmpx cleanup --all --quiet
    [ ! -e "$root$file" ] || fail "$file was not removed by root"
    mount --bind "$root" "$root"
    mount --bind "$root/work" "$root/work"
    mount -o remount,bind,ro "$root"
    file=$(env -i TMPDIR=/work TMPX_STATE_DIR=/work/state "${run[@]}" /tmpx file)
    [ -f "$root$file" ] || fail "no $file on a read-only root"
    env -i TMPDIR=/work TMPX_STATE_DIR=/work/state "${run[@]}" /tmpx cleanup --all --quiet
    [ ! -e "$root$file" ] || fail "$file was not removed from a read-only root"
}

# Installs the Debian package in a minimal Debian, follows the README there as a new user, and removes it again.
debian() {
    local dist
    dist=$(mktemp -d)
    [ -e /usr/share/doc/musl/copyright ] || install musl
    PATH=$PATH:/usr/sbin command -v debootstrap >/dev/null || install debootstrap
    .ci/release "$dist" "$(uname -m)-unknown-linux-musl"
    # Whatever happens, the mounts end with their namespace, and the processes with theirs.
    unshare --mount --pid --fork --mount-proc --kill-child bash .ci/debian.bash "$dist"/tmpx_*.deb
    rm -rf "$dist"
}

# Runs tmpx for other architectures under qemu-user, which knows no openat2(2).
emulated() {
    command -v qemu-aarch64-static >/dev/null || install qemu-user-static
    command -v arm-linux-gnueabihf-gcc >/dev/null || install gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
    command -v riscv64-linux-gnu-gcc >/dev/null || install gcc-riscv64-linux-gnu libc6-dev-riscv64-cross
    rustup target add aarch64-unknown-linux-musl armv7-unknown-linux-gnueabihf riscv64gc-unknown-linux-gnu
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld \
        cargo build --locked --target aarch64-unknown-linux-musl
    CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER=arm-linux-gnueabihf-gcc \
        cargo build --locked --target armv7-unknown-linux-gnueabihf
    CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER=riscv64-linux-gnu-gcc \
        cargo build --locked --target riscv64gc-unknown-linux-gnu
    local target=${CARGO_TARGET_DIR:-target}
    .ci/emulated qemu-aarch64-static "$target/aarch64-unknown-linux-musl/debug/tmpx"
    .ci/emulated qemu-arm-static "$target/armv7-unknown-linux-gnueabihf/debug/tmpx"
    .ci/emulated qemu-riscv64-static "$target/riscv64gc-unknown-linux-gnu/debug/tmpx"
}

# Runs the examples for clusters with an sshd and a Slurm on this machine.
cluster() {
    local program
    # moreutils has another program of that name.
    [[ $(parallel --version 2>/dev/null) == GNU* ]] || install parallel
    for program in sshd:openssh-server ssh:openssh-client munged:munge \
        slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client; do
        PATH=$PATH:/usr/sbin command -v "${program%%:*}" >/dev/null || install "${program#*:}"
    done
    cargo build
    local host
    host=$(rustc -vV | sed -n 's/^host: //p')
    PATH=$PATH:/usr/sbin bash .ci/cluster.bash "${CARGO_TARGET_DIR:-target}/$host/debug/tmpx"
}

# shellcheck disable=SC2034 # .ci/run goes through them
full_steps=(dependencies schemas from_source architectures musl dynamic release debian emulated cluster stress)
