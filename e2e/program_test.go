package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// exampleDir is where the examples are built, once; TestMain removes it.
var exampleDir = sync.OnceValues(browser.TempDir)

// exampleBinaries builds each example, once.
var exampleBinaries = map[string]func() (string, error){
	"browser-chat": sync.OnceValues(func() (string, error) { return buildExample("browser-chat") }),
	"filedrop":     sync.OnceValues(func() (string, error) { return buildExample("filedrop") }),
	"telemetry":    sync.OnceValues(func() (string, error) { return buildExample("telemetry") }),
}

func buildExample(name string) (string, error) {
	dir, err := exampleDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if out, err := exec.Command("go", "build", "-o", path, "../examples/"+name).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// A program is a running example.
type program struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser

	mu      sync.Mutex
	output  string        // standard output and error so far
	changed chan struct{} // closed and replaced when there is more
	ended   chan struct{} // closed when the program has ended
}

// startExample starts an example. It is ended with the test, if not before.
func startExample(t *testing.T, name string, args ...string) *program {
	t.Helper()
	path, err := exampleBinaries[name]()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, name: name, cmd: exec.Command(path, args...), changed: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	browser.Tie(p.cmd)
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s %v printed:\n%s", name, args, p.output)
		}
	})
	return p
}

// kill ends the program without a chance to say so.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output += string(b)
	close(p.changed)
	p.changed = make(chan struct{})
	return len(b), nil
}

// line waits for a line that contains text, and returns it.
func (p *program) line(ctx context.Context, text string) string {
	p.t.Helper()
	for {
		p.mu.Lock()
		output, changed := p.output, p.changed
		p.mu.Unlock()
		for scan := bufio.NewScanner(strings.NewReader(output)); scan.Scan(); {
			if strings.Contains(scan.Text(), text) {
				return scan.Text()
			}
		}
		select {
		case <-changed:
		case <-p.ended:
			p.t.Fatalf("%s ended without printing %q", p.name, text)
		case <-ctx.Done():
			p.t.Fatalf("%s does not print %q", p.name, text)
		}
	}
}

// say types a line.
func (p *program) say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}
