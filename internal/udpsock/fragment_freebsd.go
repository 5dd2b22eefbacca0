package udpsock

// Of ip(4) and ip6(4).
const (
	optDontFragment  = 67
	optDontFragment6 = 62
)
