
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'tmpx' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'tmpx'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'tmpx' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('file', 'file', [CompletionResultType]::ParameterValue, 'Create a file and print its path')
            [CompletionResult]::new('dir', 'dir', [CompletionResultType]::ParameterValue, 'Create a directory and print its path')
            [CompletionResult]::new('workspace', 'workspace', [CompletionResultType]::ParameterValue, 'Create a workspace with a private TMPDIR and print its path')
            [CompletionResult]::new('exec', 'exec', [CompletionResultType]::ParameterValue, 'Run a command in a workspace, then remove the workspace')
            [CompletionResult]::new('spool', 'spool', [CompletionResultType]::ParameterValue, 'Buffer standard input to its end, in memory or an unnamed file')
            [CompletionResult]::new('replace', 'replace', [CompletionResultType]::ParameterValue, 'Replace a file''s content atomically, from stdin or a command')
            [CompletionResult]::new('chunk', 'chunk', [CompletionResultType]::ParameterValue, 'Run a command on chunks of records, or write chunk files')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Keep a command''s output for a while')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what tmpx created, and its state')
            [CompletionResult]::new('cleanup', 'cleanup', [CompletionResultType]::ParameterValue, 'Remove what has ended, or what you select')
            [CompletionResult]::new('gettempdir', 'gettempdir', [CompletionResultType]::ParameterValue, 'Print the directory for temporary files')
            [CompletionResult]::new('mktemp', 'mktemp', [CompletionResultType]::ParameterValue, 'Create a file or directory; a drop-in for GNU mktemp')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            break
        }
        'tmpx;file' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Fill it from SRC, or from standard input if SRC is ''-''')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'Create N of them, and print one path per line')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Create it in DIR [default: the temp dir]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Create it in DIR [default: the temp dir]')
            [CompletionResult]::new('--prefix', '--prefix', [CompletionResultType]::ParameterName, 'Start the name with S [default: tmp.]')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Use this name, or a_1.csv for a.csv if it is taken')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Set this mode exactly [default: 600, directories 700, minus the umask]')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Set this mode exactly [default: 600, directories 700, minus the umask]')
            [CompletionResult]::new('--until-exit', '--until-exit', [CompletionResultType]::ParameterName, 'Remove it when PID exits [default: calling script]')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Remove it after this time (90, 15m, 1h30m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Add it to a session: a name by which cleanup and list find it')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;dir' {
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'Create N of them, and print one path per line')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Create it in DIR [default: the temp dir]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Create it in DIR [default: the temp dir]')
            [CompletionResult]::new('--prefix', '--prefix', [CompletionResultType]::ParameterName, 'Start the name with S [default: tmp.]')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Use this name, or a_1.csv for a.csv if it is taken')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Set this mode exactly [default: 600, directories 700, minus the umask]')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Set this mode exactly [default: 600, directories 700, minus the umask]')
            [CompletionResult]::new('--until-exit', '--until-exit', [CompletionResultType]::ParameterName, 'Remove it when PID exits [default: calling script]')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Remove it after this time (90, 15m, 1h30m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Add it to a session: a name by which cleanup and list find it')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;workspace' {
            [CompletionResult]::new('--mkdir', '--mkdir', [CompletionResultType]::ParameterName, 'Create a directory in it; may be repeated')
            [CompletionResult]::new('--in', '--in', [CompletionResultType]::ParameterName, 'Copy a file or directory into it; may be repeated')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Create it in DIR [default: the temp dir]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Create it in DIR [default: the temp dir]')
            [CompletionResult]::new('--prefix', '--prefix', [CompletionResultType]::ParameterName, 'Start the name with S [default: tmp.]')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Use this name, or a_1.csv for a.csv if it is taken')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Set this mode exactly [default: 600, directories 700, minus the umask]')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Set this mode exactly [default: 600, directories 700, minus the umask]')
            [CompletionResult]::new('--until-exit', '--until-exit', [CompletionResultType]::ParameterName, 'Remove it when PID exits [default: calling script]')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Remove it after this time (90, 15m, 1h30m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Add it to a session: a name by which cleanup and list find it')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Print ''export TMPX_WORKSPACE=... TMPDIR=...'' for eval')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;exec' {
            [CompletionResult]::new('--mkdir', '--mkdir', [CompletionResultType]::ParameterName, 'Create a directory in it; may be repeated')
            [CompletionResult]::new('--in', '--in', [CompletionResultType]::ParameterName, 'Copy a file or directory into it; may be repeated')
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'On success, save what matches GLOB (to DEST)')
            [CompletionResult]::new('--out-always', '--out-always', [CompletionResultType]::ParameterName, 'Save what matches GLOB, whatever the status')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep the workspace: always or on-failure')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'End the command after this time (status 124)')
            [CompletionResult]::new('--kill-after', '--kill-after', [CompletionResultType]::ParameterName, 'Send SIGKILL to what still runs this long after --timeout')
            [CompletionResult]::new('--anon-fd', '--anon-fd', [CompletionResultType]::ParameterName, 'Open an unnamed file for the command, as descriptor N')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a JSON report on the command to FILE')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Add the workspace to a session, a name for cleanup and list')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Create it in DIR [default: the temp dir]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Create it in DIR [default: the temp dir]')
            [CompletionResult]::new('--prefix', '--prefix', [CompletionResultType]::ParameterName, 'Start the name with S [default: tmp.]')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Use this name, or a_1.csv for a.csv if it is taken')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Set this mode exactly [default: 600, directories 700, minus the umask]')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Set this mode exactly [default: 600, directories 700, minus the umask]')
            [CompletionResult]::new('--here', '--here', [CompletionResultType]::ParameterName, 'Run in the current directory instead')
            [CompletionResult]::new('--private-tmp', '--private-tmp', [CompletionResultType]::ParameterName, 'Give the command its own /tmp and /var/tmp')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;spool' {
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Hold at most this much in memory')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Create the unnamed file in DIR [default: the temp dir]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Create the unnamed file in DIR [default: the temp dir]')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name of the file {} with S, as in .c')
            [CompletionResult]::new('-I', '-I ', [CompletionResultType]::ParameterName, 'Replace the argument STR by the path, not {}')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a JSON report to FILE')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;replace' {
            [CompletionResult]::new('-I', '-I ', [CompletionResultType]::ParameterName, 'Replace the argument STR by the path, not {}')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a JSON report to this file')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Keep the old content, and add the new content after it')
            [CompletionResult]::new('--append', '--append', [CompletionResultType]::ParameterName, 'Keep the old content, and add the new content after it')
            [CompletionResult]::new('--no-empty', '--no-empty', [CompletionResultType]::ParameterName, 'Leave FILE alone if the new content is empty')
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'Return only when the new content is safe from a power cut')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;chunk' {
            [CompletionResult]::new('--rows', '--rows', [CompletionResultType]::ParameterName, 'Put N records into each chunk')
            [CompletionResult]::new('--bytes', '--bytes', [CompletionResultType]::ParameterName, 'Put up to SIZE of records in a chunk [default: 16M]')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Run N commands at once [default: the number of cores]')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Run N commands at once [default: the number of cores]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write the outputs to FILE once all have succeeded')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write the outputs to FILE once all have succeeded')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Read the inputs as csv, tsv, ndjson, json or lines')
            [CompletionResult]::new('--merge', '--merge', [CompletionResultType]::ParameterName, 'Join the outputs under one header, or in one array')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Convert the records to ndjson or json')
            [CompletionResult]::new('--header', '--header', [CompletionResultType]::ParameterName, 'Repeat the first N records in each chunk [default: 1 for csv and tsv]')
            [CompletionResult]::new('--delimiter', '--delimiter', [CompletionResultType]::ParameterName, 'Separate fields of CSV at C [default: the most frequent of , ; tab |]')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Create files in DIR [default: the temp dir]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Create files in DIR [default: the temp dir]')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a JSON report to FILE')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Add it to a session: a name by which cleanup and list find it')
            [CompletionResult]::new('--until-exit', '--until-exit', [CompletionResultType]::ParameterName, 'Remove it when PID exits [default: calling script]')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Remove it after this time (90, 15m, 1h30m, 2d)')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object per line')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;cache' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Print what a command printed before, or run it')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Print what ''set'' stored under a key')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Store standard input under a key')
            [CompletionResult]::new('clear', 'clear', [CompletionResultType]::ParameterValue, 'Remove what is stored')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is stored')
            break
        }
        'tmpx;cache;run' {
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Run it again if the output is this old [default: 1h]')
            [CompletionResult]::new('--stale', '--stale', [CompletionResultType]::ParameterName, 'From this age on, print the old output and refresh it')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Distinguish outputs by S too; may be repeated')
            [CompletionResult]::new('--key-env', '--key-env', [CompletionResultType]::ParameterName, 'Distinguish them by this variable; may be repeated')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Distinguish them by a file''s content; may be repeated')
            [CompletionResult]::new('--max-bytes', '--max-bytes', [CompletionResultType]::ParameterName, 'Keep at most this much in all [default: 1G]')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a JSON report to FILE')
            [CompletionResult]::new('--refresh', '--refresh', [CompletionResultType]::ParameterName, 'Run the command in any case, and keep its output')
            [CompletionResult]::new('--key-stdin', '--key-stdin', [CompletionResultType]::ParameterName, 'Distinguish them by the input, which the command reads')
            [CompletionResult]::new('--ignore-cwd', '--ignore-cwd', [CompletionResultType]::ParameterName, 'Print outputs from other working directories too')
            [CompletionResult]::new('--cache-failures', '--cache-failures', [CompletionResultType]::ParameterName, 'Keep the outputs of runs that fail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;cache;get' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;cache;set' {
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Keep it for this long [default: 1h]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;cache;clear' {
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Do not print how many entries were removed')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Do not print how many entries were removed')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;cache;list' {
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object per line')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;list' {
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'Only resources at least this old (90, 15m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Only resources of this session')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Everything (the default)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;cleanup' {
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'Only resources at least this old (90, 15m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Only resources of this session')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Print what would be removed, but remove nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print what would be removed, but remove nothing')
            [CompletionResult]::new('--other-jobs', '--other-jobs', [CompletionResultType]::ParameterName, 'Also remove what is another job''s, or unknown')
            [CompletionResult]::new('--forget', '--forget', [CompletionResultType]::ParameterName, 'End the leases of what is out of sight, and remove nothing')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Also remove what is live, in use, unknown or another job''s')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print neither removed paths nor totals, only problems')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print neither removed paths nor totals, only problems')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All resources, including manual and timed ones')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL instead of a newline')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;gettempdir' {
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Show every candidate, and why it was skipped')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object per line')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;mktemp' {
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'Append SUFFIX to TEMPLATE, which must then end in X')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Create it in DIR')
            [CompletionResult]::new('--tmpdir', '--tmpdir', [CompletionResultType]::ParameterName, 'Create it in DIR [default: $TMPDIR, else /tmp]')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Create a directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Create a directory')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'Print an unused name, and create nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print an unused name, and create nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print no message if the creation fails')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print no message if the creation fails')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Create it in $TMPDIR, else in -p''s DIR, else in /tmp')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'tmpx;completions' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
