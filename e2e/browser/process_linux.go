package browser

import (
	"os/exec"
	"syscall"
)

// Tie, called before Start, puts the command into a process group of its own,
// and has the kernel end it when this process dies without having done so.
func Tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// KillGroup ends the process group that a started command leads, which Tie has put there. The group
// id cannot have been given to others as long as the command is not waited for
// or a process of the group lives.
func KillGroup(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
