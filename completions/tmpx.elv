
use builtin;
use str;

set edit:completion:arg-completer[tmpx] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'tmpx'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'tmpx'= {
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand file 'Create a file and print its path'
            cand dir 'Create a directory and print its path'
            cand workspace 'Create a workspace with a private TMPDIR and print its path'
            cand exec 'Run a command in a workspace, then remove the workspace'
            cand spool 'Buffer standard input to its end, in memory or an unnamed file'
            cand replace 'Replace a file''s content atomically, from stdin or a command'
            cand chunk 'Run a command on chunks of records, or write chunk files'
            cand cache 'Keep a command''s output for a while'
            cand list 'List what tmpx created, and its state'
            cand cleanup 'Remove what has ended, or what you select'
            cand gettempdir 'Print the directory for temporary files'
            cand mktemp 'Create a file or directory; a drop-in for GNU mktemp'
            cand completions 'Print the completion script of a shell'
        }
        &'tmpx;file'= {
            cand --from 'Fill it from SRC, or from standard input if SRC is ''-'''
            cand --count 'Create N of them, and print one path per line'
            cand -p 'Create it in DIR [default: the temp dir]'
            cand --dir 'Create it in DIR [default: the temp dir]'
            cand --prefix 'Start the name with S [default: tmp.]'
            cand -s 'End the name with S'
            cand --suffix 'End the name with S'
            cand --name 'Use this name, or a_1.csv for a.csv if it is taken'
            cand -m 'Set this mode exactly [default: 600, directories 700, minus the umask]'
            cand --mode 'Set this mode exactly [default: 600, directories 700, minus the umask]'
            cand --until-exit 'Remove it when PID exits [default: calling script]'
            cand --ttl 'Remove it after this time (90, 15m, 1h30m, 2d)'
            cand --session 'Add it to a session: a name by which cleanup and list find it'
            cand --keep 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL'
            cand --json 'Print one JSON object per line'
            cand -0 'End each path with NUL instead of a newline'
            cand --null 'End each path with NUL instead of a newline'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;dir'= {
            cand --count 'Create N of them, and print one path per line'
            cand -p 'Create it in DIR [default: the temp dir]'
            cand --dir 'Create it in DIR [default: the temp dir]'
            cand --prefix 'Start the name with S [default: tmp.]'
            cand -s 'End the name with S'
            cand --suffix 'End the name with S'
            cand --name 'Use this name, or a_1.csv for a.csv if it is taken'
            cand -m 'Set this mode exactly [default: 600, directories 700, minus the umask]'
            cand --mode 'Set this mode exactly [default: 600, directories 700, minus the umask]'
            cand --until-exit 'Remove it when PID exits [default: calling script]'
            cand --ttl 'Remove it after this time (90, 15m, 1h30m, 2d)'
            cand --session 'Add it to a session: a name by which cleanup and list find it'
            cand --keep 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL'
            cand --json 'Print one JSON object per line'
            cand -0 'End each path with NUL instead of a newline'
            cand --null 'End each path with NUL instead of a newline'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;workspace'= {
            cand --mkdir 'Create a directory in it; may be repeated'
            cand --in 'Copy a file or directory into it; may be repeated'
            cand -p 'Create it in DIR [default: the temp dir]'
            cand --dir 'Create it in DIR [default: the temp dir]'
            cand --prefix 'Start the name with S [default: tmp.]'
            cand -s 'End the name with S'
            cand --suffix 'End the name with S'
            cand --name 'Use this name, or a_1.csv for a.csv if it is taken'
            cand -m 'Set this mode exactly [default: 600, directories 700, minus the umask]'
            cand --mode 'Set this mode exactly [default: 600, directories 700, minus the umask]'
            cand --until-exit 'Remove it when PID exits [default: calling script]'
            cand --ttl 'Remove it after this time (90, 15m, 1h30m, 2d)'
            cand --session 'Add it to a session: a name by which cleanup and list find it'
            cand --keep 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL'
            cand --json 'Print one JSON object per line'
            cand -0 'End each path with NUL instead of a newline'
            cand --null 'End each path with NUL instead of a newline'
            cand --export 'Print ''export TMPX_WORKSPACE=... TMPDIR=...'' for eval'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;exec'= {
            cand --mkdir 'Create a directory in it; may be repeated'
            cand --in 'Copy a file or directory into it; may be repeated'
            cand --out 'On success, save what matches GLOB (to DEST)'
            cand --out-always 'Save what matches GLOB, whatever the status'
            cand --keep 'Keep the workspace: always or on-failure'
            cand --timeout 'End the command after this time (status 124)'
            cand --kill-after 'Send SIGKILL to what still runs this long after --timeout'
            cand --anon-fd 'Open an unnamed file for the command, as descriptor N'
            cand --report 'Write a JSON report on the command to FILE'
            cand --session 'Add the workspace to a session, a name for cleanup and list'
            cand -p 'Create it in DIR [default: the temp dir]'
            cand --dir 'Create it in DIR [default: the temp dir]'
            cand --prefix 'Start the name with S [default: tmp.]'
            cand -s 'End the name with S'
            cand --suffix 'End the name with S'
            cand --name 'Use this name, or a_1.csv for a.csv if it is taken'
            cand -m 'Set this mode exactly [default: 600, directories 700, minus the umask]'
            cand --mode 'Set this mode exactly [default: 600, directories 700, minus the umask]'
            cand --here 'Run in the current directory instead'
            cand --private-tmp 'Give the command its own /tmp and /var/tmp'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;spool'= {
            cand --max-size 'Hold at most this much in memory'
            cand -p 'Create the unnamed file in DIR [default: the temp dir]'
            cand --dir 'Create the unnamed file in DIR [default: the temp dir]'
            cand --suffix 'End the name of the file {} with S, as in .c'
            cand -I 'Replace the argument STR by the path, not {}'
            cand --report 'Write a JSON report to FILE'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;replace'= {
            cand -I 'Replace the argument STR by the path, not {}'
            cand --report 'Write a JSON report to this file'
            cand -a 'Keep the old content, and add the new content after it'
            cand --append 'Keep the old content, and add the new content after it'
            cand --no-empty 'Leave FILE alone if the new content is empty'
            cand --sync 'Return only when the new content is safe from a power cut'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;chunk'= {
            cand --rows 'Put N records into each chunk'
            cand --bytes 'Put up to SIZE of records in a chunk [default: 16M]'
            cand -j 'Run N commands at once [default: the number of cores]'
            cand --jobs 'Run N commands at once [default: the number of cores]'
            cand -o 'Write the outputs to FILE once all have succeeded'
            cand --output 'Write the outputs to FILE once all have succeeded'
            cand --format 'Read the inputs as csv, tsv, ndjson, json or lines'
            cand --merge 'Join the outputs under one header, or in one array'
            cand --to 'Convert the records to ndjson or json'
            cand --header 'Repeat the first N records in each chunk [default: 1 for csv and tsv]'
            cand --delimiter 'Separate fields of CSV at C [default: the most frequent of , ; tab |]'
            cand -p 'Create files in DIR [default: the temp dir]'
            cand --dir 'Create files in DIR [default: the temp dir]'
            cand --report 'Write a JSON report to FILE'
            cand --session 'Add it to a session: a name by which cleanup and list find it'
            cand --until-exit 'Remove it when PID exits [default: calling script]'
            cand --ttl 'Remove it after this time (90, 15m, 1h30m, 2d)'
            cand --keep 'Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL'
            cand -0 'End each path with NUL instead of a newline'
            cand --null 'End each path with NUL instead of a newline'
            cand --json 'Print one JSON object per line'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;cache'= {
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand run 'Print what a command printed before, or run it'
            cand get 'Print what ''set'' stored under a key'
            cand set 'Store standard input under a key'
            cand clear 'Remove what is stored'
            cand list 'List what is stored'
        }
        &'tmpx;cache;run'= {
            cand --ttl 'Run it again if the output is this old [default: 1h]'
            cand --stale 'From this age on, print the old output and refresh it'
            cand --key 'Distinguish outputs by S too; may be repeated'
            cand --key-env 'Distinguish them by this variable; may be repeated'
            cand --key-file 'Distinguish them by a file''s content; may be repeated'
            cand --max-bytes 'Keep at most this much in all [default: 1G]'
            cand --report 'Write a JSON report to FILE'
            cand --refresh 'Run the command in any case, and keep its output'
            cand --key-stdin 'Distinguish them by the input, which the command reads'
            cand --ignore-cwd 'Print outputs from other working directories too'
            cand --cache-failures 'Keep the outputs of runs that fail'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;cache;get'= {
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;cache;set'= {
            cand --ttl 'Keep it for this long [default: 1h]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;cache;clear'= {
            cand -q 'Do not print how many entries were removed'
            cand --quiet 'Do not print how many entries were removed'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;cache;list'= {
            cand --json 'Print one JSON object per line'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;list'= {
            cand --older-than 'Only resources at least this old (90, 15m, 2d)'
            cand --session 'Only resources of this session'
            cand --json 'Print one JSON object per line'
            cand -0 'End each path with NUL instead of a newline'
            cand --null 'End each path with NUL instead of a newline'
            cand --all 'Everything (the default)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;cleanup'= {
            cand --older-than 'Only resources at least this old (90, 15m, 2d)'
            cand --session 'Only resources of this session'
            cand -n 'Print what would be removed, but remove nothing'
            cand --dry-run 'Print what would be removed, but remove nothing'
            cand --other-jobs 'Also remove what is another job''s, or unknown'
            cand --forget 'End the leases of what is out of sight, and remove nothing'
            cand --force 'Also remove what is live, in use, unknown or another job''s'
            cand -q 'Print neither removed paths nor totals, only problems'
            cand --quiet 'Print neither removed paths nor totals, only problems'
            cand --all 'All resources, including manual and timed ones'
            cand --json 'Print one JSON object per line'
            cand -0 'End each path with NUL instead of a newline'
            cand --null 'End each path with NUL instead of a newline'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;gettempdir'= {
            cand --all 'Show every candidate, and why it was skipped'
            cand --json 'Print one JSON object per line'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;mktemp'= {
            cand --suffix 'Append SUFFIX to TEMPLATE, which must then end in X'
            cand -p 'Create it in DIR'
            cand --tmpdir 'Create it in DIR [default: $TMPDIR, else /tmp]'
            cand -d 'Create a directory'
            cand --directory 'Create a directory'
            cand -u 'Print an unused name, and create nothing'
            cand --dry-run 'Print an unused name, and create nothing'
            cand -q 'Print no message if the creation fails'
            cand --quiet 'Print no message if the creation fails'
            cand -t 'Create it in $TMPDIR, else in -p''s DIR, else in /tmp'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'tmpx;completions'= {
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
