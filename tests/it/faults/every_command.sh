# Runs every subcommand, and shows what is left.
mkdir -p tree/sub old
cd old || exit
echo source >source
echo old >target
head -c 3000000 /dev/zero >big

try file
try dir
try file --name n.txt
try dir --name n.d
try dir --prefix p.tmp. --suffix .s
try file --count 3
try file --from - <source
try mktemp
try mktemp -d ./tmp.XXXXXXXXXX
try mktemp -p . tmp.XXXXXXXXXX
TMPX_SESSION=s try mktemp -d ./short.XXX | tail -c 3 | tr -c '\n' x
try workspace --mkdir a/b --in source --in ../tree
try exec --in source --in ../tree --out made:saved -- sh -c 'cat source >made; mkdir x'
cat saved
try exec --out-always 'result*' -- sh -c 'echo result >result.txt; mkdir results; echo >results/1; false'
cat result.txt
test -f results/1 && echo saved
try exec --anon-fd 9 --report report -- sh -c 'echo x >&9'
grep -c '"exit":0' report
try exec --timeout 200ms -- sleep 10
try exec --timeout 200ms --kill-after 100ms -- sh -c 'trap "" TERM; exec sleep 10'
try exec --keep -- true
try exec --here -- cat source
try exec --private-tmp -- sh -c 'echo x >/tmp/mine; cat /tmp/mine'
try exec -- sh -c 'tmpx file >/dev/null; exit 7'
echo new | try replace target
cat target
echo appended | try replace --append target
cat target
try replace target -- sed s/new/newer/ {}
cat target
echo new | try replace --sync fresh
cat fresh
try spool -- cat <source
try spool --max-size 2 -- cat {} <source
try spool --max-size 1M -- wc -c <big
printf 'a\nb\n' >lines
try chunk --format lines --rows 1 -- cat <lines
try chunk --format lines --rows 1 -j 2 --merge -o merged --report chunked -- cat <lines
cat merged
try chunk --format lines --rows 1 lines
for n in 1 2; do try cache run -- sh -c 'echo x >>cached; echo out; wc -l <cached'; done
try cache run --refresh --report cache-report -- echo fresh
grep -c '"status":"miss"' cache-report
try cache run --key-stdin -- wc -c <big
try cache run --key-stdin -- cat <source
try cache run -- cat big | wc -c
try cache run -- cat big | wc -c
echo value | try cache set key
echo newer | try cache set key
try cache get key
try cache list | wc -l
try cache clear
try cache get key
try gettempdir
try gettempdir --all | wc -l
try file --until-exit=$$
sh -c 'tmpx file --until-exit=$$ && tmpx cleanup -q -n' | sort -u | wc -l
try dir --ttl 1h
try list | sorted
f=$(tmpx file) && try list "$f" | sorted
TMPX_SESSION=t tmpx file >/dev/null
try cleanup --session t | sorted
mkdir out-of && f=$(tmpx file -p out-of) && python3 -c 'import os; os.rename("out-of", "sight")'
# Only handles find the directory again.
try cleanup "$f" | sed 's/: the directory .*/: it moved/' | sorted
try cleanup --forget | sorted
rm -r sight
try list --json | wc -l
try cleanup -n | wc -l
try cleanup | sorted
d=$(tmpx dir) && mkdir -p "$d/x/y" && chmod 500 "$d/x" && : >"$d/x.txt"
try cleanup --all | sorted
find "$TMPDIR" . ../tree "$TMPX_STATE_DIR" | sorted
