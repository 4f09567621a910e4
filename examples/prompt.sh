#!/bin/sh
# A shell prompt that shows the state of a large repository without waiting for it.
#
#   prompt.sh          prints the branch, and a star if there are changes
#
# To use it:
#   bash:  PS1='$(prompt.sh)$ '
#   zsh:   setopt prompt_subst; PS1='$(prompt.sh)%# '
#   fish:  function fish_prompt; prompt.sh; echo '> '; end
#
# Within two seconds, the answer is the last one. Later it is still the last one, at once, while
# git runs in the background for the next prompt. After ten minutes the prompt waits for git.
set -eu

tmpx cache run --stale 2s --ttl 10m -- sh -c '
    git rev-parse --is-inside-work-tree >/dev/null 2>&1 || exit 0
    branch=$(git symbolic-ref --short HEAD 2>/dev/null || git rev-parse --short HEAD)
    [ -z "$(git status --porcelain)" ] || branch=$branch\*
    printf "(%s) " "$branch"
'
