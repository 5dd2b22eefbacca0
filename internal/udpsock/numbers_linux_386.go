package udpsock

// Numbers of system calls, which package syscall lacks here. Those of sendto(2) and recvfrom(2) came
// with Linux 4.3: 0 stands for none.
const (
	sysSendmmsg = 345
	sysSendto   = 0
	sysRecvfrom = 0
)
