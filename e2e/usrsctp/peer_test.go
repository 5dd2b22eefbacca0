package usrsctp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A peer is a running usrsctp: see testdata/peer.c for its commands and reports.
type peer struct {
	t       *testing.T
	ctx     context.Context
	port    int // of its UDP socket
	cmd     *exec.Cmd
	in      io.WriteCloser
	reports *inbox[string, []string] // by their first word, without it
	ended   chan struct{}            // closed when the process is gone

	mu  sync.Mutex
	log []string // the last lines of what it wrote and was told
}

// startPeer starts a usrsctp on a UDP port with options "name=value". It ends with the
// test, which fails if an error was reported that it did not ask for.
func startPeer(t *testing.T, ctx context.Context, port int, options ...string) *peer {
	t.Helper()
	p := &peer{t: t, ctx: ctx, port: port, reports: newInbox[string, []string](), ended: make(chan struct{})}
	p.cmd = exec.Command(program, append(options, fmt.Sprintf("udp=%d", port))...)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = writerFunc(func(b []byte) { p.note("stderr: " + strings.TrimSpace(string(b))) })
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	t.Cleanup(p.cleanup)
	p.next("ready")
	return p
}

// read takes the reports of the process, and then its end.
func (p *peer) read(out io.Reader) {
	defer close(p.ended)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.note(lines.Text())
		if words := strings.Fields(lines.Text()); len(words) > 0 {
			p.reports.put(words[0], words[1:])
		}
	}
	p.reports.end()
	_ = p.cmd.Wait()
}

func (p *peer) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.log) == 60 {
		p.log = p.log[1:]
	}
	p.log = append(p.log, line)
}

// kill ends the process at once, without a word to anybody.
func (p *peer) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *peer) cleanup() {
	p.kill()
	for {
		words, ok := p.reports.take("error")
		if !ok {
			break
		}
		p.t.Errorf("usrsctp: error %s", strings.Join(words, " "))
	}
	if p.t.Failed() {
		p.t.Logf("the last lines of usrsctp:\n%s", strings.Join(p.log, "\n"))
	}
}

// do gives a command.
func (p *peer) do(format string, args ...any) {
	p.t.Helper()
	line := fmt.Sprintf(format, args...)
	p.note("> " + line)
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatalf("usrsctp: %s: %v", line, err)
	}
}

// next waits for a report that begins with the word, and returns its other words.
func (p *peer) next(word string) []string {
	p.t.Helper()
	words, err := p.reports.next(p.ctx, word)
	if err != nil {
		p.t.Fatal("usrsctp: ", err)
	}
	return words
}

// want waits for a report that begins with the word and is the words.
func (p *peer) want(word string, words ...string) {
	p.t.Helper()
	if got := p.next(word); strings.Join(got, " ") != strings.Join(words, " ") {
		p.t.Fatalf("usrsctp reports %s %q, want %q", word, got, words)
	}
}

// stats returns the counters of usrsctp.
func (p *peer) stats() map[string]int {
	p.t.Helper()
	p.do("stats")
	words := p.next("stats")
	counters := map[string]int{}
	for i := 0; i+1 < len(words); i += 2 {
		counters[words[i]] = number(p.t, words[i+1])
	}
	return counters
}

// number reads a number of a report.
func number(t *testing.T, word string) int {
	t.Helper()
	n, err := strconv.Atoi(word)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }
