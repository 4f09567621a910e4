"""Cuts texts in all ways and compares the records with Python's: first named ones, then random ones.

Three decisions differ from Python's csv module on purpose: a lone carriage return is a character, so it
is replaced by a letter before Python reads the text; blank lines are no records; a byte order mark is
dropped. A quote that is never closed is an error here, and Python reads on silently."""

import base64, csv, io, json, random, re, subprocess, sys, time

seed, least, seconds = map(int, sys.argv[1:])
print("seed", seed, flush=True)
rng = random.Random(seed)
BOM = b"\xef\xbb\xbf"


def chunks(name, text, option):
    """Cuts a file, and a pipe, which must give the same."""
    open(name, "wb").write(text)
    outs = []
    form = name.split(".")[1].replace("txt", "lines")
    for words, stdin in ([name], b""), (["--format", form], text):
        run = subprocess.run(["tmpx", "chunk", *option, *words, "--", "sh", "-c", "base64 -w0; echo"],
            input=stdin, capture_output=True)
        err = run.stderr.replace(b"standard input", name.encode())
        outs.append((run.returncode, run.stdout, err))
    # A pipe has passed on what came before the error.
    failed = outs[0][0] == outs[1][0] == 125 and outs[0][2] == outs[1][2]
    assert outs[0] == outs[1] or failed, (text, option, outs)
    status, out, err = outs[0]
    return status, [base64.b64decode(line) for line in out.splitlines()], err


def rows(text):
    text = re.sub(rb"\r(?!\n)", b"R", text).decode("latin-1")
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def is_open(text):
    return rows(text + b"\nZZ")[-1] != ["ZZ"]


def check_csv(text, option, delimiter=b","):
    """Replaces commas by another delimiter, and back for Python."""
    given = ("--delimiter", ":") if delimiter == b":" else ()
    status, found, err = chunks("in.csv", text.replace(b",", delimiter), option + given)
    found = [chunk.replace(delimiter, b",") for chunk in found]
    text = text.replace(b",", delimiter).replace(delimiter, b",")
    plain = text.removeprefix(BOM)
    assert status == (125 if is_open(plain) else 0), (text, option, status, err)
    if status:
        assert b"this quote is never closed" in err, (text, err)
        at = int(re.search(rb"byte (\d+)", err)[1]) - (len(text) - len(plain))
        before, quote, after = plain[:at - 1], plain[at - 1:at], plain[at:]
        assert quote == b'"' and not is_open(before), (text, err)
        # Python's last field is all that follows the quote.
        rest = re.sub(rb"\r(?!\n)", b"R", after).replace(b'""', b'"').decode("latin-1")
        assert rows(plain)[-1][-1] == rest, (text, err)
        return
    expected = rows(plain)
    if not plain:
        assert found == [], (text, option, found)
        return
    assert found, (text, option)
    assert [rows(chunk)[:1] for chunk in found] == [expected[:1]] * len(found), (text, option, found)
    assert [row for chunk in found for row in rows(chunk)[1:]] == expected[1:], (text, option, found)
    # Without the header the chunks are the text, byte for byte.
    headers = (i for i in range(len(plain) + 1) if all(chunk.startswith(plain[:i]) for chunk in found)
        and b"".join(chunk[i:] for chunk in found) == plain[i:])
    header = next(headers, None)
    assert header is not None and (header or len(found) == 1), (text, option, found)
    for chunk, is_last in zip(found, [False] * (len(found) - 1) + [True]):
        count = len(rows(chunk)) - 1
        if option[0] == "--rows":
            assert count == int(option[1]) or is_last and count <= int(option[1]), (text, option, found)
        elif len(found) > 1:
            assert count == 1 or len(chunk) - header <= size(option), (text, option, found)


def size(option):
    return int(option[1].replace("M", "000000"))


def check_json(text, option):
    values = json.loads(text.removeprefix(BOM) or b"[]")
    status, found, err = chunks("in.json", text, option)
    assert status == 0, (text, option, err)
    assert [value for chunk in found for value in json.loads(chunk)] == values, (text, option, found)
    assert bool(found) == bool(text.removeprefix(BOM)), (text, option, found)
    if option[0] == "--rows" and values:
        counts = [len(json.loads(chunk)) for chunk in found]
        assert all(count == int(option[1]) for count in counts[:-1]), (text, option, found)


def check_lines(name, text, option):
    status, found, err = chunks(name, text, option)
    assert status == 0 and b"".join(found) == text.removeprefix(BOM), (text, option, found, err)
    assert all(chunk.endswith(b"\n") for chunk in found[:-1]), (text, option, found)
    if option[0] == "--rows":
        counts = [len(io.BytesIO(chunk).readlines()) for chunk in found]
        assert all(count == int(option[1]) for count in counts[:-1]), (text, option, found)


