package e2e

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

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
	r.program = startExample(r.t, "browser-chat", "-addr", address)
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
