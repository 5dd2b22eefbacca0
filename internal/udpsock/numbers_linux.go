//go:build !amd64 && !386

package udpsock

import "syscall"

// Numbers of system calls.
const (
	sysSendmmsg = syscall.SYS_SENDMMSG
	sysSendto   = syscall.SYS_SENDTO
	sysRecvfrom = syscall.SYS_RECVFROM
)
