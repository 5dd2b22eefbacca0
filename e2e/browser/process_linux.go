package browser

import (
	"os/exec"
	"syscall"
)

// detach puts the command into a process group of its own, which killGroup
// ends, and has the kernel end the command if this process dies without.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup ends the process group that the started command leads. The group
// id cannot have been given to others as long as the command is not waited for
// or a process of the group lives.
func killGroup(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
