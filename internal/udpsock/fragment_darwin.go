package udpsock

type descriptor = int

// Of netinet/in.h and netinet6/in6.h, since macOS 11. Sockets of IPv6 take the first of
// them since macOS 15.
const (
	optDontFragment  = 28
	optDontFragment6 = 62
	mayFragment      = 0
	dontFragment     = 1
)
