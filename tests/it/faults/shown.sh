# Runs subcommands, and shows what each prints, and its status.
try() {
    printf '$ tmpx %s\n' "$*" | sed "s/$$/PID/"
    tmpx "$@" 2>&1 || echo "status $?"
}
sorted() {
    sed -E 's/tmp\.[0-9A-Za-z]{10}/tmp.RANDOM/; s/short\..../short.XXX/; s/leases\/.+/leases\/LEASE/; s/sh \([0-9]+\)/sh (PID)/' | sort
}
