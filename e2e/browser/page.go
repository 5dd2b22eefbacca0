package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Page is one tab. It outlives reloads of what the tab shows; a call in
// progress does not. Its methods may be called from several goroutines, and
// calls run in the page concurrently.
type Page struct {
	browser *Browser
	site    *Site
	name    string

	mu         sync.Mutex
	changed    chan struct{} // closed and replaced when calls or loads change
	load       string        // the load of the page that polls now
	past       []string      // loads before it
	polls      int           // in progress
	lastPoll   time.Time     // when the last one began or ended
	lastCall   int
	calls      []*call // not answered yet, by n
	complaints []string
}

// A call is a piece of JavaScript on its way to the page and back.
type call struct {
	N    int               `json:"n"`
	JS   string            `json:"js"`
	Args []json.RawMessage `json:"args"`

	load string // the load that it was handed to; "" as long as none was
	done chan reply
}

// A reply is what a call returned (Value) or threw (Error).
type reply struct {
	N     int             `json:"n"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`

	err error // the page cannot answer any more
}

// ErrReloaded says that the page was loaded anew while a call was in progress.
var ErrReloaded = errors.New("browser: the page was reloaded during the call")

var (
	errEnded  = errors.New("the browser has ended")
	errSilent = errors.New("the page has crashed, or is busy for too long")
)

// silence is how long a page may go without a poll. A page that runs always
// has one in progress, or begins the next within moments.
const silence = 30 * time.Second

// A ScriptError is what JavaScript threw.
type ScriptError struct {
	JS      string // the function body that ran
	Message string // name, message and stack of the exception
}

func (e *ScriptError) Error() string { return "browser: " + e.Message + "\nin " + shorten(e.JS) }

// Eval runs js in the page as the body of an async function and decodes what
// it returns into out, unless out is nil. The function sees args, which must
// encode as JSON, as the array args. The error is a *ScriptError if js threw;
// otherwise it says what became of the page, with the end of the browser's
// standard error.
func (p *Page) Eval(ctx context.Context, out any, js string, args ...any) error {
	c, err := p.enqueue(js, args)
	if err != nil {
		return err
	}
	defer p.drop(c)
	ctx, cancel := p.watch(ctx)
	defer cancel()
	var r reply
	select {
	case r = <-c.done:
	case <-ctx.Done():
		return p.lost(c, context.Cause(ctx))
	}
	switch {
	case r.err != nil:
		return r.err
	case r.Error != "":
		return &ScriptError{JS: js, Message: r.Error}
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(r.Value, out); err != nil {
		return fmt.Errorf("browser: result of %s: %w", shorten(js), err)
	}
	return nil
}

// Reload loads the page anew, as a user does with a key, and waits until the
// new one runs.
func (p *Page) Reload(ctx context.Context) error {
	p.mu.Lock()
	before := len(p.past)
	p.mu.Unlock()
	if err := p.Eval(ctx, nil, "setTimeout(() => location.reload(), 0)"); err != nil && !errors.Is(err, ErrReloaded) {
		return err
	}
	return p.loaded(ctx, before+1)
}

// Browser returns the browser that the page is open in.
func (p *Page) Browser() *Browser { return p.browser }

// Complaints returns what the page has printed with console.error and
// console.warn and the exceptions that nothing caught, oldest first.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.complaints...)
}

// Close closes the tab, if it has not been closed before.
func (p *Page) Close(ctx context.Context) error {
	defer p.site.remove(p)
	return p.browser.hub.Eval(ctx, nil, "tabs.get(args[0])?.close(); tabs.delete(args[0])", p.name)
}

// loaded waits until the page has been loaded more than n times.
func (p *Page) loaded(ctx context.Context, n int) error {
	ctx, cancel := p.watch(ctx)
	defer cancel()
	for {
		p.mu.Lock()
		done, changed := p.load != "" && len(p.past) >= n, p.changed
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return p.lost(nil, context.Cause(ctx))
		}
	}
}

// watch returns a context that also ends when nothing is to be expected of the
// page any more.
func (p *Page) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-p.browser.exited:
				cancel(errEnded)
			case <-tick.C:
				if p.silent() {
					cancel(errSilent)
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// silent reports that the page has been loaded but does not poll.
func (p *Page) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.load != "" && p.polls == 0 && time.Since(p.lastPoll) > silence
}

func (p *Page) enqueue(js string, args []any) (*call, error) {
	c := &call{JS: js, Args: make([]json.RawMessage, len(args)), done: make(chan reply, 1)}
	for i, arg := range args {
		var err error
		if c.Args[i], err = json.Marshal(arg); err != nil {
			return nil, fmt.Errorf("browser: argument %d of %s: %w", i, shorten(js), err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastCall++
	c.N = p.lastCall
	p.calls = append(p.calls, c)
	p.signal()
	return c, nil
}

// drop forgets a call, answered or not.
func (p *Page) drop(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.calls {
		if p.calls[i] == c {
			p.calls = append(p.calls[:i], p.calls[i+1:]...)
			return
		}
	}
}

// polling notes the begin (1) or end (-1) of a poll.
func (p *Page) polling(delta int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polls += delta
	p.lastPoll = time.Now()
}

// poll takes a poll of that load, which has seen the calls up to seen. It
// returns the calls to hand out, or what to wait for if there are none; ok is
// false if the load is past. A load may get a call twice, if its connection
// broke, and then skips it by its number; no other load gets it.
func (p *Page) poll(load string, seen int) (calls []*call, changed chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, past := range p.past {
		if load == past {
			return nil, nil, false
		}
	}
	if load != p.load {
		p.arrive(load)
	}
	for _, c := range p.calls {
		if c.load == "" {
			c.load = load
		}
		if c.load == load && c.N > seen {
			calls = append(calls, c)
		}
	}
	return calls, p.changed, true
}

// arrive notes a new load of the page and ends the calls of the one before.
func (p *Page) arrive(load string) {
	if p.load != "" {
		p.past = append(p.past, p.load)
	}
	p.load = load
	for _, c := range p.calls {
		if c.load != "" {
			c.answer(reply{err: ErrReloaded})
		}
	}
	p.signal()
}

func (p *Page) reply(r reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if c.N == r.N {
			c.answer(r)
		}
	}
}

func (p *Page) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.complaints) < 100 {
		p.complaints = append(p.complaints, text)
	}
}

// signal wakes all that wait for a change. The caller holds p.mu.
func (p *Page) signal() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// answer gives the call its reply, once.
func (c *call) answer(r reply) {
	select {
	case c.done <- r:
	default:
	}
}

// lost explains why the page did not do what was asked: to answer c or, if c
// is nil, to load.
func (p *Page) lost(c *call, cause error) error {
	p.mu.Lock()
	state := "which never loaded"
	if p.load != "" {
		state = fmt.Sprintf("which polled last %v ago", time.Since(p.lastPoll).Round(time.Millisecond))
	}
	what := "load"
	if c != nil {
		what = "answer " + shorten(c.JS)
		if c.load == "" {
			what = "take " + shorten(c.JS)
		}
	}
	complaints := strings.Join(p.complaints, "\n")
	p.mu.Unlock()
	return fmt.Errorf("browser: %s page %s, %s, did not %s: %w\npage's console: %s\nbrowser's standard error: %s",
		p.browser.Kind, p.name, state, what, cause, complaints, p.browser.stderr.String())
}

func shorten(js string) string {
	js = strings.Join(strings.Fields(js), " ")
	if len(js) > 200 {
		js = js[:200] + "..."
	}
	return "`" + js + "`"
}
