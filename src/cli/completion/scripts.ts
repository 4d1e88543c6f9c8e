/**
 * What a shell is told once: at each Tab it asks `complete`, and puts in what that answers. The first line of the
 * answer says what it is: `words`, one a line (with a tab and a few words about it), or `files` or `folders`, which
 * the shell knows better. Nothing of it is ever evaluated by the shell.
 */

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

// It is asked of the program that stands in the line, so `./switchboard` completes as well as an installed one.
// Bash 3 is still on every Mac: no mapfile, and compopt may be missing.
const bash = String.raw`# bash completion of switchboard: source <(switchboard completion bash)
_switchboard() {
  local answer line
  COMPREPLY=()
  answer=$("\${1/#\~\//$HOME/}" complete bash -- "\${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null </dev/null) || return 0
  case $answer in
    words) return 0 ;;
    files) compopt -o filenames 2>/dev/null; answer=$'\n'$(compgen -f -- "$2") ;;
    folders) compopt -o filenames 2>/dev/null; answer=$'\n'$(compgen -d -- "$2") ;;
  esac
  while IFS= read -r line; do
    [[ -z $line ]] || COMPREPLY+=("$line")
  done <<<"\${answer#*$'\n'}"
}
complete -F _switchboard switchboard
`;

const zsh = String.raw`#compdef switchboard
# zsh completion of switchboard: source <(switchboard completion zsh)
_switchboard() {
  local program=\${(Q)words[1]} line
  local -a answer values abouts
  answer=("\${(@f)$("\${program/#\~\//$HOME/}" complete zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
  case $answer[1] in
    files) _files; return ;;
    folders) _files -/; return ;;
  esac
  for line in "\${(@)answer[2,-1]}"; do
    values+=("\${line%%$'\t'*}")
    abouts+=("\${line/$'\t'/  -- }")
  done
  (( $#values )) && compadd -l -V switchboard -d abouts -a values
}
if [[ $funcstack[1] == _switchboard ]]; then
  _switchboard
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _switchboard switchboard
fi
`;

const fish = String.raw`# fish completion of switchboard: switchboard completion fish | source
function __switchboard_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] complete fish -- $words[2..-1] "$current" 2>/dev/null </dev/null)
    if test "$answer[1]" = files
        __fish_complete_path "$current"
    else if test "$answer[1]" = folders
        __fish_complete_directories "$current" ''
    else if test (count $answer) -gt 1
        printf '%s\n' $answer[2..-1]
    end
end
complete -c switchboard -f -a '(__switchboard_complete)'
`;

const scripts: Record<Shell, string> = { bash, zsh, fish };

export function scriptFor(shell: Shell): string {
  return scripts[shell].replaceAll("\\${", "${");
}