CSV = {
    "quoted newline": b'h,i\n1,"a\nb"\n"\n",2\n3,4\n',
    "doubled quote": b'h,i\n1,"a""\n""b"\n"""",2\n3,4\n',
    "byte order mark": BOM + b'"h\n",i\n1,2\n3,4\n',
    "byte order mark alone": BOM,
    "CRLF, also in quotes": b'h,i\r\n1,"a\r\nb"\r\n3,4\r\n',
    "no final newline": b"h,i\n1,2\n3,4",
    "no final newline after a quote": b'h,i\n1,2\n3,"4"',
    "blank lines": b"\n\r\nh,i\n\n1,2\n\r\n\n3,4\n\n\n",
    "header alone": b"h,i\n",
    "header alone without newline": b"h,i",
    "header of two lines": b'h,"i\nj"\n1,2\n3,4\n',
    "empty": b"",
    "blank lines alone": b"\n\n",
    "ragged rows": b"h,i\n1\n1,2,3\n,\n4,5\n",
    "quote within a field": b'h,i\n5" x,1\n"a"b"c,"d"\n6,7\n',
    "quote within a field of the header": b'5" h,i\n1,"a\nb"\n6,7\n',
    "quote after a space": b'h, "i\n1, "2\n3,4\n',
    "lone CR": b"h,i\n1\r2,3\n\r4,5\r\n6\r,7\n",
    "CR before CRLF": b"h,i\r\r\n1,2\r\r\n\r\r\n3,4\r\r\n",
    "the same column twice": b"h,h,h\n1,2,3\n4,5,6\n",
    "record longer than a chunk": b"h,i\n1,2\n" + b"3" * 100 + b',"' + b"\n" * 20 + b'"\n4,5\n6,7\n',
    "record like the header": b"h,i\nh,i\n1,2\nh,i\n",
    "open quote": b'h,i\n1,2\n3,"4\n5,""\n',
    "open quote in the header": b'h,"i\n1,2\n',
    "open quote after CRLF": b'h,i\r\n1,2\r\n"',
}
JSON = {
    "empty": b"",
    "byte order mark alone": BOM,
    "no element": b"[]",
    "no element, with space": b" [ \n ] ",
    "any elements": b'[1,-2.5e3,null,true,"x",[],{},[[1,2],{"a":[3]}]]',
    "indent": json.dumps([{"a": [1, {"b": None}]}, 2, []], indent=2).encode(),
    "brackets and quotes in strings": b'["[,]","{\\"","\\\\",{"]":"}"}]',
    "byte order mark": BOM + b' [1,\n"\xc3\xa9"]\n',
    "element longer than a chunk": b'[1,"' + b"x" * 200 + b'",2,3]',
}
LINES = {
    "empty": b"",
    "no final newline": b'{"a":1}\n{"b":"\\n"}',
    "blank lines": b"\n1\n\n\n2\n",
    "byte order mark": BOM + b"1\n2\n3\n",
    "CRLF and quotes": b'"1\r\n2"\r\n3\r4\n',
}
OPTIONS = [("--rows", "1"), ("--rows", "2"), ("--bytes", "1"), ("--bytes", "7"), ("--bytes", "1M")]

for option in OPTIONS:
    for text in CSV.values():
        check_csv(text, option)
    for text in JSON.values():
        check_json(text, option)
    for text in LINES.values():
        check_lines("in.txt", text, option)
        check_lines("in.ndjson", text, option)


def limit():
    return rng.choice([("--rows", str(rng.randint(1, 5))), ("--bytes", str(rng.randint(1, 200)))])


def value(depth):
    kind = rng.randint(0, 4 if depth else 2)
    if kind == 0:
        return rng.choice([1, -2.5, None, True, "x"])
    if kind in (1, 2):
        return "".join(rng.choice('a"\\[]{},é\n ') for _ in range(rng.randint(0, 12)))
    if kind == 3:
        return [value(depth - 1) for _ in range(rng.randint(0, 3))]
    return {str(i): value(depth - 1) for i in range(rng.randint(0, 3))}


end = time.monotonic() + seconds
count = 0
while count < least or time.monotonic() < end:
    count += 1
    parts = [b"a", b"bc", b",", b",", b'"', b'""', b"\n", b"\n", b"\r\n", b"\r", b" "]
    body = b"".join(rng.choice(parts) for _ in range(rng.randint(0, 60)))
    if rng.random() < .5:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator=rng.choice(["\n", "\r\n"]))
        for _ in range(rng.randint(0, 20)):
            writer.writerow([rng.choice(["", "x", "a,b", "l\nm", 'q"', "\r\n", " "]) for _ in range(3)])
        body = buffer.getvalue().encode()
    header = rng.choice([b'h,"i\nj",k\n', b"h,i,k\r\n", b"\nh,i,k\n", b'h" ,i,h" \n', b'h; |,"i;;;;",k\n'])
    delimiter = rng.choice([b",", b",", b";", b"\t", b"|", b":"])
    check_csv(rng.choice([b"", BOM]) + header + body, limit(), delimiter)

    values = [value(3) for _ in range(rng.randint(0, 12))]
    text = json.dumps(values, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < .5)
    pad = rng.choice(["", " ", "\n"])
    check_json(rng.choice([b"", BOM]) + (pad + text + pad).encode(), limit())
print(count, "cases")
