# shellcheck shell=bash
# bash completion for fcctl
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Commands, options and what a command takes are asked of fcctl itself.

# What "fcctl [COMMAND] --help" says.
_fcctl_help () {
  "$fcctl" "$@" --help 2>/dev/null
}

_fcctl_commands () {
  _fcctl_help | sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p'
}

_fcctl_options () {
  _fcctl_help "$@" | sed -nE 's/^  (-., )?(--[a-z-]+=?).*/\2/p'
}

_fcctl_slots () {
  "$fcctl" "${directory[@]}" list --names 2>/dev/null
}

# What the option $1 takes, as help has it: DIR, FILE, ... Nothing for an option
# that takes nothing.
_fcctl_takes () {
  local words
  while read -ra words; do
    [[ " ${words[*]:1} " == *" $1 "* ]] && printf '%s' "${words[0]}"
  done < <(_fcctl_help ${command:+"$command"} |
    sed -nE 's/^  (-.)?,? ?(--[a-z-]+)=([A-Z]+) .*/\3 \1 \2/p')
}

# Into command, arguments (how many stand before the cursor) and directory.
_fcctl_look () {
  local i word
  for ((i = 1; i < cword; i++)); do
    word=${words[i]}
    case $word in
      -d | --directory) directory=(-d "${words[i + 1]}") ;;
      --directory=*) directory=("$word") ;;
    esac
    if [[ $word == -* ]]; then
      [[ -n $(_fcctl_takes "$word") ]] && ((i++))
    elif [[ -z $command ]]; then
      command=$word
    else
      ((arguments++))
    fi
  done
}

_fcctl_value () {
  case $1 in
    DIR) _filedir -d ;;
    FILE) _filedir ;;
    WHEN) _fcctl_reply 'auto always never' ;;
    BUS) _fcctl_reply 'auto session system none' ;;
    WHO) _fcctl_reply 'user group all' ;;
    KEY) _fcctl_reply 'name rate bits lag drops memory' ;;
    WHERE) _fcctl_reply 'latest key oldest live' ;;
    TYPE) _fcctl_reply 'png jpeg' ;;
    USER) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
  esac
}

_fcctl_reply () {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# By the usage line: "fcctl dump [OPTION...] SLOT [FILE]".
_fcctl_argument () {
  local usage takes
  usage=$(_fcctl_help "$command" | sed -nE 's/^ +fcctl [a-z]+ //p')
  read -ra takes <<<"${usage/'[OPTION...]'/}"
  ((${#takes[@]})) || return
  if ((arguments >= ${#takes[@]})) && [[ ${takes[-1]} == *...* ]]; then
    arguments=$((${#takes[@]} - 1))
  fi
  case ${takes[arguments]-} in
    *SLOT*) _fcctl_reply "$(_fcctl_slots)" ;;
    *WORD*) _fcctl_reply "$("$fcctl" plan --formats 2>/dev/null)" ;;
    *FILE*) _filedir ;;
  esac
}

_fcctl () {
  # shellcheck disable=SC2034 # split and prev are _init_completion's
  local cur prev words cword split
  local fcctl=$1 command='' arguments=0 takes directory=()
  _init_completion -s || return

  _fcctl_look
  takes=
  [[ $prev == -* ]] && takes=$(_fcctl_takes "$prev")
  if [[ -n $takes || $split == true ]]; then
    _fcctl_value "$takes"
  elif [[ $cur == -* ]]; then
    _fcctl_reply "$(_fcctl_options ${command:+"$command"})"
    [[ ${COMPREPLY-} == *= ]] && compopt -o nospace
  elif [[ -z $command || $command == help ]]; then
    _fcctl_reply "$(_fcctl_commands)"
  else
    _fcctl_argument
  fi
} &&
  complete -F _fcctl fcctl
