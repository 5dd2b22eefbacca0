package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	welcomeTimeout = 15 * time.Second // from connected to the welcome
	pingInterval   = 2 * time.Second
	maxBackoff     = 15 * time.Second
)

// session is a connection to a room, as a member has it.
type session struct {
	chat, live pipe
	open       func(label string) (pipe, error)
	close      func()
}

// clientConfig configures a terminal member.
type clientConfig struct {
	Nick   string
	Key    string // secret of the place
	Files  storage
	Accept bool // take every file
	Out    io.Writer
	Dial   func(context.Context) (*session, error)
}

// client is a member of the room at a terminal. One goroutine, run, owns its
// state; transfers run beside it and report through printf.
type client struct {
	cfg  clientConfig
	nick string

	room    string // epoch of the room, empty before the first welcome
	you     string
	last    int64 // newest entry seen
	ready   bool  // the history has been replayed
	people  []person
	files   map[string]*file  // on offer by others
	held    map[string]string // offered by us: id to path
	offered map[string]string // offers without an answer: reference to path
	pending []request         // said, and not yet seen in the history

	transfers sync.WaitGroup
	active    atomic.Int32  // transfers
	finished  chan struct{} // has a value after one has ended
	rtt       atomic.Int64  // nanoseconds, 0 unknown

	out sync.Mutex
}

// errLeft is the end that the user asked for.
var errLeft = errors.New("left")

// finalError is an end after which trying again is of no use.
type finalError string

func (e finalError) Error() string { return string(e) }

func newClient(cfg clientConfig) *client {
	return &client{
		cfg: cfg, nick: cfg.Nick,
		finished: make(chan struct{}, 1),
		files:    make(map[string]*file), held: make(map[string]string), offered: make(map[string]string),
	}
}

// run stays in the room until the lines end, /quit or ctx, and connects again
// when the connection is lost.
func (c *client) run(ctx context.Context, lines <-chan string) error {
	backoff := time.Second
	for {
		c.printf("Connecting ...")
		s, err := c.cfg.Dial(ctx)
		if err == nil {
			err = c.stay(ctx, s, lines)
			if c.ready {
				backoff = time.Second
			}
			c.ready = false
			s.close()
			c.transfers.Wait()
		}
		var final finalError
		switch {
		case errors.Is(err, errLeft) || ctx.Err() != nil:
			c.printf("Bye.")
			return nil
		case errors.As(err, &final):
			return err
		}
		c.printf("! %s Trying again in %v.", sentence(err), backoff)
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
		}
		backoff = min(backoff*2, maxBackoff)
	}
}

// stay serves one connection to its end.
func (c *client) stay(ctx context.Context, s *session, lines <-chan string) error {
	quit := ctx.Done()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // outlives quit by a farewell
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	events := make(chan event)
	lost := make(chan error, 1)
	wg.Go(func() { lost <- readEvents(ctx, s.chat, events) })
	wg.Go(func() { c.ping(ctx, s.live) })
	hello := request{Type: "hello", V: protocolVersion, Key: c.cfg.Key, Nick: c.nick, Room: c.room, After: c.last}
	hello.Files = slices.Collect(maps.Keys(c.held))
	if err := c.ask(ctx, s, hello); err != nil {
		return err
	}
	timeout := time.NewTimer(welcomeTimeout)
	defer timeout.Stop()
	leaving, asked := false, false
	for {
		input := lines
		if !c.ready || leaving {
			input = nil
		}
		if leaving && !asked && c.ready && len(c.pending) == 0 && c.active.Load() == 0 {
			asked = true
			timeout.Reset(byeTimeout)
			if c.ask(ctx, s, request{Type: "leave"}) != nil {
				return errLeft
			}
		}
		var err error
		select {
		case e := <-events:
			err = c.event(ctx, s, e)
			if c.ready && !asked {
				timeout.Stop()
			}
		case line, ok := <-input:
			if !ok {
				leaving = true
			} else {
				err = c.command(ctx, s, line)
			}
		case <-quit:
			quit, leaving, c.pending = nil, true, nil
			if !c.ready {
				return errLeft
			}
		case <-c.finished:
		case err = <-lost:
		case <-timeout.C:
			err = errors.New("the room does not answer")
		}
		if errors.Is(err, errLeft) && !asked {
			quit, leaving, c.pending, err = nil, true, nil, nil
		}
		if asked && err != nil {
			return errLeft
		}
		if err != nil {
			return err
		}
	}
}

