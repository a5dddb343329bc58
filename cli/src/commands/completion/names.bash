
_koan_names() {
    _koan "$@"
    local current="${COMP_WORDS[COMP_CWORD]}" word
    local -a kept=()
    for word in "${COMPREPLY[@]}"; do
        case "$word" in
            "["* | "<"*) ;;
            *) kept+=("$word") ;;
        esac
    done
    COMPREPLY=("${kept[@]}")
    case "$current" in
        -*) return 0 ;;
    esac
    while IFS= read -r word; do
        case "$word" in
            "$current"*) COMPREPLY+=("$word") ;;
        esac
    done < <("${COMP_WORDS[0]}" complete-names "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
    return 0
}
complete -F _koan_names -o bashdefault -o default koan
