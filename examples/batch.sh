#!/bin/sh
# Processes the records of CSV and JSON files in batches, and writes one JSON array.
#
#   batch.sh OUTPUT FILE...
#
# Each record becomes an object, by the header of its own file. Each batch has up to 50 records, those of
# several files too. OUTPUT is replaced whole once every batch has succeeded, otherwise not at all.
set -eu

output=$1
shift

process='
import datetime, json, sys
sys.stdin.reconfigure(encoding="utf-8")
batch = json.load(sys.stdin)
for record in batch:
    if isinstance(record.get("conference"), str):
        record["conference"] = record["conference"].upper()
    record["processed_at"] = datetime.datetime.now().isoformat()
json.dump(batch, sys.stdout, indent=2)
'
report=$(tmpx file --until-exit=$$)
tmpx chunk --to json --rows 50 --merge -o "$output" --report "$report" "$@" -- python3 -c "$process"
sed 's/.*"chunks":\([0-9]*\),"records":\([0-9]*\).*/\2 records in \1 batches/' "$report"
