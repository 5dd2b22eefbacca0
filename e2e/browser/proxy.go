package browser

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Proxy returns content for a [Site]: what the web server at target serves,
// with agent.js added to its HTML. Everything else passes unchanged, in
// particular the Host header, so that Host and Origin agree as they do without
// a proxy, and upgrades to WebSocket. A Content-Security-Policy keeps its
// force but for the two things that agent.js needs; a
// Cross-Origin-Opener-Policy goes, since it would cut the tab from the hub.
// When the target cannot be reached, neither can the site, for that request.
func Proxy(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Accept-Encoding") // HTML must come uncompressed
		},
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0), // a server that is killed cuts what it streams; the page sees that
		ModifyResponse: inject,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // closes the connection, without a log
		},
	}
}

// inject adds agent.js to a response that is HTML.
func inject(r *http.Response) error {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || r.Body == nil {
		return nil
	}
	html, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return err
	}
	html = injectHTML(html)
	r.Body = io.NopCloser(bytes.NewReader(html))
	r.ContentLength = int64(len(html))
	r.Header.Set("Content-Length", strconv.Itoa(len(html)))
	r.Header.Del("Cross-Origin-Opener-Policy")
	if policy := r.Header.Get("Content-Security-Policy"); policy != "" {
		r.Header.Set("Content-Security-Policy", relax(policy))
	}
	return nil
}

// The script must come first in the head or, in a page that leaves that out,
// right after the doctype.
var (
	headTag = regexp.MustCompile(`(?i)<head(\s[^>]*)?>`)
	doctype = regexp.MustCompile(`(?i)<!doctype[^>]*>`)
)

func injectHTML(html []byte) []byte {
	at := 0
	if m := headTag.FindIndex(html); m != nil {
		at = m[1]
	} else if m := doctype.FindIndex(html); m != nil {
		at = m[1]
	}
	script := fmt.Sprintf("<script src=%q></script>", AgentPath)
	return append(append(append([]byte(nil), html[:at]...), script...), html[at:]...)
}

// relax allows what agent.js needs: to be loaded from and to talk to its own
// origin, and to run the text it is sent.
func relax(policy string) string {
	needed := map[string]string{"script-src": " 'self' 'unsafe-eval'", "connect-src": " 'self'"}
	fallback := ""
	directives := strings.Split(policy, ";")
	for i, d := range directives {
		name, value, _ := strings.Cut(strings.TrimSpace(d), " ")
		if name == "default-src" {
			fallback = " " + value
		}
		if more, ok := needed[name]; ok {
			directives[i] = " " + name + allow(" "+value, more)
			delete(needed, name)
		}
	}
	for _, name := range []string{"script-src", "connect-src"} {
		// Without default-src, a directive that is absent allows everything.
		if more, ok := needed[name]; ok && fallback != "" {
			directives = append(directives, " "+name+allow(fallback, more))
		}
	}
	return strings.TrimSpace(strings.Join(directives, ";"))
}

// allow adds sources to a list, from which 'none' must go.
func allow(sources, more string) string {
	return strings.ReplaceAll(sources, " 'none'", "") + more
}
