package browser

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

//go:embed agent.js
var agentJS []byte

// labPath is the path prefix that a Site keeps for itself.
const labPath = "/.lab/"

// pollTime is how long the site keeps a poll that it has nothing for.
const pollTime = 20 * time.Second

// A Site serves pages on loopback and relays calls to those that are open in a
// browser. Tabs of one Site share an origin.
type Site struct {
	URL string // http://127.0.0.1:port, without a slash at the end

	listener net.Listener
	server   *http.Server

	mu    sync.Mutex
	pages map[string]*Page // by the name that the page's tab was given
}

// NewSite serves content on a free port of 127.0.0.1. HTML that content
// answers must load [AgentPath] in a script element.
func NewSite(content http.Handler) (*Site, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("browser: %w", err)
	}
	s := &Site{URL: "http://" + listener.Addr().String(), listener: listener, pages: map[string]*Page{}}
	mux := http.NewServeMux()
	mux.Handle("/", content)
	mux.HandleFunc("GET "+AgentPath, serveAgent)
	mux.HandleFunc("GET "+labPath+"hub", serveHub)
	mux.HandleFunc("GET "+labPath+"poll", s.servePoll)
	mux.HandleFunc("POST "+labPath+"reply", s.serveReply)
	mux.HandleFunc("POST "+labPath+"complaint", s.serveComplaint)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

// AgentPath is where a Site serves the script that every page must load.
const AgentPath = labPath + "agent.js"

// Close stops serving and cuts every connection.
func (s *Site) Close() error { return s.server.Close() }

// add makes a page that a tab of that name will open.
func (s *Site) add(b *Browser, name string) *Page {
	p := &Page{browser: b, site: s, name: name, changed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[name] = p
	return p
}

func (s *Site) remove(p *Page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pages, p.name)
}

// page returns the page that a request of agent.js speaks for, or answers 410.
func (s *Site) page(w http.ResponseWriter, r *http.Request) *Page {
	s.mu.Lock()
	p := s.pages[r.FormValue("page")]
	s.mu.Unlock()
	if p == nil {
		http.Error(w, "no such page", http.StatusGone)
	}
	return p
}

func serveAgent(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript")
	_, _ = w.Write(agentJS)
}

func serveHub(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>hub</title><script src=%q></script>", AgentPath)
}

// servePoll answers with the calls that the page has not seen yet, as soon as
// there is one.
func (s *Site) servePoll(w http.ResponseWriter, r *http.Request) {
	p := s.page(w, r)
	if p == nil {
		return
	}
	p.polling(1)
	defer p.polling(-1)
	seen, _ := strconv.Atoi(r.FormValue("seen"))
	expired := time.NewTimer(pollTime)
	defer expired.Stop()
	for {
		calls, changed, ok := p.poll(r.FormValue("load"), seen)
		if !ok {
			http.Error(w, "another load has taken over", http.StatusGone)
			return
		}
		if len(calls) > 0 {
			writeJSON(w, calls)
			return
		}
		select {
		case <-changed:
		case <-expired.C:
			writeJSON(w, []*call{})
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Site) serveReply(w http.ResponseWriter, r *http.Request) {
	var body reply
	if p := s.page(w, r); p != nil && readJSON(w, r, &body) {
		p.reply(body)
	}
}

func (s *Site) serveComplaint(w http.ResponseWriter, r *http.Request) {
	var text string
	if p := s.page(w, r); p != nil && readJSON(w, r, &text) {
		p.complain(text)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}
