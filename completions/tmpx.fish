# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tmpx_global_optspecs
    string join \n h/help V/version
end

function __fish_tmpx_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tmpx_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tmpx_using_subcommand
    set -l cmd (__fish_tmpx_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tmpx -n "__fish_tmpx_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_needs_command" -s V -l version -d 'Print version'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "file" -d 'Create a file and print its path'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "dir" -d 'Create a directory and print its path'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "workspace" -d 'Create a workspace with a private TMPDIR and print its path'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "exec" -d 'Run a command in a workspace, then remove the workspace'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "spool" -d 'Buffer standard input to its end, in memory or an unnamed file'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "replace" -d 'Replace a file\'s content atomically, from stdin or a command'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "chunk" -d 'Run a command on chunks of records, or write chunk files'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "cache" -d 'Keep a command\'s output for a while'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "list" -d 'List what tmpx created, and its state'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "cleanup" -d 'Remove what has ended, or what you select'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "gettempdir" -d 'Print the directory for temporary files'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "mktemp" -d 'Create a file or directory; a drop-in for GNU mktemp'
complete -c tmpx -n "__fish_tmpx_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l from -d 'Fill it from SRC, or from standard input if SRC is \'-\'' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l count -d 'Create N of them, and print one path per line' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -s p -l dir -d 'Create it in DIR [default: the temp dir]' -r -f -a "(__fish_complete_directories)"
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l prefix -d 'Start the name with S [default: tmp.]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -s s -l suffix -d 'End the name with S' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l name -d 'Use this name, or a_1.csv for a.csv if it is taken' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -s m -l mode -d 'Set this mode exactly [default: 600, directories 700, minus the umask]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l until-exit -d 'Remove it when PID exits [default: calling script]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l ttl -d 'Remove it after this time (90, 15m, 1h30m, 2d)' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l session -d 'Add it to a session: a name by which cleanup and list find it' -x -a "(__fish_tmpx_sessions)"
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l keep -d 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL'
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -l json -d 'Print one JSON object per line'
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -s 0 -l null -d 'End each path with NUL instead of a newline'
complete -c tmpx -n "__fish_tmpx_using_subcommand file" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -l count -d 'Create N of them, and print one path per line' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -s p -l dir -d 'Create it in DIR [default: the temp dir]' -r -f -a "(__fish_complete_directories)"
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -l prefix -d 'Start the name with S [default: tmp.]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -s s -l suffix -d 'End the name with S' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -l name -d 'Use this name, or a_1.csv for a.csv if it is taken' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -s m -l mode -d 'Set this mode exactly [default: 600, directories 700, minus the umask]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -l until-exit -d 'Remove it when PID exits [default: calling script]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -l ttl -d 'Remove it after this time (90, 15m, 1h30m, 2d)' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -l session -d 'Add it to a session: a name by which cleanup and list find it' -x -a "(__fish_tmpx_sessions)"
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -l keep -d 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL'
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -l json -d 'Print one JSON object per line'
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -s 0 -l null -d 'End each path with NUL instead of a newline'
complete -c tmpx -n "__fish_tmpx_using_subcommand dir" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l mkdir -d 'Create a directory in it; may be repeated' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l in -d 'Copy a file or directory into it; may be repeated' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -s p -l dir -d 'Create it in DIR [default: the temp dir]' -r -f -a "(__fish_complete_directories)"
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l prefix -d 'Start the name with S [default: tmp.]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -s s -l suffix -d 'End the name with S' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l name -d 'Use this name, or a_1.csv for a.csv if it is taken' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -s m -l mode -d 'Set this mode exactly [default: 600, directories 700, minus the umask]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l until-exit -d 'Remove it when PID exits [default: calling script]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l ttl -d 'Remove it after this time (90, 15m, 1h30m, 2d)' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l session -d 'Add it to a session: a name by which cleanup and list find it' -x -a "(__fish_tmpx_sessions)"
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l keep -d 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL'
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l json -d 'Print one JSON object per line'
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -s 0 -l null -d 'End each path with NUL instead of a newline'
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -l export -d 'Print \'export TMPX_WORKSPACE=... TMPDIR=...\' for eval'
complete -c tmpx -n "__fish_tmpx_using_subcommand workspace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l mkdir -d 'Create a directory in it; may be repeated' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l in -d 'Copy a file or directory into it; may be repeated' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l out -d 'On success, save what matches GLOB (to DEST)' -r
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l out-always -d 'Save what matches GLOB, whatever the status' -r
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l keep -d 'Keep the workspace: always or on-failure' -r -f -a "always\t'However the command ends'
on-failure\t'If the command fails'"
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l timeout -d 'End the command after this time (status 124)' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l kill-after -d 'Send SIGKILL to what still runs this long after --timeout' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l anon-fd -d 'Open an unnamed file for the command, as descriptor N' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l report -d 'Write a JSON report on the command to FILE' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l session -d 'Add the workspace to a session, a name for cleanup and list' -x -a "(__fish_tmpx_sessions)"
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -s p -l dir -d 'Create it in DIR [default: the temp dir]' -r -f -a "(__fish_complete_directories)"
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l prefix -d 'Start the name with S [default: tmp.]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -s s -l suffix -d 'End the name with S' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l name -d 'Use this name, or a_1.csv for a.csv if it is taken' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -s m -l mode -d 'Set this mode exactly [default: 600, directories 700, minus the umask]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l here -d 'Run in the current directory instead'
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -l private-tmp -d 'Give the command its own /tmp and /var/tmp'
complete -c tmpx -n "__fish_tmpx_using_subcommand exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand spool" -l max-size -d 'Hold at most this much in memory' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand spool" -s p -l dir -d 'Create the unnamed file in DIR [default: the temp dir]' -r -f -a "(__fish_complete_directories)"
complete -c tmpx -n "__fish_tmpx_using_subcommand spool" -l suffix -d 'End the name of the file {} with S, as in .c' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand spool" -s I -d 'Replace the argument STR by the path, not {}' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand spool" -l report -d 'Write a JSON report to FILE' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand spool" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand replace" -s I -d 'Replace the argument STR by the path, not {}' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand replace" -l report -d 'Write a JSON report to this file' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand replace" -s a -l append -d 'Keep the old content, and add the new content after it'
complete -c tmpx -n "__fish_tmpx_using_subcommand replace" -l no-empty -d 'Leave FILE alone if the new content is empty'
complete -c tmpx -n "__fish_tmpx_using_subcommand replace" -l sync -d 'Return only when the new content is safe from a power cut'
complete -c tmpx -n "__fish_tmpx_using_subcommand replace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l rows -d 'Put N records into each chunk' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l bytes -d 'Put up to SIZE of records in a chunk [default: 16M]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -s j -l jobs -d 'Run N commands at once [default: the number of cores]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -s o -l output -d 'Write the outputs to FILE once all have succeeded' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l format -d 'Read the inputs as csv, tsv, ndjson, json or lines' -r
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l merge -d 'Join the outputs under one header, or in one array' -r
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l to -d 'Convert the records to ndjson or json' -r
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l header -d 'Repeat the first N records in each chunk [default: 1 for csv and tsv]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l delimiter -d 'Separate fields of CSV at C [default: the most frequent of , ; tab |]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -s p -l dir -d 'Create files in DIR [default: the temp dir]' -r -f -a "(__fish_complete_directories)"
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l report -d 'Write a JSON report to FILE' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l session -d 'Add it to a session: a name by which cleanup and list find it' -x -a "(__fish_tmpx_sessions)"
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l until-exit -d 'Remove it when PID exits [default: calling script]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l ttl -d 'Remove it after this time (90, 15m, 1h30m, 2d)' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l keep -d 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL'
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -s 0 -l null -d 'End each path with NUL instead of a newline'
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -l json -d 'Print one JSON object per line'
complete -c tmpx -n "__fish_tmpx_using_subcommand chunk" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and not __fish_seen_subcommand_from run get set clear list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and not __fish_seen_subcommand_from run get set clear list" -f -a "run" -d 'Print what a command printed before, or run it'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and not __fish_seen_subcommand_from run get set clear list" -f -a "get" -d 'Print what \'set\' stored under a key'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and not __fish_seen_subcommand_from run get set clear list" -f -a "set" -d 'Store standard input under a key'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and not __fish_seen_subcommand_from run get set clear list" -f -a "clear" -d 'Remove what is stored'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and not __fish_seen_subcommand_from run get set clear list" -f -a "list" -d 'List what is stored'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l ttl -d 'Run it again if the output is this old [default: 1h]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l stale -d 'From this age on, print the old output and refresh it' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l key -d 'Distinguish outputs by S too; may be repeated' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l key-env -d 'Distinguish them by this variable; may be repeated' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l key-file -d 'Distinguish them by a file\'s content; may be repeated' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l max-bytes -d 'Keep at most this much in all [default: 1G]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l report -d 'Write a JSON report to FILE' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l refresh -d 'Run the command in any case, and keep its output'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l key-stdin -d 'Distinguish them by the input, which the command reads'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l ignore-cwd -d 'Print outputs from other working directories too'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -l cache-failures -d 'Keep the outputs of runs that fail'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from set" -l ttl -d 'Keep it for this long [default: 1h]' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from clear" -s q -l quiet -d 'Do not print how many entries were removed'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from clear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON object per line'
complete -c tmpx -n "__fish_tmpx_using_subcommand cache; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand list" -l older-than -d 'Only resources at least this old (90, 15m, 2d)' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand list" -l session -d 'Only resources of this session' -x -a "(__fish_tmpx_sessions)"
complete -c tmpx -n "__fish_tmpx_using_subcommand list" -l json -d 'Print one JSON object per line'
complete -c tmpx -n "__fish_tmpx_using_subcommand list" -s 0 -l null -d 'End each path with NUL instead of a newline'
complete -c tmpx -n "__fish_tmpx_using_subcommand list" -l all -d 'Everything (the default)'
complete -c tmpx -n "__fish_tmpx_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -l older-than -d 'Only resources at least this old (90, 15m, 2d)' -r -f
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -l session -d 'Only resources of this session' -x -a "(__fish_tmpx_sessions)"
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -s n -l dry-run -d 'Print what would be removed, but remove nothing'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -l other-jobs -d 'Also remove what is another job\'s, or unknown'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -l forget -d 'End the leases of what is out of sight, and remove nothing'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -l force -d 'Also remove what is live, in use, unknown or another job\'s'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -s q -l quiet -d 'Print neither removed paths nor totals, only problems'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -l all -d 'All resources, including manual and timed ones'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -l json -d 'Print one JSON object per line'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -s 0 -l null -d 'End each path with NUL instead of a newline'
complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand gettempdir" -l all -d 'Show every candidate, and why it was skipped'
complete -c tmpx -n "__fish_tmpx_using_subcommand gettempdir" -l json -d 'Print one JSON object per line'
complete -c tmpx -n "__fish_tmpx_using_subcommand gettempdir" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -l suffix -d 'Append SUFFIX to TEMPLATE, which must then end in X' -r
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -s p -d 'Create it in DIR' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -l tmpdir -d 'Create it in DIR [default: $TMPDIR, else /tmp]' -r -F
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -s d -l directory -d 'Create a directory'
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -s u -l dry-run -d 'Print an unused name, and create nothing'
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -s q -l quiet -d 'Print no message if the creation fails'
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -s t -d 'Create it in $TMPDIR, else in -p\'s DIR, else in /tmp'
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -l help -d 'Print help'
complete -c tmpx -n "__fish_tmpx_using_subcommand mktemp" -s V -l version -d 'Print version'
complete -c tmpx -n "__fish_tmpx_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'

# Completes what only a run of tmpx or the completion of another command knows.
function __fish_tmpx_sessions
    command tmpx list --json 2>/dev/null | string match -rg '"session":"([^"\\\\]*)"' | sort -u
end

function __fish_tmpx_after_dashes
    set -l words (commandline -opc)
    contains -- -- $words
end

function __fish_tmpx_command
    set -l words (commandline -opc) (commandline -ct)
    set -l at (contains -i -- -- $words)
    set -e words[1..$at]
    set -l last $words[-1]
    set -e words[-1]
    complete -C (string join ' ' -- (string escape -- $words) $last)
end

complete -c tmpx -n "__fish_tmpx_using_subcommand cleanup list" -x -a "(command tmpx list 2>/dev/null)"
complete -c tmpx -n "__fish_tmpx_using_subcommand exec; and not __fish_tmpx_after_dashes" -x -a "(__fish_complete_subcommand --fcs-skip=2 -m -p -s --anon-fd --dir --in --key --key-env --key-file --kill-after --max-bytes --mkdir --mode --name --out --out-always --prefix --report --session --stale --suffix --timeout --ttl)"
complete -c tmpx -n "__fish_tmpx_using_subcommand exec spool replace chunk cache; and __fish_tmpx_after_dashes" -x -a "(__fish_tmpx_command)"
