package main

import (
	"embed"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sluice-rtc/sluice/examples/internal/website"
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
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+connectPath, s.connect)
	mux.HandleFunc("GET /api/live", s.live)
	mux.Handle("GET /", website.Pages(webFiles))
	return website.Guard(s.hosts, mux, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not served under that host name: start the server with -host", http.StatusMisdirectedRequest)
	})
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
