/**
 * What a shell loads to complete `heddle`: it asks `heddle __complete` with the words typed so far, and gets one candidate a
 * line, with what it is behind a tab; or ":files" where the shell's own completion of files is meant.
 */

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export const scripts: Readonly<Record<Shell, string>> = {
  bash: `# heddle in bash: source <(heddle completion bash)
_heddle() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ":files" ]]; then
      compopt -o default 2>/dev/null
      return
    fi
    COMPREPLY+=("$(printf '%q' "\${line%%$'\\t'*}")")
  done < <(heddle __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _heddle heddle
`,
  zsh: `#compdef heddle
# heddle in zsh: source <(heddle completion zsh)
_heddle() {
  local line
  local -a values shown
  while IFS= read -r line; do
    if [[ $line == ":files" ]]; then
      _files
      return
    fi
    values+=("\${line%%$'\\t'*}")
    shown+=("\${line/$'\\t'/  -- }")
  done < <(heddle __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  compadd -V heddle -l -d shown -a values
}
if [[ $funcstack[1] == _heddle ]]; then
  _heddle "$@"
else
  compdef _heddle heddle
fi
`,
  fish: `# heddle in fish: heddle completion fish | source
function __heddle_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    set -l found (heddle __complete $words "$current" 2>/dev/null)
    if test "$found" = ":files"
        __fish_complete_path "$current"
    else if test (count $found) -gt 0
        printf '%s\\n' $found
    end
end
complete -c heddle -f -a '(__heddle_complete)'
`,
};
