package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// A server takes gateways, all on one UDP port.
type server struct {
	fleet *fleet
	token string // that gateways must show; empty: none
	rtc   sluice.Config
	log   *slog.Logger
}

// connect answers the request of a gateway with the parameters of a Transport that
// waits for it.
func (s *server) connect(w http.ResponseWriter, q *http.Request) {
	if q.Header.Get("Origin") != "" || q.Header.Get("Sec-Fetch-Site") != "" {
		http.Error(w, "this is for gateways, not for pages", http.StatusForbidden)
		return
	}
	if s.token != "" && subtle.ConstantTimeCompare([]byte(q.Header.Get("Authorization")), []byte("Bearer "+s.token)) != 1 {
		http.Error(w, "the token is not the server's", http.StatusUnauthorized)
		return
	}
	if t, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || t != "application/json" {
		http.Error(w, "the request must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	var request connectRequest
	err := json.NewDecoder(http.MaxBytesReader(w, q.Body, maxConnectBody)).Decode(&request)
	if err == nil {
		err = request.validate()
	}
	if err != nil {
		http.Error(w, "the request is not valid: "+err.Error(), http.StatusBadRequest)
		return
	}
	local, err := s.admit(q.Context(), request)
	switch {
	case errors.Is(err, errFull):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		s.log.Warn("refused", "gateway", request.Name, "error", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Write(encode(local))
	}
}

// admit makes the Transport for a gateway.
func (s *server) admit(ctx context.Context, q connectRequest) (sluice.TransportParameters, error) {
	t, err := sluice.NewTransport(s.rtc)
	if err != nil {
		return sluice.TransportParameters{}, err
	}
	local, err := t.LocalParameters(ctx)
	if err != nil {
		t.Abort()
		return local, err
	}
	m, visit, err := s.fleet.join(q, t.Abort)
	if err != nil {
		t.Abort()
		return local, err
	}
	t.OnChannel(func(ch *datachannel.Channel) { s.attach(m, ch) })
	go func() {
		starting, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := t.Start(starting, q.Parameters); err != nil {
			s.log.Warn("no connection", "gateway", q.Name, "error", err)
			t.Abort()
		} else {
			s.log.Info("connected", "gateway", q.Name)
		}
		<-t.Done()
		log := s.log.With("gateway", q.Name)
		if err := t.Err(); err != nil {
			log = log.With("reason", err)
		}
		log.Info("gone")
		s.fleet.left(m, visit)
	}()
	return local, nil
}

// attach takes a channel that a gateway opened.
func (s *server) attach(m *member, ch *datachannel.Channel) {
	switch ch.Label() {
	case labelReadings:
		ch.OnMessage(func(msg datachannel.Message) { s.takeReading(m, msg.Data, false) })
	case labelBacklog:
		ch.OnMessage(func(msg datachannel.Message) {
			s.takeEntries(ch, &m.backlog, msg.Data, func(b []byte) { s.takeReading(m, b, true) })
		})
	case labelAlarms:
		ch.OnMessage(func(msg datachannel.Message) {
			s.takeEntries(ch, &m.alarms, msg.Data, func(b []byte) { s.takeAlarm(m, b) })
		})
	default:
		ch.Close()
	}
}

func (s *server) takeReading(m *member, b []byte, late bool) {
	var r reading
	if json.Unmarshal(b, &r) != nil || r.validate() != nil || r.N == 0 {
		s.fleet.malformed()
		return
	}
	s.fleet.reading(m, r, late)
}

func (s *server) takeAlarm(m *member, b []byte) {
	var a alarm
	if json.Unmarshal(b, &a) != nil || a.validate() != nil {
		s.fleet.malformed()
		return
	}
	s.fleet.alarm(m, a)
}

// takeEntries takes each entry once, and acknowledges the last.
func (s *server) takeEntries(ch *datachannel.Channel, p *progress, b []byte, take func([]byte)) {
	var entries []entry
	if json.Unmarshal(b, &entries) != nil || len(entries) == 0 {
		s.fleet.malformed()
		return
	}
	for _, e := range entries {
		if s.fleet.once(p, e.N) {
			take(e.Record)
		}
	}
	// If it does not go out the entries come again.
	ch.SendText(string(encode(ack{entries[len(entries)-1].N})))
}
