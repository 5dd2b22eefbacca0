package website

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestGuard(t *testing.T) {
	h := Guard([]string{"room.example"}, Pages(fstest.MapFS{"web/index.html": {Data: []byte("hello")}}), func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMisdirectedRequest)
	})
	for host, want := range map[string]int{
		"localhost": 200, "LocalHost.:80": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "::1": 200, "room.example:1": 200, "Room.Example": 200,
		"evil.example": 421, "127.0.0.1.evil.example": 421, "room.example.evil.example:80": 421, "": 421,
	} {
		q := httptest.NewRequest("GET", "/", nil)
		q.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
		if want == 200 && !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("host %q: no policy", host)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/sha256.js", nil))
	if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), "javascript") || w.Body.String() != sha256JS {
		t.Errorf("sha256.js: %d, %s, %d bytes", w.Code, w.Header().Get("Content-Type"), w.Body.Len())
	}
	pages := Pages(fstest.MapFS{"web/a.html": {Data: []byte("a")}, "web/b.html": {Data: []byte("b")}}, "/b.html")
	for path, want := range map[string]bool{"/a.html": false, "/b.html": true} {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if got := strings.Contains(w.Header().Get("Content-Security-Policy"), "'wasm-unsafe-eval'"); got != want {
			t.Errorf("%s may compile WebAssembly: %v", path, got)
		}
	}
	if got := SplitHosts("A.example, b.example"); !slices.Equal(got, []string{"a.example", "b.example"}) {
		t.Errorf("SplitHosts = %q", got)
	}
}

func TestURL(t *testing.T) {
	for _, c := range []struct{ ip, want string }{{"127.0.0.1", "http://127.0.0.1:80"}, {"::1", "http://[::1]:80"}, {"::ffff:192.0.2.1", "http://192.0.2.1:80"}} {
		if got, err := URL(&net.TCPAddr{IP: net.ParseIP(c.ip), Port: 80}); got != c.want || err != nil {
			t.Errorf("%s: %q, %v", c.ip, got, err)
		}
	}
	for _, all := range []net.IP{net.IPv4zero, net.IPv6unspecified} { // which no browser of another machine can open
		got, err := URL(&net.TCPAddr{IP: all, Port: 80})
		u, notURL := url.Parse(got)
		if notURL != nil || (u.Hostname() == "localhost") != (err != nil) || u.Port() != "80" || net.ParseIP(u.Hostname()).IsUnspecified() {
			t.Errorf("%v: %q, %v", all, got, err)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for _, c := range []struct {
		origin, site string
		want         bool
	}{
		{"", "", true}, {"http://h:80", "", true}, {"http://h:80", "same-origin", true}, {"", "none", false}, {"", "cross-site", false},
		{"http://h:81", "", false}, {"http://other", "same-origin", false}, {"null", "", false}, {"http://h:80", "same-site", false},
	} {
		q := httptest.NewRequest("POST", "/", nil)
		q.Host = "h:80"
		if c.origin != "" {
			q.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			q.Header.Set("Sec-Fetch-Site", c.site)
		}
		if got := SameOrigin(q); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
