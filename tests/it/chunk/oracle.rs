//! Python's csv and json modules decide what a record is.

use std::fs;

use crate::support::sandbox::{Sandbox, has};

/// Generates texts, cuts each in all ways, and compares the records with Python's. Three decisions
/// differ from its csv module on purpose: a lone carriage return is a character, so it is replaced by
/// a letter before Python reads the text; blank lines are no records; a byte order mark is dropped.
const ORACLE: &str = r#"
import base64, csv, io, json, random, re, subprocess, sys, time
seed, least, seconds = map(int, sys.argv[1:])
rng = random.Random(seed)
end = time.monotonic() + seconds
count = 0

def chunks(name, text, *options):
    open(name, 'wb').write(text)
    outs = []
    for words, stdin in (([name], b''), (['--format', name.split('.')[1]], text)):
        run = subprocess.run(['tmpx', 'chunk', *options, *words, '--', 'sh', '-c', 'base64 -w0; echo'],
            input=stdin, capture_output=True)
        outs.append((run.returncode, run.stdout, run.stderr.replace(b'standard input', name.encode())))
    # A pipe has passed on what came before the error.
    assert outs[0] == outs[1] or outs[0][0] == outs[1][0] == 125 and outs[0][2] == outs[1][2], (text, options, outs)
    status, out, err = outs[0]
    return status, [base64.b64decode(line) for line in out.splitlines()], err

def rows(text):
    text = re.sub(rb'\r(?!\n)', b'R', text).decode('latin-1')
    return [row for row in csv.reader(io.StringIO(text, newline='')) if row]

def limit():
    return rng.choice([('--rows', str(rng.randint(1, 5))), ('--bytes', str(rng.randint(1, 200)))])

while count < least or time.monotonic() < end:
    count += 1
    parts = [b'a', b'bc', b',', b',', b'"', b'""', b'\n', b'\n', b'\r\n', b'\r', b' ']
    body = b''.join(rng.choice(parts) for _ in range(rng.randint(0, 60)))
    if rng.random() < .5:
        buffer = io.StringIO(newline='')
        writer = csv.writer(buffer, lineterminator=rng.choice(['\n', '\r\n']))
        for _ in range(rng.randint(0, 20)):
            writer.writerow([rng.choice(['', 'x', 'a,b', 'l\nm', 'q"', '\r\n', ' ']) for _ in range(3)])
        body = buffer.getvalue().encode()
    header = rng.choice([b'h,"i\nj",k\n', b'h,i,k\r\n', b'\nh,i,k\n'])
    text = rng.choice([b'', b'\xef\xbb\xbf']) + header + body
    option = limit()
    status, found, err = chunks('in.csv', text, *option)
    plain = text.removeprefix(b'\xef\xbb\xbf')
    if status:
        # Python reads a quote that is never closed silently, to the end.
        assert b'this quote is never closed' in err, (text, err)
        at = int(re.search(rb'byte (\d+)', err)[1])
        assert text[at - 1:at] == b'"', (text, err)
        assert rows(text[:at - 1].removeprefix(b'\xef\xbb\xbf') or b'x') is not None
        continue
    expected = rows(plain)
    assert [rows(chunk)[0] for chunk in found] == [expected[0]] * len(found), (text, found)
    assert [row for chunk in found for row in rows(chunk)[1:]] == expected[1:], (text, found)
    if option[0] == '--rows':
        assert all(len(rows(chunk)) <= 1 + int(option[1]) for chunk in found)
    prefix = plain[:next((i for i in range(len(plain) + 1) if all(c.startswith(plain[:i]) for c in found)
                          and b''.join(c[i:] for c in found) == plain[i:]), 0)]
    assert prefix or len(found) == 1, (text, found)

    def value(depth):
        kind = rng.randint(0, 4 if depth else 2)
        if kind == 0: return rng.choice([1, -2.5, None, True, 'x'])
        if kind in (1, 2): return ''.join(rng.choice('a"\\[]{},é\n ') for _ in range(rng.randint(0, 12)))
        if kind == 3: return [value(depth - 1) for _ in range(rng.randint(0, 3))]
        return {str(i): value(depth - 1) for i in range(rng.randint(0, 3))}
    values = [value(3) for _ in range(rng.randint(0, 12))]
    text = json.dumps(values, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < .5)
    pad = rng.choice(['', ' ', '\n'])
    text = (pad + text + pad).encode()
    status, found, err = chunks('in.json', text, *limit())
    assert status == 0 and [v for c in found for v in json.loads(c)] == values, (text, found, err)
print(count, 'cases')
"#;

#[test]
fn records_are_those_of_python_for_files_and_pipes() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.root().join("oracle.py"), ORACLE).unwrap();
    let seconds = std::env::var("TMPX_STRESS").unwrap_or_else(|_| "0".into());
    let script = format!("python3 ../oracle.py 1 40 {seconds}");
    // This may take longer than the sandbox lets a command run.
    let output = sandbox.sh(&script).prepared().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}
