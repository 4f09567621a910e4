#!/bin/sh
# A build script as many are: it knows mktemp, and it means to clean up.
#
#   unmodified-build.sh SOURCE OUTPUT
#
# It leaks all the same. The second trap takes the place of the first, what `stage` makes is made in
# a subshell where no list of it survives, and a kill -9 runs no trap at all. Nothing in it is about
# tmpx: README.md shows how it is run so that nothing stays behind.
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

# A signal in the middle: the caller's patience, or the memory, has an end.
if [ -n "${KILLED_HALFWAY-}" ]; then
    kill -KILL $$
fi

mv "$work/linked" "$output"
