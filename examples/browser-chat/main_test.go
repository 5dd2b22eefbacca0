package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// display collects output and tells when something appears in it.
type display struct {
	screen
	more chan struct{}
}

func newDisplay() *display { return &display{more: make(chan struct{}, 1)} }

func (d *display) Write(b []byte) (int, error) {
	n, err := d.screen.Write(b)
	select {
	case d.more <- struct{}{}:
	default:
	}
	return n, err
}

func (d *display) wait(t *testing.T, want string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for !strings.Contains(d.String(), want) {
		select {
		case <-d.more:
		case <-limit:
			t.Fatalf("does not show %q:\n%s", want, d)
		}
	}
}

// TestRoomAndTerminals runs the whole program over the loopback network: a
// room and two terminals, which chat and pass a file.
func TestRoomAndTerminals(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	room := newDisplay()
	closed := make(chan error, 1)
	go func() { closed <- run(ctx, []string{"-addr", "127.0.0.1:0"}, nil, room, io.Discard) }()
	room.wait(t, "-join http")
	url := regexp.MustCompile(`http://\S+`).FindString(room.String())

	dir := t.TempDir()
	start := func(name string, more ...string) (*display, *io.PipeWriter, chan error) {
		r, w := io.Pipe()
		d := newDisplay()
		done := make(chan error, 1)
		args := append([]string{"-join", url, "-nick", name, "-dir", filepath.Join(dir, name)}, more...)
		go func() { done <- run(ctx, args, r, d, io.Discard) }()
		d.wait(t, "You are in.")
		return d, w, done
	}
	ann, annTypes, annDone := start("ann")
	bob, bobTypes, bobDone := start("bob", "-accept")
	io.WriteString(annTypes, "hello bob\n")
	bob.wait(t, " ann: hello bob")

	data := testData(5<<20 + 3)
	path := filepath.Join(dir, "data.bin")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	io.WriteString(annTypes, "/send "+path+"\n")
	bob.wait(t, "SHA-256 "+digest(data)+" verified")
	ann.wait(t, "bob received data.bin, SHA-256 "+digest(data)+" verified")
	if got, err := os.ReadFile(filepath.Join(dir, "bob", "data.bin")); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes saved, %v", len(got), err)
	}

	io.WriteString(annTypes, "/quit\n")
	if err := <-annDone; err != nil {
		t.Error(err)
	}
	bob.wait(t, "* ann left")
	bobTypes.Close()
	if err := <-bobDone; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestTerminalSaysWhatIsWrong(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close() // nobody listens here
	ctx, stop := context.WithCancel(t.Context())
	d := newDisplay()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-join", "http://" + ln.Addr().String()}, strings.NewReader(""), d, io.Discard)
	}()
	d.wait(t, "The room cannot be reached")
	d.wait(t, "Trying again in 1s.")
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		desc string
		args []string
		want string
	}{
		{"no URL", []string{"-join", "127.0.0.1:8080"}, "-join wants the address"},
		{"argument", []string{"room"}, "unexpected argument"},
		{"address in use", []string{"-addr", "256.0.0.1:1"}, "cannot serve on"},
		{"unknown flag", []string{"-fly"}, "not defined"},
	} {
		if err := run(t.Context(), c.args, nil, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.desc, err, c.want)
		}
	}
}
