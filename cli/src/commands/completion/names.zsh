_koan_names() {
    local -a typed found
    local start
    typed=(${(z)LBUFFER})
    [[ "$LBUFFER" == *[[:space:]] ]] || typed=(${typed[1,-2]})
    start=${typed[(I)*koan]}
    (( start )) || return 1
    found=(${(f)"$(command ${(Q)typed[start]} complete-names ${(Q)typed[start+1,-1]} 2>/dev/null)"})
    compadd -a found
}

