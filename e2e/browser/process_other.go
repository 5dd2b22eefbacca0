//go:build !linux

package browser

import "os/exec"

// Tie does nothing: this is a matter of the system.
func Tie(*exec.Cmd) {}

// KillGroup ends the started command; browsers end their children with them.
func KillGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
