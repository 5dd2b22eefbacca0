package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// A program is a peer in a process of its own.
type program struct {
	cmd   *exec.Cmd
	ready event         // the first line
	ended chan struct{} // closed when the process is gone

	mu      sync.Mutex
	in      io.WriteCloser
	last    int // id of a command
	waiting map[int]chan reply
	words   []byte // the end of what it wrote to standard error, and of what is no JSON
}

// maxWords bounds what is kept of a program's standard error, in bytes.
const maxWords = 8 << 10

// startProgram starts a program, whose events go to take.
func startProgram(ctx context.Context, command []string, take func(event)) (*program, error) {
	p := &program{cmd: exec.Command(command[0], command[1:]...), ended: make(chan struct{}), waiting: make(map[int]chan reply)}
	browser.Tie(p.cmd)
	p.cmd.Stderr = wordsOf{p}
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	ready := make(chan event, 1)
	go p.read(out, ready, take)
	select {
	case p.ready = <-ready:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("it ended at once: %s", p.log())
	case <-ctx.Done():
		p.close()
		return nil, fmt.Errorf("it does not start: %w: %s", ctx.Err(), p.log())
	}
}

// read takes what the program writes, until it ends.
func (p *program) read(out io.Reader, ready chan<- event, take func(event)) {
	defer close(p.ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var tag struct {
			Event string `json:"event"`
		}
		var e event
		var r reply
		switch line := lines.Bytes(); {
		case json.Unmarshal(line, &tag) != nil:
			_, _ = wordsOf{p}.Write(append(line, '\n'))
		case tag.Event == "" && json.Unmarshal(line, &r) == nil:
			p.answer(r)
		case json.Unmarshal(line, &e) != nil:
			_, _ = wordsOf{p}.Write(append(line, '\n'))
		case e.Event == "ready":
			ready <- e
		default:
			take(e)
		}
	}
	_ = p.cmd.Wait()
}

// answer hands a reply to who waits for it.
func (p *program) answer(r reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.waiting[r.ID]; c != nil {
		c <- r
		delete(p.waiting, r.ID)
	}
}

func (p *program) do(ctx context.Context, op string, with members) (reply, error) {
	p.mu.Lock()
	p.last++
	id, c := p.last, make(chan reply, 1)
	p.waiting[id] = c
	line := members{"id": id, "op": op}
	for name, value := range with {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err == nil {
		_, err = p.in.Write(append(text, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return reply{}, err
	}
	select {
	case r := <-c:
		if r.Error != "" {
			return r, errors.New(r.Error)
		}
		return r, nil
	case <-p.ended:
		return reply{}, fmt.Errorf("the program has ended: %s", p.log())
	case <-ctx.Done():
		return reply{}, fmt.Errorf("no reply: %w", ctx.Err())
	}
}

func (p *program) about() (name, version string) { return p.ready.Name, p.ready.Version }

func (p *program) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.words)
}

func (p *program) close() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// wordsOf keeps the end of what is written to it.
type wordsOf struct{ p *program }

func (w wordsOf) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.p.words = append(w.p.words, b...)
	if over := len(w.p.words) - maxWords; over > 0 {
		w.p.words = w.p.words[over:]
	}
	return len(b), nil
}
