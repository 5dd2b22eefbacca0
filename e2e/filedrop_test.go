package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// TestFileDrop opens the link of a file. The sender is killed on the way and started anew: the page
// goes on by itself where it was, and has the file that was offered.
func TestFileDrop(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef, and so on. "), 20<<20/29)
	sum := sha256.Sum256(content)
	path := filepath.Join(t.TempDir(), "<i>data.bin")
	check(t, os.WriteFile(path, content, 0o600))
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		ctx := testContext(t)
		start := func(args ...string) (*program, *url.URL) {
			sender := startExample(t, "filedrop", append(args, "-key", "sesame", path)...)
			_, link, _ := strings.Cut(sender.line(ctx, "Fetch it at "), " at ")
			u, err := url.Parse(link)
			check(t, err)
			return sender, u
		}
		sender, u := start("-addr", "127.0.0.1:0", "-rate", "4000000")
		site, err := browser.NewSite(browser.Proxy(&url.URL{Scheme: u.Scheme, Host: u.Host}))
		check(t, err)
		t.Cleanup(func() { _ = site.Close() })
		opened, err := b.Open(ctx, site, "/#"+u.Fragment)
		check(t, err)
		p := &page{Page: opened, t: t, ctx: ctx}
		p.find("body[data-state=receiving]:not([data-have='0'])")
		sender.kill()
		p.find("body[data-state=waiting]")
		sender, _ = start("-addr", u.Host)
		body := p.find("body[data-state=done]")
		if body.Data["resumed"] == "0" || body.Data["have"] == body.Data["resumed"] {
			t.Errorf("after the cut the page had %s bytes of %d", body.Data["resumed"], len(content))
		}
		if got := p.find("#save").Data["sha256"]; got != hex.EncodeToString(sum[:]) {
			t.Errorf("the page has SHA-256 %s", got)
		}
		var name string
		p.do(&name, "return document.getElementById('save').download")
		if size := p.find("#save").Data["size"]; name != "_i_data.bin" || size != strconv.Itoa(len(content)) {
			t.Errorf("what can be saved is %q with %s bytes", name, size)
		}
		sender.line(ctx, "verified")
		check(t, p.Close(ctx))
	})
}
