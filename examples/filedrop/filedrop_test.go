package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rsc.io/qr"

	"github.com/sluice-rtc/sluice"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testDrop is a file on offer, and a way to fetch it.
type testDrop struct {
	*drop
	content []byte
	web     *httptest.Server
	lines   chan string // what the sender tells
}

func newTestDrop(t testing.TB, size int) *testDrop {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	d := &testDrop{content: make([]byte, size), lines: make(chan string, 1000)}
	random.Read(d.content)
	path := filepath.Join(t.TempDir(), "some data.bin")
	must(t, os.WriteFile(path, d.content, 0o600))
	var err error
	d.drop, err = newDrop(path)
	must(t, err)
	d.key, d.rtc = "sesame", sluice.Config{IncludeLoopback: true}
	d.tell = func(format string, args ...any) { d.lines <- fmt.Sprintf(format, args...) }
	d.web = httptest.NewServer(d.handler())
	t.Cleanup(func() {
		d.web.Close()
		d.close()
	})
	return d
}

func (d *testDrop) receiver(t testing.TB, dir string) *receiver {
	t.Helper()
	r, err := newReceiver(d.web.URL+"/#"+d.key, dir)
	must(t, err)
	r.rtc = sluice.Config{IncludeLoopback: true}
	r.rest = time.Millisecond
	return r
}

func (d *testDrop) want(t testing.TB, path string, err error) {
	t.Helper()
	must(t, err)
	got, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, d.content) {
		t.Errorf("%s has %d bytes, not the %d of the file", path, len(got), len(d.content))
	}
}

// awaitLine waits until the sender tells something.
func (d *testDrop) awaitLine(t testing.TB, part string) string {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line := <-d.lines:
			if strings.Contains(line, part) {
				return line
			}
		case <-timeout:
			t.Fatalf("the sender never says %q", part)
		}
	}
}

func wantFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("there are %q, want %q", got, want)
	}
}

func TestFetch(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize, 3<<20 + 77} {
		d := newTestDrop(t, size)
		dir := t.TempDir()
		path, err := d.receiver(t, dir).fetch(t.Context())
		d.want(t, path, err)
		d.awaitLine(t, "verified")
		path, err = d.receiver(t, dir).fetch(t.Context()) // again: another name
		d.want(t, path, err)
		wantFiles(t, dir, "some data (2).bin", "some data.bin")
	}
}

// The connection is cut again and again, the file arrives; every byte is sent about once.
func TestFetchOverCuts(t *testing.T) {
	d := newTestDrop(t, 12<<20)
	dir := t.TempDir()
	r := d.receiver(t, dir)
	var mu sync.Mutex
	var starts []string
	r.tell = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		line := fmt.Sprintf(format, args...)
		if strings.Contains(line, "are here") {
			starts = append(starts, line)
		}
		if strings.Contains(line, "%  ") && len(starts) < 4 {
			go d.close()
		}
	}
	path, err := r.fetch(t.Context())
	d.want(t, path, err)
	mu.Lock()
	defer mu.Unlock()
	if len(starts) != 4 {
		t.Errorf("%d connections, want 4: %q", len(starts), starts)
	}
	for _, again := range starts[1:] {
		if strings.Contains(again, ": 0 bytes") {
			t.Errorf("a connection began at the beginning: %q", starts)
		}
	}
	wantFiles(t, dir, "some data.bin")
}

