#!/bin/sh
# Statistics of a large CSV file with the columns conference, year, authors (separated by ;) and keywords
# (separated by ,): how many chunks, records and distinct authors there are, and the counts of all others.
#
#   conference-stats.sh FILE [OPTION_OF_CHUNK]...
#
# tmpx cuts FILE between records and counts each chunk in a process of its own. An author who is in two
# chunks must count once, so the names are passed on and not their number. sort(1) brings equal names
# together on disk, so memory does not grow with FILE.
set -eu

file=$1
shift

count='
import collections, csv, json, sys
csv.field_size_limit(sys.maxsize)
sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
counts = collections.Counter()
for row in csv.DictReader(sys.stdin):
    counts["records", ""] += 1
    for column in "conference", "year":
        value = row.get(column)
        counts[column, "Unknown" if value is None else value] += 1
    for author in (row.get("authors") or "").split(";"):
        if author.strip():
            counts["author", author.strip()] += 1
    for keyword in (row.get("keywords") or "").split(","):
        if keyword.strip():
            counts["keyword", keyword.strip().lower()] += 1
for (kind, value), number in counts.items():
    print(kind, json.dumps(value), number, sep="\t")
'
total='
import json, sys
result = {"chunks": json.load(open(sys.argv[1]))["chunks"], "records": 0, "authors": 0, "conferences": {}, "years": {}, "keywords": {}}
for line in sys.stdin:
    kind, value, number = line.rstrip("\n").split("\t")
    if kind in ("records", "authors"):
        result[kind] = int(number)
    else:
        result[kind + "s"][json.loads(value)] = int(number)
for kind, most in ("conferences", 10), ("keywords", 20):
    ordered = sorted(result[kind].items(), key=lambda item: (-item[1], item[0]))
    result["top_" + kind] = [list(item) for item in ordered[:most]]
json.dump(result, sys.stdout, indent=1, sort_keys=True)
print()
'
# Lines that begin with equal kinds and values follow each other: their numbers are added.
add='
function put() {
    if (kind == "author") authors++
    else if (NR > 0) print kind, value, number
}
NR > 1 && ($1 != kind || $2 != value) { put(); number = 0 }
{ kind = $1; value = $2; number += $3 }
END { if (NR) put(); print "authors", "\"\"", authors + 0 }
'
counts=$(tmpx file --until-exit=$$)
sorted=$(tmpx file --until-exit=$$)
report=$(tmpx file --until-exit=$$)
# The outputs are lines: equal ones at their beginnings are no header, which tmpx would otherwise suspect.
tmpx chunk --format csv "$@" --merge=lines -o "$counts" --report "$report" "$file" -- python3 -c "$count"
LC_ALL=C sort -o "$sorted" "$counts"
LC_ALL=C awk -F '\t' -v OFS='\t' "$add" "$sorted" | python3 -c "$total" "$report"
