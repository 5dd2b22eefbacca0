//go:build !linux

package browser

import "os/exec"

// detach does nothing: process groups are a matter of the system.
func detach(*exec.Cmd) {}

// killGroup ends the started command; browsers end their children with them.
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
