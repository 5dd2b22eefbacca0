package main

import (
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

//go:embed web
var webFiles embed.FS

// maxWatchers is how many pages may be open.
const maxWatchers = 32

// site serves the page, what it shows, and the signalling of gateways.
type site struct {
	*server
	every    time.Duration // between snapshots
	hosts    []string      // names under which it may be opened, besides localhost and addresses
	closing  <-chan struct{}
	watchers atomic.Int32
}

func (s *site) handler() http.Handler {
	web, err := fs.Sub(webFiles, "web")
	if err != nil {
		panic("telemetry: BUG: " + err.Error())
	}
	files := http.FileServerFS(web)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+connectPath, s.connect)
	mux.HandleFunc("GET /api/live", s.live)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, q)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		if !s.hostAllowed(q.Host) {
			http.Error(w, "not served under that host name: start the server with -host", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, q)
	})
}

// hostAllowed keeps pages of other names away, which DNS rebinding could bring here.
func (s *site) hostAllowed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || slices.Contains(s.hosts, host)
}

// live streams snapshots as server-sent events.
func (s *site) live(w http.ResponseWriter, q *http.Request) {
	if s.watchers.Add(1) > maxWatchers {
		s.watchers.Add(-1)
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer s.watchers.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		_ = out.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprintf(w, "data: %s\n\n", encode(s.fleet.snapshot())); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-s.closing:
			return
		case <-q.Context().Done():
			return
		}
	}
}
