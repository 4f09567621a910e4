
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
            cand file 'Make a file and print its path'
            cand dir 'Make a directory and print its path'
            cand workspace 'Make a directory with a layout and a private TMPDIR, and print its path'
            cand exec 'Run a command in a workspace that is gone when it ends'
            cand spool 'Hold standard input until its end, in memory or a file that nobody sees'
            cand replace 'Put standard input in the place of a file, whole or not at all'
            cand list 'List what is there and in what state it is'
            cand cleanup 'Remove what is no longer wanted'
            cand gettempdir 'Print the directory that temporary files go to'
            cand mktemp 'Make a file or directory, option for option as GNU mktemp'
        }
        &'tmpx;file'= {
            cand --from 'Fill it from a file, or from standard input if SRC is ''-'''
            cand --name 'Make exactly this name, or a numbered one if it is taken (x_1 for x, a_1.csv for a.csv)'
            cand --count 'Make N of them, and print a line each'
            cand -p 'Make it in DIR, not in the temp dir'
            cand --dir 'Make it in DIR, not in the temp dir'
            cand --prefix 'Begin the name with S, not with ''tmp.'''
            cand -s 'End the name with S'
            cand --suffix 'End the name with S'
            cand -m 'Give it exactly this mode, not 600 or 700 less the umask'
            cand --mode 'Give it exactly this mode, not 600 or 700 less the umask'
            cand --until-exit 'Let it go when PID exits, or the calling script if no PID is given'
            cand --ttl 'Let it go after this time (90, 300ms, 15m, 1h30m, 2d)'
            cand --session 'Make it part of a session: a name by which cleanup and list find it'
            cand --keep 'Keep it until a cleanup asks for it, whatever TMPX_UNTIL_EXIT and TMPX_TTL say'
            cand --json 'Print a JSON object per line'
            cand -0 'End each path with NUL, not with a newline'
            cand --null 'End each path with NUL, not with a newline'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;dir'= {
            cand --name 'Make exactly this name, or a numbered one if it is taken (x_1 for x, a_1.csv for a.csv)'
            cand --count 'Make N of them, and print a line each'
            cand -p 'Make it in DIR, not in the temp dir'
            cand --dir 'Make it in DIR, not in the temp dir'
            cand --prefix 'Begin the name with S, not with ''tmp.'''
            cand -s 'End the name with S'
            cand --suffix 'End the name with S'
            cand -m 'Give it exactly this mode, not 600 or 700 less the umask'
            cand --mode 'Give it exactly this mode, not 600 or 700 less the umask'
            cand --until-exit 'Let it go when PID exits, or the calling script if no PID is given'
            cand --ttl 'Let it go after this time (90, 300ms, 15m, 1h30m, 2d)'
            cand --session 'Make it part of a session: a name by which cleanup and list find it'
            cand --keep 'Keep it until a cleanup asks for it, whatever TMPX_UNTIL_EXIT and TMPX_TTL say'
            cand --json 'Print a JSON object per line'
            cand -0 'End each path with NUL, not with a newline'
            cand --null 'End each path with NUL, not with a newline'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;workspace'= {
            cand --mkdir 'Make a directory in it (may be given several times)'
            cand --in 'Copy a file or directory into it, perhaps under another name (may be given several times)'
            cand -p 'Make it in DIR, not in the temp dir'
            cand --dir 'Make it in DIR, not in the temp dir'
            cand --prefix 'Begin the name with S, not with ''tmp.'''
            cand -s 'End the name with S'
            cand --suffix 'End the name with S'
            cand -m 'Give it exactly this mode, not 600 or 700 less the umask'
            cand --mode 'Give it exactly this mode, not 600 or 700 less the umask'
            cand --until-exit 'Let it go when PID exits, or the calling script if no PID is given'
            cand --ttl 'Let it go after this time (90, 300ms, 15m, 1h30m, 2d)'
            cand --session 'Make it part of a session: a name by which cleanup and list find it'
            cand --keep 'Keep it until a cleanup asks for it, whatever TMPX_UNTIL_EXIT and TMPX_TTL say'
            cand --json 'Print a JSON object per line'
            cand -0 'End each path with NUL, not with a newline'
            cand --null 'End each path with NUL, not with a newline'
            cand --export 'Print ''export TMPX_WORKSPACE=... TMPDIR=...'', for eval'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;exec'= {
            cand --mkdir 'Make a directory in it (may be given several times)'
            cand --in 'Copy a file or directory into it, perhaps under another name (may be given several times)'
            cand --out 'If the command succeeds, save what matches GLOB, here or to DEST'
            cand --out-always 'However the command ends, save what matches GLOB, if anything does'
            cand --keep 'Keep the workspace, and say where it is'
            cand --timeout 'Ask the command to end (SIGTERM) when it takes longer than this; the status is 124 then'
            cand --kill-after 'Kill it (SIGKILL) if it goes on this much longer'
            cand --anon-fd 'Give the command an unnamed file, open for reading and writing, as descriptor N'
            cand --report 'Write what came of the command to FILE, as JSON'
            cand --session 'Make the workspace part of a session: a name by which cleanup and list find it'
            cand -p 'Make it in DIR, not in the temp dir'
            cand --dir 'Make it in DIR, not in the temp dir'
            cand --prefix 'Begin the name with S, not with ''tmp.'''
            cand -s 'End the name with S'
            cand --suffix 'End the name with S'
            cand -m 'Give it exactly this mode, not 600 or 700 less the umask'
            cand --mode 'Give it exactly this mode, not 600 or 700 less the umask'
            cand --here 'Run in the current directory, not in the workspace'
            cand --private-tmp 'Give the command a /tmp and a /var/tmp of its own, which go with the workspace'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;spool'= {
            cand --max-size 'Keep up to this much in memory (64K, 10M, 2G), and more in a file without a name'
            cand -p 'Make that file in DIR, not in the temp dir'
            cand --dir 'Make that file in DIR, not in the temp dir'
            cand -I 'Let STR stand for the path, not {}'
            cand --report 'Write a JSON object to FILE, whole: bytes, held_in, rolled_over, path, status'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;replace'= {
            cand --report 'Write a JSON object to a file, whole: path, bytes, replaced, status'
            cand -a 'Keep what FILE holds, and put the new content after it'
            cand --append 'Keep what FILE holds, and put the new content after it'
            cand --no-empty 'Leave FILE alone if the new content is empty'
            cand --sync 'Return when the new content is on the disk, and outlasts a power cut'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;list'= {
            cand --older-than 'Only what is at least this old (90, 15m, 2d)'
            cand --session 'Only what belongs to this session'
            cand --json 'Print a JSON object per line'
            cand -0 'End each path with NUL, not with a newline'
            cand --null 'End each path with NUL, not with a newline'
            cand --all 'Everything, as without a selection'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;cleanup'= {
            cand --older-than 'Only what is at least this old (90, 15m, 2d)'
            cand --session 'Only what belongs to this session'
            cand -n 'Remove nothing, list what would be removed'
            cand --dry-run 'Remove nothing, list what would be removed'
            cand --force 'Take also what lives, is in use, or belongs to another job'
            cand -q 'Say nothing of what was removed and kept'
            cand --quiet 'Say nothing of what was removed and kept'
            cand --all 'Everything, manual ones too'
            cand --json 'Print a JSON object per line'
            cand -0 'End each path with NUL, not with a newline'
            cand --null 'End each path with NUL, not with a newline'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;gettempdir'= {
            cand --all 'Show every candidate, and why it was passed over'
            cand --json 'Print a JSON object per line'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tmpx;mktemp'= {
            cand --suffix 'Put SUFFIX after TEMPLATE, which then must end in X'
            cand -p 'Make it in DIR'
            cand --tmpdir 'Make it in DIR [default: $TMPDIR, else /tmp]'
            cand -d 'Make a directory'
            cand --directory 'Make a directory'
            cand -u 'Print a name that is free, and make nothing'
            cand --dry-run 'Print a name that is free, and make nothing'
            cand -q 'Do not say why nothing could be made'
            cand --quiet 'Do not say why nothing could be made'
            cand -t 'Make it in $TMPDIR, else in the directory of -p, else in /tmp'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
        }
    ]
    $completions[$command]
}
