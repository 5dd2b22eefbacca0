package e2e

import (
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// TestTelemetry watches a gateway on the live page: online, offline, and online again with
// what it kept meanwhile. The server is killed and started anew at the same address.
func TestTelemetry(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		ctx := testContext(t)
		start := func(addr string) (*program, *url.URL) {
			server := startExample(t, "telemetry", "serve", "-addr", addr)
			_, rest, _ := strings.Cut(server.line(ctx, "The page is at "), " is at ")
			at, _, _ := strings.Cut(rest, ";")
			u, err := url.Parse(at)
			check(t, err)
			return server, u
		}
		server, u := start("127.0.0.1:0")
		site, err := browser.NewSite(browser.Proxy(u))
		check(t, err)
		t.Cleanup(func() { _ = site.Close() })
		opened, err := b.Open(ctx, site, "/")
		check(t, err)
		p := &page{Page: opened, t: t, ctx: ctx}
		p.find("body[data-state=open]")
		p.findNone("tr[data-name]")

		gateway := startExample(t, "telemetry", "send", "-to", u.String(), "-name", "shed <1>", "-dir", t.TempDir(), "-stdin")
		tell := func(lines ...string) {
			_, err := io.WriteString(gateway.stdin, strings.Join(lines, "\n")+"\n")
			check(t, err)
		}
		gateway.line(ctx, "msg=online")
		tell("temperature 21.5", "humidity 40", "! door 1 <b>open</b>")
		p.find(`tr[data-name="shed <1>"][data-online=true] [data-sensor=temperature][data-value="21.5"]`)
		p.find(`#alarm-list > li[data-gateway="shed <1>"]`)
		p.find(`#alarms[data-value="1"]`)

		server.kill()
		p.find("body[data-state=lost]")
		gateway.line(ctx, "msg=offline")
		tell("temperature 22.5", "temperature 23.5", "! door 1 open again")
		start(u.Host)
		p.find(`tr[data-name="shed <1>"][data-online=true] [data-sensor=temperature][data-value="23.5"]`)
		p.find(`#backlog[data-value="2"]`)
		p.find(`#alarms[data-value="1"]`)
		p.findNone(`tr:not([data-lost="0"])[data-name]`)
		check(t, p.Close(ctx))
	})
}
