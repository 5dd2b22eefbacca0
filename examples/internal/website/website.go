// Package website is what the pages of the examples have in common: which requests
// they answer, what they let the browser do, and SHA-256 in JavaScript.
package website

import (
	_ "embed"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

//go:embed sha256.js
var sha256JS string

// Guard serves h under IP addresses, localhost and the names of hosts only, refused
// under others. With DNS rebinding a foreign page reaches this address under its own name, so a name
// must be known; an address cannot be rebound.
func Guard(hosts []string, h http.Handler, refused http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		if !allowed(hosts, q.Host) {
			refused(w, q)
			return
		}
		h.ServeHTTP(w, q)
	})
}

func allowed(hosts []string, hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || slices.Contains(hosts, host)
}

// SplitHosts makes what Guard wants of names with commas between them.
func SplitHosts(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(c rune) bool { return c == ',' || c == ' ' })
}

// SameOrigin reports whether the request comes from our own page, or from a
// program that is no browser (browsers send Origin with every POST).
func SameOrigin(q *http.Request) bool {
	if site := q.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	origin := q.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, q.Host)
}

// Pages serves the folder "web" of files, and /sha256.js. The pages may use nothing but
// what comes from here, and only those whose paths are in webAssembly may compile that.
func Pages(files fs.FS, webAssembly ...string) http.Handler {
	web, err := fs.Sub(files, "web")
	if err != nil {
		panic("website: BUG: " + err.Error())
	}
	static := http.FileServerFS(web)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h := w.Header()
		script := "'self'"
		if slices.Contains(webAssembly, q.URL.Path) {
			script = "'self' 'wasm-unsafe-eval'"
		}
		h.Set("Content-Security-Policy", "default-src 'none'; script-src "+script+"; style-src 'self'; img-src 'self' data:; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache") // a page older than its program cannot talk to it
		if q.URL.Path == "/sha256.js" {
			http.ServeContent(w, q, "sha256.js", time.Time{}, strings.NewReader(sha256JS))
			return
		}
		static.ServeHTTP(w, q)
	})
}
