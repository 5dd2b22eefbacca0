// Package netns runs tests in network namespaces of their own: interfaces that come
// and go, and no packet that leaves the machine.
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// timeout bounds a test in a namespace.
const timeout = 2 * time.Minute

// variable tells the process in a namespace what it is there for.
const variable = "SLUICE_TEST_NAMESPACE"

// unusable is the exit code of a process that cannot set up its namespace.
const unusable = 97

// whole is what variable says in a process of Main.
const whole = "the whole binary"

// Within says whether this process is one that Main made, in a namespace.
func Within() bool { return os.Getenv(variable) == whole }

// Main runs a whole test binary, of which run is the tests, in a network namespace of its
// own in which the ip commands have been carried out, and returns the exit code. TestMain
// calls it last; what it has done before it does twice, outside and inside. Where namespaces are not permitted
// it says so on standard error and runs the tests outside.
func Main(run func() int, commands ...string) (code int) {
	if Within() {
		for _, c := range commands {
			if err := ip(c); err != nil {
				fmt.Fprintln(os.Stderr, "netns:", err)
				return unusable
			}
		}
		return run()
	}
	cmd := again(os.Args[1:]...)
	cmd.Env = append(os.Environ(), variable+"="+whole)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err == nil || errors.As(err, &ended) && ended.ExitCode() != unusable {
		return cmd.ProcessState.ExitCode()
	}
	fmt.Fprintf(os.Stderr, "\n*** netns: NO NETWORK NAMESPACE, the tests run outside: %v ***\n\n", err)
	return run()
}

// again returns a command that runs this program once more, in a namespace.
func again(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// Inside runs the test that calls it again, in a network namespace of its own
// in which the ip commands have been carried out. It returns true there, and false
// in the process that started that, which has nothing more to do. Where namespaces
// are not permitted the test is skipped.
func Inside(t *testing.T, commands ...string) bool {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		for _, c := range commands {
			IP(t, c)
		}
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("no command ip (iproute2)")
	}
	cmd := again("-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", fmt.Sprint("-test.timeout=", timeout))
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &failed):
		t.Skipf("no network namespaces here: %v", err)
	case err != nil:
		t.Errorf("in a network namespace: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("in a network namespace:\n%s", out)
	}
	return false
}

// IP runs a command of iproute2, and skips the test if that is not possible here.
func IP(t testing.TB, args string) {
	t.Helper()
	if err := ip(args); err != nil {
		t.Skip(err)
	}
}

func ip(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

// Wire returns the commands that make a pair of connected interfaces, with addresses on the first.
func Wire(name string, addresses ...string) []string {
	commands := []string{
		"link add " + name + " type veth peer name " + name + "x",
		"link set " + name + " up", "link set " + name + "x up",
	}
	for _, a := range addresses {
		if strings.Contains(a, ":") {
			a += " nodad"
		}
		commands = append(commands, "addr add "+a+" dev "+name)
	}
	return commands
}
