//go:build !amd64 && !386

package udpsock

import "syscall"

// sysSendmmsg is the number of sendmmsg(2).
const sysSendmmsg = syscall.SYS_SENDMMSG
