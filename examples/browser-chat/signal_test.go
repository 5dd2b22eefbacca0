package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice"
)

func testServer(answer answerFunc) http.Handler {
	s := &server{answer: answer, hosts: []string{"room.example"}, log: slog.New(slog.DiscardHandler)}
	return s.handler()
}

func TestSignallingChecks(t *testing.T) {
	offer := `{"type":"offer","sdp":"v=0"}`
	h := testServer(func(_ context.Context, d sluice.SessionDescription) (sluice.SessionDescription, error) {
		switch d.SDP {
		case "full":
			return d, errFull
		case "bad":
			return d, errors.New("line 1 is bad")
		}
		return sluice.SessionDescription{Type: "answer", SDP: d.SDP}, nil
	})
	for _, c := range []struct {
		desc, method, host, origin, site, kind, body string
		status                                       int
		code                                         string
	}{
		{"page on localhost", "POST", "localhost:8080", "http://localhost:8080", "same-origin", "application/json", offer, 200, ""},
		{"page on an address", "POST", "[::1]:8080", "http://[::1]:8080", "", "application/json; charset=utf-8", offer, 200, ""},
		{"page under an allowed name", "POST", "Room.example", "https://room.example", "", "application/json", offer, 200, ""},
		{"program without Origin", "POST", "127.0.0.1:8080", "", "", "application/json", offer, 200, ""},
		{"DNS rebinding", "POST", "evil.example:8080", "http://evil.example:8080", "same-origin", "application/json", offer, 421, "host"},
		{"foreign page", "POST", "127.0.0.1:8080", "http://evil.example", "cross-site", "application/json", offer, 403, "origin"},
		{"other port", "POST", "127.0.0.1:8080", "http://127.0.0.1:8081", "", "application/json", offer, 403, "origin"},
		{"opaque origin", "POST", "127.0.0.1:8080", "null", "", "application/json", offer, 403, "origin"},
		{"same site only", "POST", "127.0.0.1:8080", "", "same-site", "application/json", offer, 403, "origin"},
		{"form", "POST", "127.0.0.1:8080", "", "", "text/plain", offer, 415, "type"},
		{"no JSON", "POST", "127.0.0.1:8080", "", "", "application/json", "{", 400, "offer"},
		{"too large", "POST", "127.0.0.1:8080", "", "", "application/json", `{"sdp":"` + strings.Repeat("x", maxOffer), 400, "offer"},
		{"full", "POST", "127.0.0.1:8080", "", "", "application/json", `{"sdp":"full"}`, 503, "full"},
		{"refused", "POST", "127.0.0.1:8080", "", "", "application/json", `{"sdp":"bad"}`, 400, "offer"},
	} {
		t.Run(c.desc, func(t *testing.T) {
			q := httptest.NewRequest(c.method, joinPath, strings.NewReader(c.body))
			q.Host = c.host
			q.Header.Set("Content-Type", c.kind)
			if c.origin != "" {
				q.Header.Set("Origin", c.origin)
			}
			if c.site != "" {
				q.Header.Set("Sec-Fetch-Site", c.site)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, q)
			var got struct {
				problem
				sluice.SessionDescription
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("body %q: %v", w.Body, err)
			}
			if w.Code != c.status || got.Code != c.code || got.Code != "" && got.Reason == "" || got.Code == "" && got.SDP != "v=0" {
				t.Errorf("status %d, body %s", w.Code, w.Body)
			}
		})
	}
}

func TestPageIsServedWithItsPolicy(t *testing.T) {
	h := testServer(nil)
	get := func(path, host string) *httptest.ResponseRecorder {
		q := httptest.NewRequest("GET", path, nil)
		q.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		return w
	}
	names, err := fs.Glob(webFiles, "web/*")
	if err != nil || len(names) < 5 {
		t.Fatalf("files %q, %v", names, err)
	}
	for _, name := range append(names, "web/") {
		path := strings.TrimPrefix(name, "web")
		if path == "/index.html" {
			continue // redirects to /
		}
		w := get(path, "127.0.0.1:8080")
		csp := w.Header().Get("Content-Security-Policy")
		if path == "/terminal.html" {
			csp = strings.Replace(csp, " 'wasm-unsafe-eval'", "", 1)
		}
		if w.Code != 200 || !strings.Contains(csp, "default-src 'none'; script-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: status %d, policy %q", path, w.Code, csp)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", path)
		}
	}
	page := get("/", "127.0.0.1:8080").Body.String()
	for _, banned := range []string{"https://", "http://", "onclick", "<style", "style="} {
		if strings.Contains(page, banned) {
			t.Errorf("the page contains %q", banned)
		}
	}
	if w := get("/", "evil.example"); w.Code != http.StatusMisdirectedRequest {
		t.Errorf("foreign host name: status %d", w.Code)
	}
	if w := get("/nothing", "localhost"); w.Code != http.StatusNotFound {
		t.Errorf("missing file: status %d", w.Code)
	}
}

// TestNoGoCommand asks for the Go client where it cannot be built.
func TestNoGoCommand(t *testing.T) {
	t.Setenv("PATH", "")
	for _, path := range []string{"/terminal.wasm", "/wasm_exec.js"} {
		w := httptest.NewRecorder()
		testServer(nil).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+path, nil))
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no go command") {
			t.Errorf("%s: status %d, %s", path, w.Code, w.Body)
		}
	}
}
