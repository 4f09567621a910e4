# Runs the subcommands that depend most on newer calls, and shows what is left.
mkdir old tree
cd old || exit
echo source >source
echo old >target
try file
try dir --name n.d
try file --count 2
try mktemp -d
try workspace --in source --in ../tree
try exec --in source --out made:saved -- sh -c 'cat source >made; mkdir x'
cat saved
try exec --out-always 'result*' -- sh -c 'echo result >result.txt; false'
cat result.txt
try exec --anon-fd 9 --report report --timeout 1h -- sh -c 'echo x >&9'
grep -c '"exit":0' report
echo new | try replace target
echo appended | try replace --append target
cat target
try spool --max-size 2 -- cat {} <source
printf 'a\nb\n' | try chunk --format lines --rows 1 -j 2 --merge -o merged -- cat
cat merged
for n in 1 2; do try cache run -- sh -c 'echo x >>cached; cat cached'; done
echo value | try cache set key
try cache get key
try gettempdir
sh -c 'tmpx file --until-exit=$$ && tmpx cleanup -q -n' | sort -u | wc -l
try list | sorted
d=$(tmpx dir) && mkdir -p "$d/x/y" && chmod 500 "$d/x"
try cleanup --all | sorted
find "$TMPDIR" . ../tree "$TMPX_STATE_DIR" | sorted
