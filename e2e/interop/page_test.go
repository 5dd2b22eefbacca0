package interop

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"strings"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

//go:embed peers/core.js
var coreJS []byte

// blank is the page: a peer, and the events that nobody has fetched.
const blank = `<!doctype html><script src="` + browser.AgentPath + `"></script><script src="/core.js"></script><script>
	const queue = [];
	let wake = () => {};
	const peer = makePeer(RTCPeerConnection, event => { queue.push(event); wake(); });
	const events = async () => {
		while (queue.length === 0) await new Promise(done => wake = done);
		return queue.splice(0);
	};
</script>`

// A page is a peer in a browser.
type page struct {
	*browser.Page
	name, version string
	browser       *browser.Browser
	site          *browser.Site
	cancel        context.CancelFunc
	done          chan struct{} // closed when no event comes any more
}

// startPage starts a browser with a page in it, whose events go to take.
func startPage(ctx context.Context, kind browser.Kind, take func(event)) (*page, error) {
	p := &page{name: string(kind), done: make(chan struct{})}
	var err error
	p.site, err = browser.NewSite(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/core.js" {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write(coreJS)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(blank))
	}))
	if err != nil {
		return nil, err
	}
	if p.browser, err = browser.Start(ctx, kind, browser.Options{}); err != nil {
		_ = p.site.Close()
		return nil, err
	}
	if p.Page, err = p.browser.Open(ctx, p.site, "/"); err == nil {
		err = p.Eval(ctx, &p.version, "return /(?:Chrome|Firefox)\\/([0-9.]+)/.exec(navigator.userAgent)[1]")
	}
	if err != nil {
		_ = p.browser.Close()
		_ = p.site.Close()
		return nil, err
	}
	ctx, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.done)
		for {
			var events []event
			if err := p.Eval(ctx, &events, "return events()"); err != nil {
				return
			}
			for _, e := range events {
				take(e)
			}
		}
	}()
	return p, nil
}

func (p *page) do(ctx context.Context, op string, with members) (reply, error) {
	command := members{"op": op}
	for name, value := range with {
		command[name] = value
	}
	var r reply
	err := p.Eval(ctx, &r, "return peer(args[0])", command)
	if err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	return r, err
}

func (p *page) about() (name, version string) { return p.name, p.version }

func (p *page) log() string { return strings.Join(p.Complaints(), "\n") }

func (p *page) close() {
	p.cancel()
	<-p.done
	_ = p.browser.Close()
	_ = p.site.Close()
}
