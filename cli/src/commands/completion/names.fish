
function __koan_names
    set -l typed (commandline -opc)
    command $typed[1] complete-names $typed[2..-1] 2>/dev/null
end
complete -c koan -n "__fish_seen_subcommand_from up status why logs env wait down" -f -a "(__koan_names)"
