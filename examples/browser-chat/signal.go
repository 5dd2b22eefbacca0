//go:build !js

package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/examples/internal/website"
)

//go:embed web
var webFiles embed.FS

const (
	answerTimeout = 15 * time.Second // to gather candidates
)

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
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+joinPath, s.join)
	build := &wasmBuild{log: s.log}
	mux.HandleFunc("GET /wasm_exec.js", build.serveLoader)
	mux.HandleFunc("GET /terminal.wasm", build.serveProgram)
	mux.Handle("GET /", website.Pages(webFiles, "/terminal.html"))
	return website.Guard(s.hosts, mux, func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusMisdirectedRequest, "host", "This room is not served under that host name. Start it with -host to allow the name.")
	})
}

func (s *server) join(w http.ResponseWriter, q *http.Request) {
	if !website.SameOrigin(q) {
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
