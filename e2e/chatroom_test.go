package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// chatDir is where chatBinary puts the program; TestMain removes it.
var chatDir string

// chatBinary builds the browser-chat example, once.
var chatBinary = sync.OnceValues(func() (string, error) {
	var err error
	if chatDir, err = browser.TempDir(); err != nil {
		return "", err
	}
	path := filepath.Join(chatDir, "browser-chat")
	if out, err := exec.Command("go", "build", "-o", path, "../examples/browser-chat").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building browser-chat: %w\n%s", err, out)
	}
	return path, nil
})

// A program is a running browser-chat: a room or a terminal.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser

	mu      sync.Mutex
	output  string        // standard output and error so far
	changed chan struct{} // closed and replaced when there is more
	ended   chan struct{} // closed when the program has ended
}

// startChat starts browser-chat. It is ended with the test, if not before.
func startChat(t *testing.T, args ...string) *program {
	t.Helper()
	path, err := chatBinary()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, cmd: exec.Command(path, args...), changed: make(chan struct{}), ended: make(chan struct{})}
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
			t.Logf("browser-chat %v printed:\n%s", args, p.output)
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
			p.t.Fatalf("browser-chat ended without printing %q", text)
		case <-ctx.Done():
			p.t.Fatalf("browser-chat does not print %q", text)
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

// A room is a browser-chat and a site that stands before it.
type room struct {
	t    *testing.T
	ctx  context.Context
	url  *url.URL
	site *browser.Site
	*program
}

func startRoom(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, ctx: testContext(t)}
	r.start("127.0.0.1:0")
	site, err := browser.NewSite(browser.Proxy(r.url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = site.Close() })
	r.site = site
	return r
}

// start starts the program at an address and reads which it is.
func (r *room) start(address string) {
	r.t.Helper()
	r.program = startChat(r.t, "-addr", address)
	_, at, _ := strings.Cut(r.line(r.ctx, "The room is open at "), " at ")
	u, err := url.Parse(at)
	if err != nil {
		r.t.Fatal(err)
	}
	r.url = u
}

// A tab is a page of the room.
type tab struct {
	*page
	r *room
}

// open opens the room in a tab and waits until it is in.
func (r *room) open(b *browser.Browser) *tab {
	r.t.Helper()
	p, err := b.Open(r.ctx, r.site, "/")
	if err != nil {
		r.t.Fatal(err)
	}
	tab := &tab{page: &page{Page: p, t: r.t, ctx: r.ctx}, r: r}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if r.t.Failed() {
			var shown string
			err := p.Eval(ctx, &shown, "return document.body.dataset.state + '\\n' + document.body.innerText")
			r.t.Logf("tab: %s %v", shown, err)
		}
		if c := p.Complaints(); len(c) > 0 {
			r.t.Errorf("the page complains: %s", strings.Join(c, "\n"))
		}
		if err := p.Close(ctx); err != nil && b.Alive() {
			r.t.Errorf("closing the tab: %v", err)
		}
	})
	tab.in()
	return tab
}

// in waits until the tab is in the room.
func (t *tab) in() {
	t.page.t.Helper()
	t.find("body[data-state=open][data-me]")
}

// An element is what a test wants to know of an element of the page.
type element struct {
	Data map[string]string // its data- attributes
	Text string            // of its .text, if it has one, else its own
}

// find waits for the first element that the selector matches.
func (t *tab) find(selector string, args ...any) element {
	t.page.t.Helper()
	return t.look(fmt.Sprintf(selector, args...), true)
}

// findNone waits until the selector matches nothing.
func (t *tab) findNone(selector string, args ...any) {
	t.page.t.Helper()
	t.look(fmt.Sprintf(selector, args...), false)
}

func (t *tab) look(selector string, there bool) (e element) {
	t.page.t.Helper()
	const js = `const [selector, there] = args;
		return new Promise((resolve, reject) => {
			const look = () => {
				const found = document.querySelector(selector);
				if (!!found !== there) return;
				observer.disconnect();
				resolve(found && {data: {...found.dataset}, text: (found.querySelector('.text') || found).textContent});
			};
			const observer = new MutationObserver(look);
			observer.observe(document, {attributes: true, characterData: true, childList: true, subtree: true});
			look();
		});`
	t.do(&e, js, selector, there)
	return e
}

// id is the tab's member id.
func (t *tab) id() string {
	t.page.t.Helper()
	return t.find("body").Data["me"]
}

// rename changes the tab's name as a user does.
func (t *tab) rename(nick string) {
	t.page.t.Helper()
	t.do(nil, `const nick = document.getElementById('nick');
		nick.focus(); nick.value = args[0]; nick.dispatchEvent(new Event('change', {bubbles: true})); nick.blur();`, nick)
	t.find("#people > li[data-id=%q][data-nick=%q]", t.id(), nick)
}

// say writes a message as a user does.
func (t *tab) say(text string) {
	t.page.t.Helper()
	t.do(nil, `const box = document.getElementById('message');
		box.value = args[0]; box.dispatchEvent(new Event('input', {bubbles: true})); document.getElementById('send').click();`, text)
}

// sees waits for a message of a member.
func (t *tab) sees(from *tab, text string) {
	t.page.t.Helper()
	t.seesFrom(fmt.Sprintf("[data-from=%q]", from.id()), text)
}

// seesFrom waits for a confirmed message of those who match the selector.
func (t *tab) seesFrom(selector, text string) {
	t.page.t.Helper()
	const js = `const [selector, text] = args, list = document.getElementById('messages');
		return new Promise(resolve => {
			const look = () => {
				for (const e of list.querySelectorAll(selector)) {
					if (e.querySelector('.text').textContent !== text) continue;
					observer.disconnect();
					resolve();
				}
			};
			const observer = new MutationObserver(look);
			observer.observe(list, {attributes: true, characterData: true, childList: true, subtree: true});
			look();
		});`
	t.do(nil, js, "li[data-kind=say]:not([data-pending])"+selector, text)
}

// offer offers a file made from a seed, as choosing it does.
func (t *tab) offer(name string, m testMessage) {
	t.page.t.Helper()
	const js = `const [name, size, seed] = args, words = new Uint32Array((size + 3) >> 2);
		for (let i = 0, x = seed; i < words.length; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; words[i] = x; }
		const choice = new DataTransfer(), input = document.getElementById('file');
		choice.items.add(new File([new Uint8Array(words.buffer, 0, size)], name));
		input.files = choice.files;
		input.dispatchEvent(new Event('change', {bubbles: true}));`
	t.do(nil, js, name, m.Size, m.Seed)
}

// download takes the file of that name.
func (t *tab) download(name string) {
	t.page.t.Helper()
	t.find("li[data-kind=file][data-name=%q] button.download", name)
	t.do(nil, "document.querySelector(`li[data-kind=file][data-name=${JSON.stringify(args[0])}] button.download`).click()", name)
}