func readEvents(ctx context.Context, chat pipe, events chan<- event) error {
	for {
		b, _, err := chat.ReadMessage(ctx)
		if err != nil {
			return errors.New("the connection to the room is lost")
		}
		var e event
		if json.Unmarshal(b, &e) != nil {
			return errors.New("the room speaks another protocol")
		}
		select {
		case events <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ask sends a request.
func (c *client) ask(ctx context.Context, s *session, q request) error {
	if err := writeWithin(ctx, writeTimeout, s.chat, encode(q), true); err != nil {
		return errors.New("the connection to the room is lost")
	}
	return nil
}

// ping measures the round trip over the unreliable channel.
func (c *client) ping(ctx context.Context, p pipe) {
	sent := make(chan time.Time, 1)
	go func() {
		tick := time.NewTicker(pingInterval)
		defer tick.Stop()
		for n := int64(1); ; n++ {
			select {
			case <-sent: // no answer came to the last one
			default:
			}
			sent <- time.Now()
			p.TrySend(encode(live{T: "ping", N: n}))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		b, _, err := p.ReadMessage(ctx)
		if err != nil {
			return
		}
		if m, ok := parseLive(b); ok && m.T == "pong" {
			select {
			case at := <-sent:
				c.rtt.Store(max(1, int64(time.Since(at))))
			default:
			}
		}
	}
}

// event acts on what the room says.
func (c *client) event(ctx context.Context, s *session, e event) error {
	switch e.Type {
	case "welcome":
		c.you, c.room = e.You, e.Room
		if e.Fresh {
			c.last = 0
			clear(c.files)
		}
	case "entry":
		if e.Entry != nil && e.Entry.Seq > c.last {
			c.last = e.Entry.Seq
			c.entry(ctx, s, *e.Entry)
		}
	case "ready":
		c.ready = true
		c.printf("You are in. /help lists the commands.")
		for _, q := range c.pending {
			if err := c.ask(ctx, s, q); err != nil {
				return err
			}
		}
	case "people":
		c.people = e.People
		for _, p := range e.People {
			if p.ID == c.you {
				c.nick = p.Nick
			}
		}
	case "send":
		if path, ok := c.held[e.FileID]; ok {
			c.transfer(func() { c.upload(ctx, s, e.FileID, path) })
		}
	case "gone":
		delete(c.files, e.FileID)
		delete(c.held, e.FileID)
	case "receipt":
		c.printReceipt(e.Receipt)
	case "problem":
		c.forget(e.Ref)
		delete(c.offered, e.Ref)
		c.printf("! %s", e.Reason)
	case "bye":
		switch e.Code {
		case "left":
			return errLeft
		case "slow", "closing":
			return errors.New(strings.TrimRight(clean(e.Reason), "."))
		}
		return finalError(clean(e.Reason))
	}
	return nil
}

// forget takes the request with this reference off the pending ones.
func (c *client) forget(ref string) {
	c.pending = slices.DeleteFunc(c.pending, func(q request) bool { return q.Ref == ref })
}

// entry prints a line of the history.
func (c *client) entry(ctx context.Context, s *session, e entry) {
	mine := e.From == c.you
	if mine {
		c.forget(e.Ref)
	}
	at := time.UnixMilli(e.At).Format("15:04")
	nick := cleanLine(e.Nick, maxNick)
	switch e.Kind {
	case "say":
		if !mine || !c.ready { // what was typed here stands above already
			c.printf("%s %s: %s", at, nick, strings.ReplaceAll(clean(e.Text), "\n", "\n      "))
		}
	case "join":
		c.printf("%s * %s joined", at, nick)
	case "leave":
		c.printf("%s * %s left", at, nick)
	case "nick":
		c.printf("%s * %s is now %s", at, nick, cleanLine(e.Text, maxNick))
	case "file":
		c.fileEntry(ctx, s, e, at, nick, mine)
	}
}

func (c *client) fileEntry(ctx context.Context, s *session, e entry, at, nick string, mine bool) {
	if e.File == nil {
		return
	}
	f := *e.File
	f.Name = safeFileName(f.Name)
	f.Gone = f.Gone || mine && c.offered[e.Ref] == "" && c.held[f.ID] == ""
	switch {
	case f.Gone:
		c.printf("%s * %s offered %s (%s), no longer available", at, nick, f.Name, formatSize(f.Size))
	case mine:
		if path := c.offered[e.Ref]; path != "" {
			c.held[f.ID] = path
			delete(c.offered, e.Ref)
		}
		c.printf("%s * you offer %s (%s) as %s", at, f.Name, formatSize(f.Size), f.ID)
	default:
		c.files[f.ID] = &f
		c.printf("%s * %s offers %s (%s): /get %s", at, nick, f.Name, formatSize(f.Size), f.ID)
		if c.cfg.Accept {
			c.get(ctx, s, f.ID)
		}
	}
}

func (c *client) printReceipt(r *receipt) {
	if r == nil {
		return
	}
	name := filepath.Base(c.held[r.File])
	if nick := cleanLine(r.Nick, maxNick); r.OK {
		c.printf("* %s received %s, SHA-256 %s verified", nick, name, r.SHA256)
	} else {
		c.printf("! %s did not receive %s: %s", nick, name, cleanLine(r.Note, 200))
	}
}

const help = `  text          say it to the room
  /who          who is there
  /nick NAME    change your name
  /send FILE    offer a file to the room
  /files        what is on offer
  /get ID       receive a file
  /ping         round-trip time to the room
  /quit         leave`

// command acts on a typed line.
func (c *client) command(ctx context.Context, s *session, line string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "":
	case "/help":
		c.printf("%s", help)
	case "/who":
		for _, p := range c.people {
			c.printf("  %s%s%s", cleanLine(p.Nick, maxNick), mark(p.ID == c.you, " (you)"), mark(p.Away, " (away)"))
		}
	case "/nick":
		return c.ask(ctx, s, request{Type: "nick", Nick: rest})
	case "/send":
		return c.offer(ctx, s, rest)
	case "/files":
		if len(c.files) == 0 {
			c.printf("  nothing is on offer")
		}
		for _, id := range slices.Sorted(maps.Keys(c.files)) {
			c.printf("  %s  %s (%s)", id, c.files[id].Name, formatSize(c.files[id].Size))
		}
	case "/get":
		c.get(ctx, s, rest)
	case "/ping":
		if rtt := c.rtt.Load(); rtt == 0 {
			c.printf("  no answer yet")
		} else {
			c.printf("  %.1f ms", float64(rtt)/float64(time.Millisecond))
		}
	case "/quit":
		return errLeft
	default:
		if strings.HasPrefix(word, "/") {
			c.printf("! There is no command %s. /help lists them.", clean(word))
			return nil
		}
		q := request{Type: "say", Text: line, Ref: rand.Text()}
		c.pending = append(c.pending, q)
		return c.ask(ctx, s, q)
	}
	return nil
}

// offer puts a file of ours on offer.
func (c *client) offer(ctx context.Context, s *session, path string) error {
	size, err := c.cfg.Files.size(path)
	if err != nil {
		c.printf("! %s", sentence(err))
		return nil
	}
	q := request{Type: "offer", Name: filepath.Base(path), Size: size, Ref: rand.Text()}
	c.offered[q.Ref] = path
	return c.ask(ctx, s, q)
}

// get starts to receive a file.
func (c *client) get(ctx context.Context, s *session, id string) {
	f := c.files[id]
	if f == nil {
		c.printf("! No file %q is on offer. /files lists them.", id)
		return
	}
	c.transfer(func() { c.download(ctx, s, *f) })
}

// transfer runs f beside the client.
func (c *client) transfer(f func()) {
	c.active.Add(1)
	c.transfers.Go(func() {
		f()
		c.active.Add(-1)
		select {
		case c.finished <- struct{}{}:
		default:
		}
	})
}

func (c *client) printf(format string, args ...any) {
	c.out.Lock()
	defer c.out.Unlock()
	fmt.Fprintf(c.cfg.Out, format+"\n", args...)
}

func mark(on bool, s string) string {
	if on {
		return s
	}
	return ""
}

// formatSize writes bytes for people, in powers of ten.
func formatSize(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, units := float64(n), []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	i := min(int(math.Log10(v)/3), len(units))
	return fmt.Sprintf("%.1f %s", v/math.Pow(1000, float64(i)), units[i-1])
}
