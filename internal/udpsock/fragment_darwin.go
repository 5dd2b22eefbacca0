package udpsock

// Of netinet/in.h and netinet6/in6.h, since macOS 11.
const (
	optDontFragment  = 28
	optDontFragment6 = 62
)
