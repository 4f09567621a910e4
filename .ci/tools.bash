# shellcheck shell=bash
# The cargo subcommands that the gates and the release use, each in the version that they were written for.
declare -A cargo_tools=([cargo-deny]=0.20.2 [cargo-deb]=3.8.0)

# Puts one of them into PATH. Installs it first, unless it is there in its version. It has
# little to do, so it is compiled in the shortest time and not for speed.
need() {
    local root version=${cargo_tools[$1]}
    [[ $("$1" --version 2>/dev/null) != *"$version" ]] || return 0
    root=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tools
    PATH=$root/bin:$PATH
    [[ $("$1" --version 2>/dev/null) != *"$version" ]] || return 0
    env -u RUSTFLAGS cargo install --locked --quiet --debug --root "$root" --target-dir "$root/build" "$1@$version"
}
