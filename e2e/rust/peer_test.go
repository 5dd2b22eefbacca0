package rust

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/link"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// testTime bounds each test. Only a defect runs into it, however loaded the machine.
const testTime = 60 * time.Second

// A pair is our side of an association and a running peer; see testdata/peer for its
// commands and reports.
type pair struct {
	*sctpnet.Conn
	t   *testing.T
	ctx context.Context
	in  io.WriteCloser

	mu      sync.Mutex
	reports []string // that nobody has asked for
	log     []string // the last ones, and commands
	more    chan struct{}
	resets  map[sctp.EventKind]int
	repeats bool // the peer may reset a stream once more, late

	way net.Conn // to the peer
	cfg sctpnet.Config
}

// A setup is how to set up an association.
type setup struct {
	crate      string
	theyBegin  bool
	bothBegin  bool
	conditions *netsim.Conditions
	cfg        sctp.Config
	options    []string
}

// connect establishes an association.
func connect(t *testing.T, s setup) *pair {
	t.Helper()
	p := prepare(t, s)
	if s.theyBegin || s.bothBegin {
		p.do("connect")
	}
	p.begin(!s.theyBegin)
	p.up()
	return p
}

// prepare starts a peer, and nothing else.
func prepare(t *testing.T, s setup) *pair {
	t.Helper()
	need(t)
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	t.Cleanup(cancel)
	p := &pair{t: t, ctx: ctx, more: make(chan struct{}), resets: make(map[sctp.EventKind]int)}
	port := p.start(append([]string{s.crate}, s.options...))
	p.way = p.dial(port, s.conditions)
	c := s.cfg
	c.RemotePort = 5001
	c.RTOInitial, c.RTOMin, c.RTOMax, c.SackDelay = 100*time.Millisecond, 100*time.Millisecond, time.Second, 20*time.Millisecond
	c.MaxInitRetransmits = 50
	p.cfg = sctpnet.Config{SCTP: c, OnEvent: p.onEvent}
	return p
}

// begin begins our side of the association.
func (p *pair) begin(initiate bool) {
	p.t.Helper()
	var err error
	if p.Conn, err = sctpnet.New(p.way, p.cfg, initiate); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		p.Abort("the test is over")
		<-p.Done()
		if p.t.Failed() {
			p.t.Logf("our side: %v, events %v, %+v\nthe last of the peer:\n%s", p.Err(), p.resets, p.Stats(), strings.Join(p.log, "\n"))
		}
	})
}

// up waits until both sides are established.
func (p *pair) up() {
	p.t.Helper()
	if err := p.WaitConnected(p.ctx); err != nil {
		p.t.Fatal(err)
	}
	p.next("up")
}

// start starts the peer and returns its UDP port.
func (p *pair) start(args []string) int {
	p.t.Helper()
	cmd := exec.Command(program, args...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		p.in, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.put(lines.Text())
		}
	}()
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	port, err := strconv.Atoi(p.next("port"))
	if err != nil {
		p.t.Fatal(err)
	}
	return port
}

// dial returns our end of the way to the peer.
func (p *pair) dial(port int, conditions *netsim.Conditions) net.Conn {
	p.t.Helper()
	udp, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		p.t.Fatal(err)
	}
	p.do("peer %d", udp.LocalAddr().(*net.UDPAddr).Port)
	return link.Over(udp, conditions, p.t.Name())
}

// put takes a report.
func (p *pair) put(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reports = append(p.reports, line)
	p.note(line)
	p.wake()
}

func (p *pair) wake() {
	close(p.more)
	p.more = make(chan struct{})
}

func (p *pair) note(line string) {
	if p.log = append(p.log, line); len(p.log) > 60 {
		p.log = p.log[1:]
	}
}

// onEvent counts the events of our side that tests wait for.
func (p *pair) onEvent(_ *sctpnet.Conn, e sctp.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resets[e.Kind]++
	p.wake()
}

// do gives the peer a command.
func (p *pair) do(format string, args ...any) {
	p.t.Helper()
	line := fmt.Sprintf(format, args...)
	p.mu.Lock()
	p.note("> " + line)
	p.mu.Unlock()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits until a condition holds, which is asked under the lock.
func (p *pair) wait(what string, holds func() bool) {
	p.t.Helper()
	for {
		p.mu.Lock()
		done, more := holds(), p.more
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-more:
		case <-p.ctx.Done():
			p.t.Fatalf("%s: never", what)
		}
	}
}

// next waits for a report that begins with the words, and returns what follows.
func (p *pair) next(words string) (rest string) {
	p.t.Helper()
	p.wait(words, func() bool {
		for i, line := range p.reports {
			after, ok := strings.CutPrefix(line, words)
			if ok && (after == "" || after[0] == ' ') {
				p.reports = append(p.reports[:i], p.reports[i+1:]...)
				rest = strings.TrimSpace(after)
				return true
			}
		}
		return false
	})
	return rest
}

// await waits until our side has seen so many events of a kind in all.
func (p *pair) await(kind sctp.EventKind, n int) {
	p.t.Helper()
	p.wait(fmt.Sprintf("event %d, %d times", kind, n), func() bool { return p.resets[kind] >= n })
}
