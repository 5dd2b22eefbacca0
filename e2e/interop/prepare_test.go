package interop

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// A preparation is how to run a peer, or why that is not possible.
type preparation struct {
	Command []string
	Missing string
}

// prepareTime bounds the installation of a peer.
const prepareTime = 6 * time.Minute

// prepareAll installs and builds the peers that are programs, and what they need; what is there
// already takes a second.
func prepareAll() map[string]preparation {
	prepared := make(map[string]preparation)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, r := range rows {
		if r.kind != "" {
			continue
		}
		wg.Go(func() {
			p := prepare(r.name)
			mu.Lock()
			defer mu.Unlock()
			prepared[r.name] = p
		})
	}
	wg.Wait()
	return prepared
}

// command returns a command that ends with ctx, and whatever it has started with it: a compiler that
// went on would take the tests' time.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	browser.Tie(cmd)
	cmd.Cancel = func() error { return browser.KillGroup(cmd) }
	cmd.WaitDelay = time.Second
	return cmd
}

// TestCommandEnds holds that; the end of the output is that of all who can write it.
func TestCommandEnds(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := command(ctx, "sh", "-c", "tail -f /dev/null & echo started; wait")
	cmd.Stdout = in
	err = cmd.Start()
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = cmd.Wait()
	_ = out.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := lines.ReadByte(); err != io.EOF {
		t.Errorf("what the command has started goes on: %v", err)
	}
}

// prepare prepares one peer.
func prepare(name string) preparation {
	ctx, cancel := context.WithTimeout(context.Background(), prepareTime)
	defer cancel()
	cmd := command(ctx, "sh", filepath.Join("..", "..", "scripts", "interop.sh"), name)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err == nil {
		return preparation{Command: strings.Split(strings.TrimSpace(string(out)), "\n")}
	}
	lines := strings.Split(strings.TrimSpace(problems.String()), "\n")
	why := lines[len(lines)-1]
	if ctx.Err() != nil {
		why = "not installed within " + prepareTime.String()
	}
	return preparation{Missing: why}
}
