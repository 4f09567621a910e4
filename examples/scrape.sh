#!/bin/sh
# Fetches pages through a cache: each page at most once in a while, however often the script asks.
#
#   scrape.sh [TTL]
#
# It starts a small web server of its own, so that it works anywhere, and shows what the server saw.
# It needs curl and Python.
set -eu

ttl=${1:-10m}

# The pages, the server's log and the cache are removed when this script ends.
export TMPX_UNTIL_EXIT=$$
site=$(tmpx dir)
log=$(tmpx file)
TMPX_CACHE_DIR=$(tmpx dir)
export TMPX_CACHE_DIR

for page in one two three; do
    echo "This is page $page." >"$site/$page.html"
done

# Port 0 is any free one; the server's first line names it.
python3 -u -m http.server --bind 127.0.0.1 --directory "$site" 0 >"$log" 2>&1 &
server=$!
trap 'kill "$server"' EXIT
until port=$(sed -n 's/^Serving HTTP on .* port \([0-9]*\) .*/\1/p' "$log") && [ "$port" ]; do
    sleep 0.05
done

# This spares the server in two ways: a page that was fetched within the TTL is not fetched again,
# and with --fail an error page is a failure, which is never kept.
fetch() {
    tmpx cache run --ttl "$ttl" -- curl --silent --show-error --fail "http://127.0.0.1:$port/$1"
}

scrape() {
    for page in one two three; do
        fetch "$page.html"
    done
    fetch missing.html 2>/dev/null || echo "no such page"
}

requests() {
    grep -c '"GET /'"$1" "$log" || true
}

scrape
echo "first time: $(requests '[a-z]*.html') requests"
scrape >/dev/null
echo "second time: $(requests '[ot][a-z]*.html') requests for pages, $(requests missing) for a missing one"
