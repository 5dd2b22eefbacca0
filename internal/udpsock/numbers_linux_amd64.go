package udpsock

import "syscall"

// Numbers of system calls. Package syscall lacks that of sendmmsg(2) here.
const (
	sysSendmmsg = 307
	sysSendto   = syscall.SYS_SENDTO
	sysRecvfrom = syscall.SYS_RECVFROM
)
