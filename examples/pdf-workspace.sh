#!/bin/sh
# Takes a PDF apart in a workspace that is removed afterwards.
#
#   pdf-workspace.sh [FILE.pdf]
#
# It saves the text and the number of words on each page in results/. Everything else is removed, whether
# it succeeds, fails, or is killed. Without a FILE it creates one, and a broken one to show a failure.
# It needs pdfinfo and pdftotext (on Debian: poppler-utils).
set -eu

# --in copies the PDF into a new workspace, --mkdir creates directories in it, and the command runs
# there. Only if it succeeds, --out saves the files that it has written to output/.
take_apart() {
    tmpx exec --in "$1":input.pdf --mkdir extracted --mkdir output --out 'output/*:results/' \
        -- sh -euc '
            pdfinfo input.pdf >extracted/info
            pages=$(sed -n "s/^Pages: *//p" extracted/info)
            for page in $(seq "$pages"); do
                pdftotext -nopgbrk -f "$page" -l "$page" input.pdf extracted/text
                cat extracted/text >>output/text.txt
                echo "page $page: $(wc -w <extracted/text) words" >>output/pages.txt
            done
        '
}

# An object of a PDF. The table at the end of the file says at which byte each one begins.
object() {
    number=$((number + 1))
    offsets="$offsets $(wc -c <"$pdf")"
    printf '%d 0 obj\n%s\nendobj\n' "$number" "$1" >>"$pdf"
}

# Writes a PDF to $pdf that has a page for each argument: objects 4, 6, 8 and so on, each followed by
# its text.
make_pdf() {
    number=0 offsets='' page=4 pages=''
    for line; do
        pages="$pages $page 0 R"
        page=$((page + 2))
    done
    echo '%PDF-1.4' >"$pdf"
    object '<< /Type /Catalog /Pages 2 0 R >>'
    object "<< /Type /Pages /Count $# /Kids [$pages ] >>"
    object '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'
    for line; do
        content="BT /F 24 Tf 72 720 Td ($line) Tj ET"
        object "<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 595 842 ] /Contents $((number + 2)) 0 R
/Resources << /Font << /F 3 0 R >> >> >>"
        object "<< /Length ${#content} >>
stream
$content
endstream"
    done
    table=$(wc -c <"$pdf")
    {
        printf 'xref\n0 %d\n0000000000 65535 f \n' $((number + 1))
        printf '%010d 00000 n \n' $offsets
        printf 'trailer\n<< /Size %d /Root 1 0 R >>\n' $((number + 1))
        printf 'startxref\n%d\n%%%%EOF\n' "$table"
    } >>"$pdf"
}

if [ $# -gt 0 ]; then
    take_apart "$1"
    exit
fi

# These two files are removed when this script has ended.
export TMPX_UNTIL_EXIT=$$
pdf=$(tmpx file --suffix .pdf)
broken=$(tmpx file --suffix .pdf)

make_pdf 'Wind over the sea' 'Ice in spring' 'Nine ways to count birds'
take_apart "$pdf"
head -n 99 results/*

head -c 500 "$pdf" >"$broken"
take_apart "$broken" || echo "the broken one: status $?, nothing saved, nothing left"
