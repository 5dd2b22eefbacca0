package udpsock

import "syscall"

type descriptor = syscall.Handle

// Of ws2ipdef.h: IP_DONTFRAGMENT and IPV6_DONTFRAG.
const (
	optDontFragment  = 14
	optDontFragment6 = 14
	mayFragment      = 0
	dontFragment     = 1
)
