
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
            [CompletionResult]::new('file', 'file', [CompletionResultType]::ParameterValue, 'Make a file and print its path')
            [CompletionResult]::new('dir', 'dir', [CompletionResultType]::ParameterValue, 'Make a directory and print its path')
            [CompletionResult]::new('workspace', 'workspace', [CompletionResultType]::ParameterValue, 'Make a directory with a layout and a private TMPDIR, and print its path')
            [CompletionResult]::new('exec', 'exec', [CompletionResultType]::ParameterValue, 'Run a command in a workspace that is gone when it ends')
            [CompletionResult]::new('spool', 'spool', [CompletionResultType]::ParameterValue, 'Hold standard input until its end, in memory or a file that nobody sees')
            [CompletionResult]::new('replace', 'replace', [CompletionResultType]::ParameterValue, 'Put standard input in the place of a file, whole or not at all')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is there and in what state it is')
            [CompletionResult]::new('cleanup', 'cleanup', [CompletionResultType]::ParameterValue, 'Remove what is no longer wanted')
            [CompletionResult]::new('gettempdir', 'gettempdir', [CompletionResultType]::ParameterValue, 'Print the directory that temporary files go to')
            [CompletionResult]::new('mktemp', 'mktemp', [CompletionResultType]::ParameterValue, 'Make a file or directory, option for option as GNU mktemp')
            break
        }
        'tmpx;file' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Fill it from a file, or from standard input if SRC is ''-''')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Make exactly this name, or a numbered one if it is taken (x_1 for x, a_1.csv for a.csv)')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'Make N of them, and print a line each')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Make it in DIR, not in the temp dir')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Make it in DIR, not in the temp dir')
            [CompletionResult]::new('--prefix', '--prefix', [CompletionResultType]::ParameterName, 'Begin the name with S, not with ''tmp.''')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Give it exactly this mode, not 600 or 700 less the umask')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Give it exactly this mode, not 600 or 700 less the umask')
            [CompletionResult]::new('--until-exit', '--until-exit', [CompletionResultType]::ParameterName, 'Let it go when PID exits, or the calling script if no PID is given')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Let it go after this time (90, 300ms, 15m, 1h30m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Make it part of a session: a name by which cleanup and list find it')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep it until a cleanup asks for it, whatever TMPX_UNTIL_EXIT and TMPX_TTL say')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print a JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;dir' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Make exactly this name, or a numbered one if it is taken (x_1 for x, a_1.csv for a.csv)')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'Make N of them, and print a line each')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Make it in DIR, not in the temp dir')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Make it in DIR, not in the temp dir')
            [CompletionResult]::new('--prefix', '--prefix', [CompletionResultType]::ParameterName, 'Begin the name with S, not with ''tmp.''')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Give it exactly this mode, not 600 or 700 less the umask')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Give it exactly this mode, not 600 or 700 less the umask')
            [CompletionResult]::new('--until-exit', '--until-exit', [CompletionResultType]::ParameterName, 'Let it go when PID exits, or the calling script if no PID is given')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Let it go after this time (90, 300ms, 15m, 1h30m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Make it part of a session: a name by which cleanup and list find it')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep it until a cleanup asks for it, whatever TMPX_UNTIL_EXIT and TMPX_TTL say')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print a JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;workspace' {
            [CompletionResult]::new('--mkdir', '--mkdir', [CompletionResultType]::ParameterName, 'Make a directory in it (may be given several times)')
            [CompletionResult]::new('--in', '--in', [CompletionResultType]::ParameterName, 'Copy a file or directory into it, perhaps under another name (may be given several times)')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Make it in DIR, not in the temp dir')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Make it in DIR, not in the temp dir')
            [CompletionResult]::new('--prefix', '--prefix', [CompletionResultType]::ParameterName, 'Begin the name with S, not with ''tmp.''')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Give it exactly this mode, not 600 or 700 less the umask')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Give it exactly this mode, not 600 or 700 less the umask')
            [CompletionResult]::new('--until-exit', '--until-exit', [CompletionResultType]::ParameterName, 'Let it go when PID exits, or the calling script if no PID is given')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Let it go after this time (90, 300ms, 15m, 1h30m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Make it part of a session: a name by which cleanup and list find it')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep it until a cleanup asks for it, whatever TMPX_UNTIL_EXIT and TMPX_TTL say')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print a JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Print ''export TMPX_WORKSPACE=... TMPDIR=...'', for eval')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;exec' {
            [CompletionResult]::new('--mkdir', '--mkdir', [CompletionResultType]::ParameterName, 'Make a directory in it (may be given several times)')
            [CompletionResult]::new('--in', '--in', [CompletionResultType]::ParameterName, 'Copy a file or directory into it, perhaps under another name (may be given several times)')
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'If the command succeeds, save what matches GLOB, here or to DEST')
            [CompletionResult]::new('--out-always', '--out-always', [CompletionResultType]::ParameterName, 'However the command ends, save what matches GLOB, if anything does')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep the workspace, and say where it is')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Ask the command to end (SIGTERM) when it takes longer than this; the status is 124 then')
            [CompletionResult]::new('--kill-after', '--kill-after', [CompletionResultType]::ParameterName, 'Kill it (SIGKILL) if it goes on this much longer')
            [CompletionResult]::new('--anon-fd', '--anon-fd', [CompletionResultType]::ParameterName, 'Give the command an unnamed file, open for reading and writing, as descriptor N')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what came of the command to FILE, as JSON')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Make the workspace part of a session: a name by which cleanup and list find it')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Make it in DIR, not in the temp dir')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Make it in DIR, not in the temp dir')
            [CompletionResult]::new('--prefix', '--prefix', [CompletionResultType]::ParameterName, 'Begin the name with S, not with ''tmp.''')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'End the name with S')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Give it exactly this mode, not 600 or 700 less the umask')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Give it exactly this mode, not 600 or 700 less the umask')
            [CompletionResult]::new('--here', '--here', [CompletionResultType]::ParameterName, 'Run in the current directory, not in the workspace')
            [CompletionResult]::new('--private-tmp', '--private-tmp', [CompletionResultType]::ParameterName, 'Give the command a /tmp and a /var/tmp of its own, which go with the workspace')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;spool' {
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Keep up to this much in memory (64K, 10M, 2G), and more in a file without a name')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Make that file in DIR, not in the temp dir')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Make that file in DIR, not in the temp dir')
            [CompletionResult]::new('-I', '-I ', [CompletionResultType]::ParameterName, 'Let STR stand for the path, not {}')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a JSON object to FILE, whole: bytes, held_in, rolled_over, path, status')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;replace' {
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a JSON object to a file, whole: path, bytes, replaced, status')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Keep what FILE holds, and put the new content after it')
            [CompletionResult]::new('--append', '--append', [CompletionResultType]::ParameterName, 'Keep what FILE holds, and put the new content after it')
            [CompletionResult]::new('--no-empty', '--no-empty', [CompletionResultType]::ParameterName, 'Leave FILE alone if the new content is empty')
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'Return when the new content is on the disk, and outlasts a power cut')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;list' {
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'Only what is at least this old (90, 15m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Only what belongs to this session')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print a JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Everything, as without a selection')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;cleanup' {
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'Only what is at least this old (90, 15m, 2d)')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Only what belongs to this session')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Remove nothing, list what would be removed')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Remove nothing, list what would be removed')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Take also what lives, is in use, or belongs to another job')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing of what was removed and kept')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing of what was removed and kept')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Everything, manual ones too')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print a JSON object per line')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'End each path with NUL, not with a newline')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;gettempdir' {
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Show every candidate, and why it was passed over')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print a JSON object per line')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tmpx;mktemp' {
            [CompletionResult]::new('--suffix', '--suffix', [CompletionResultType]::ParameterName, 'Put SUFFIX after TEMPLATE, which then must end in X')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Make it in DIR')
            [CompletionResult]::new('--tmpdir', '--tmpdir', [CompletionResultType]::ParameterName, 'Make it in DIR [default: $TMPDIR, else /tmp]')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Make a directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Make a directory')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'Print a name that is free, and make nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print a name that is free, and make nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Do not say why nothing could be made')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Do not say why nothing could be made')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Make it in $TMPDIR, else in the directory of -p, else in /tmp')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
