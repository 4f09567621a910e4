#!/bin/sh
# A build script as many are: it knows mktemp, and it means to clean up.
#
#   unmodified-build.sh SOURCE OUTPUT
#
# It leaks all the same. The second trap replaces the first. `stage` creates its files in a subshell, so
# no list of them survives. A kill -9 runs no trap. Nothing in it is about tmpx: README.md shows how it is
# run so that nothing stays behind.
set -eu

source=$1
output=$2

stage() {
    dir=$(mktemp -d -t "stage-$1-XXXXXX")
    mktemp -p "$dir" --suffix=.o objXXXXXX
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

log=$(mktemp --tmpdir build-XXXXXXXX.log)
trap 'echo "built, see $log"' EXIT

for part in lex parse; do
    object=$(stage "$part")
    tr "[:lower:]" "[:upper:]" <"$source" >"$object"
    echo "$part: $object" >>"$log"
    cat "$object" >>"$work/linked"
done

# A kill in the middle, as by a timeout or when memory runs out.
if [ -n "${KILLED_HALFWAY-}" ]; then
    kill -KILL $$
fi

mv "$work/linked" "$output"