// A receiver that was ended halfway goes on where it was, and one whose partial file is wrong
// finds out.
func TestFetchAfterRestart(t *testing.T) {
	d := newTestDrop(t, 4<<20)
	dir := t.TempDir()
	r := d.receiver(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	r.tell = func(format string, args ...any) {
		if strings.Contains(fmt.Sprintf(format, args...), "30 %") {
			cancel()
		}
	}
	if _, err := r.fetch(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	partialFile := filepath.Join(dir, ".filedrop-"+d.SHA256[:32])
	before, err := os.ReadFile(partialFile)
	must(t, err)
	if len(before) < len(d.content)/4 || !bytes.HasPrefix(d.content, before) {
		t.Fatalf("the partial file has %d bytes, or others", len(before))
	}
	d.awaitLine(t, "receiver 1: ")
	path, err := d.receiver(t, dir).fetch(t.Context())
	d.want(t, path, err)
	if line := d.awaitLine(t, "begins"); strings.Contains(line, "0 bytes of") {
		t.Errorf("after the restart: %s", line)
	}

	before[7] ^= 1
	must(t, os.WriteFile(partialFile, before, 0o600))
	if _, err := d.receiver(t, dir).fetch(t.Context()); !errors.Is(err, errFinal) || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("with a wrong beginning: %v", err)
	}
	d.awaitLine(t, "SHA-256 differs")
	wantFiles(t, dir, "some data.bin")
}

func TestRefused(t *testing.T) {
	d := newTestDrop(t, 10)
	r := d.receiver(t, t.TempDir())
	r.key = "simsalabim"
	if _, err := r.fetch(t.Context()); !errors.Is(err, errFinal) {
		t.Errorf("with another key: %v", err)
	}
	for _, link := range []string{"", "http://127.0.0.1:1/", "ftp://127.0.0.1/#x", "nonsense"} {
		if _, err := newReceiver(link, "."); err == nil {
			t.Errorf("the link %q was taken", link)
		}
	}
	post := func(change func(*http.Request), body string) int {
		q := httptest.NewRequest("POST", "http://localhost"+offerPath, strings.NewReader(body))
		q.Header.Set("Content-Type", "application/json")
		change(q)
		w := httptest.NewRecorder()
		d.handler().ServeHTTP(w, q)
		return w.Code
	}
	none := func(*http.Request) {}
	good := `{"key":"sesame","offer":{"type":"offer","sdp":""}}`
	for want, got := range map[int][]int{
		http.StatusBadRequest:           {post(none, "{"), post(none, good), post(none, strings.Replace(good, `"offer",`, `"answer",`, 1)), post(none, strings.Repeat(" ", maxRequest+1))},
		http.StatusNotFound:             {post(none, "{}")},
		http.StatusForbidden:            {post(func(q *http.Request) { q.Header.Set("Origin", "http://example.com") }, good)},
		http.StatusUnsupportedMediaType: {post(func(q *http.Request) { q.Header.Del("Content-Type") }, good)},
		http.StatusMisdirectedRequest:   {post(func(q *http.Request) { q.Host = "rebound.example" }, good)},
	} {
		for i, got := range got {
			if got != want {
				t.Errorf("case %d of %d: %d", i, want, got)
			}
		}
	}
	for range maxReceivers {
		if _, _, err := d.admit(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := d.admit(); err != errBusy {
		t.Errorf("one receiver too many: %v", err)
	}
	must(t, os.WriteFile(d.path, []byte("something else"), 0o600))
	f, err := os.Open(d.path)
	must(t, err)
	defer f.Close()
	if d.check(f) == nil {
		t.Error("a file that changed is sent")
	}
	if _, err := newDrop(t.TempDir()); err == nil {
		t.Error("a directory is offered")
	}
}

func TestSafeName(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt": "a.txt", "../../etc/passwd": "_.._etc_passwd", "..": "file", "": "file", ".profile": "profile", "a\nb\x00": "a_b_", `c:\x`: "c__x", "über.pdf": "über.pdf",
	} {
		if got := safeName(name); got != want {
			t.Errorf("safeName(%q) = %q, want %q", name, got, want)
		}
	}
	sum := strings.Repeat("0", 64)
	for _, i := range []info{{"a", -1, sum}, {"a", 1, "0"}, {"a", 1, strings.Repeat("x", 64)}, {"", 1, sum}, {strings.Repeat("a", 256), 1, sum}, {"\xFF", 1, sum}} {
		if i.validate() == nil {
			t.Errorf("%+v is taken", i)
		}
	}
}

func TestLink(t *testing.T) {
	for _, c := range []struct{ base, ip, want string }{
		{"", "127.0.0.1", "http://127.0.0.1:80/#k"}, {"", "::1", "http://[::1]:80/#k"}, {"https://files.example/x/", "127.0.0.1", "https://files.example/x/#k"},
	} {
		if got, err := linkTo(c.base, &net.TCPAddr{IP: net.ParseIP(c.ip), Port: 80}, "k"); got != c.want || err != nil {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
	for _, args := range []string{"", "a b", "-get x y", "-get x", "/nonexistent/file", "-addr nowhere /dev/null"} {
		if err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); err == nil {
			t.Errorf("filedrop %s: no error", args)
		}
	}
}

// What the terminal shows is the code of the link, module by module, black on white, within a white margin.
func TestQRCode(t *testing.T) {
	const link = "http://127.0.0.1:8082/#KKKKKKKKKKKKKKKKKKKKKKKKKK"
	want, err := qr.Encode(link, qr.L)
	must(t, err)
	text, err := qrText(link)
	must(t, err)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	side := want.Size + 2*quiet
	if len(lines) != (side+1)/2 {
		t.Fatalf("%d lines for %d modules", len(lines), side)
	}
	for i, line := range lines {
		const blackOnWhite, reset = "\x1b[30;107m", "\x1b[0m"
		if !strings.HasPrefix(line, blackOnWhite) || !strings.HasSuffix(line, reset) {
			t.Fatalf("line %d: %q", i, line)
		}
		row := []rune(strings.TrimSuffix(strings.TrimPrefix(line, blackOnWhite), reset))
		if len(row) != side {
			t.Fatalf("line %d has %d columns of %d", i, len(row), side)
		}
		for x, r := range row {
			above, below := strings.ContainsRune("█▀", r), strings.ContainsRune("█▄", r)
			for dy, black := range []bool{above, below} {
				inside := x-quiet >= 0 && x-quiet < want.Size && 2*i+dy-quiet >= 0 && 2*i+dy-quiet < want.Size
				if black != (inside && want.Black(x-quiet, 2*i+dy-quiet)) {
					t.Fatalf("column %d of line %d is %q", x, i, r)
				}
			}
		}
	}
}

func TestPacer(t *testing.T) {
	p := newPacer(1000)
	ctx, cancel := context.WithCancel(t.Context())
	must(t, p.wait(ctx, 1<<30))
	cancel()
	if err := p.wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a rate that is used up for years: %v", err)
	}
	must(t, newPacer(0).wait(ctx, 1<<40))
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1500: "1.5 kB", 2_000_000: "2.0 MB", 3_000_000_000: "3.0 GB", 4_000_000_000_000: "4.0 TB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
