package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-rtc/sluice"
)

//go:embed web
var webFiles embed.FS

const (
	maxOffer      = 64 << 10         // bytes of a signalling request
	answerTimeout = 15 * time.Second // to gather candidates
	joinPath      = "/api/join"
)

// problem is the body of a signalling answer that is not a description.
type problem struct {
	Code   string `json:"code"`
	Reason string `json:"reason"` // a sentence for people
}

// answerFunc connects a new member: it takes its offer and returns the answer
// with all candidates.
type answerFunc func(context.Context, sluice.SessionDescription) (sluice.SessionDescription, error)

// server serves the page and the signalling: one POST of an offer, answered
// by the answer.
type server struct {
	answer answerFunc
	hosts  []string // names under which the page may be opened, besides localhost and addresses
	log    *slog.Logger
}

func (s *server) handler() http.Handler {
	web, err := fs.Sub(webFiles, "web")
	if err != nil {
		panic("browser-chat: BUG: " + err.Error())
	}
	files := http.FileServerFS(web)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+joinPath, s.join)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, q *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache") // a page older than its room cannot join
		files.ServeHTTP(w, q)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		if !s.hostAllowed(q.Host) {
			refuse(w, http.StatusMisdirectedRequest, "host", "This room is not served under that host name. Start it with -host to allow the name.")
			return
		}
		mux.ServeHTTP(w, q)
	})
}

// hostAllowed keeps pages of other names away. With DNS rebinding a foreign
// page reaches this address under its own name, so a name must be known; an
// address cannot be rebound.
func (s *server) hostAllowed(hostport string) bool {
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

// sameOrigin reports whether the request comes from our own page, or from a
// program that is no browser (browsers send Origin with every POST).
func sameOrigin(q *http.Request) bool {
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

func (s *server) join(w http.ResponseWriter, q *http.Request) {
	if !sameOrigin(q) {
		refuse(w, http.StatusForbidden, "origin", "Only the page of this room may join it.")
		return
	}
	if t, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || t != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "type", "The offer must be application/json.")
		return
	}
	var offer sluice.SessionDescription
	if err := json.NewDecoder(http.MaxBytesReader(w, q.Body, maxOffer)).Decode(&offer); err != nil {
		refuse(w, http.StatusBadRequest, "offer", "The offer is not readable: "+err.Error()+".")
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), answerTimeout)
	defer cancel()
	answer, err := s.answer(ctx, offer)
	switch {
	case errors.Is(err, errFull):
		refuse(w, http.StatusServiceUnavailable, "full", "The room is full.")
	case errors.Is(err, errClosed):
		refuse(w, http.StatusServiceUnavailable, "closing", "The room is closing.")
	case err != nil:
		s.log.Warn("offer refused", "from", q.RemoteAddr, "error", err)
		refuse(w, http.StatusBadRequest, "offer", "The server cannot answer this offer: "+err.Error()+".")
	default:
		w.Header().Set("Cache-Control", "no-store")
		reply(w, http.StatusOK, answer)
	}
}

func refuse(w http.ResponseWriter, status int, code, reason string) {
	reply(w, status, problem{Code: code, Reason: reason})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(encode(v))
}
