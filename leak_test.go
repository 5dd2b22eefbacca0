package sluice

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the package if a goroutine of ours or of the libraries is left
// when all tests are done.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leftovers(); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// leftovers returns the stacks of goroutines that run our code or that of the
// libraries, once none of them ends any more.
func leftovers() string {
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := running()
		if left == "" || time.Now().After(deadline) {
			return left
		}
		runtime.Gosched()
	}
}

func running() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for i, stack := range strings.Split(string(buf), "\n\n") {
		if i == 0 || strings.Contains(stack, "testing.tRunner") || strings.Contains(stack, "testing.(*") {
			continue // ourselves and the tests
		}
		if strings.Contains(stack, "github.com/pion/") || strings.Contains(stack, "sluice.") || strings.Contains(stack, "sluice-rtc") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// wantNoLeftovers fails the test if a goroutine is still running.
func wantNoLeftovers(t testing.TB) {
	t.Helper()
	if left := leftovers(); left != "" {
		t.Errorf("goroutines left behind:\n%s", left)
	}
}
