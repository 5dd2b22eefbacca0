package udpsock

type descriptor = int

// Of ip(7) and ipv6(7): IP_MTU_DISCOVER and its values.
const (
	optDontFragment  = 10
	optDontFragment6 = 23
	mayFragment      = 0 // no DF bit
	dontFragment     = 3 // DF bit, whatever the MTU known for the path
)
