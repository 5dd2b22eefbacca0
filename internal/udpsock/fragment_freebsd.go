package udpsock

type descriptor = int

// Of ip(4) and ip6(4). Sockets of IPv6 do not take the first of them.
const (
	optDontFragment  = 67
	optDontFragment6 = 62
	mayFragment      = 0
	dontFragment     = 1
)
