package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// screen is what a terminal shows.
type screen struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// console is a terminal member with what it shows and where one types.
type console struct {
	t     *testing.T
	lines chan string
	out   screen
	dir   string
	done  chan error
	wire  *wire // of the newest connection
}

// console starts a terminal member. dial may be nil.
func startConsole(t *testing.T, r *room, name string, accept bool, dial func() error) *console {
	t.Helper()
	k := &console{t: t, lines: make(chan string), dir: t.TempDir(), done: make(chan error, 1)}
	files, err := newFolder(k.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(files.close)
	c := newClient(clientConfig{Nick: name, Key: key(name), Files: files, Accept: accept, Out: &k.out,
		Dial: func(context.Context) (*session, error) {
			if dial != nil {
				if err := dial(); err != nil {
					return nil, err
				}
			}
			w, err := newWire(t, r, 16)
			if err != nil {
				return nil, err
			}
			k.wire = w
			return &session{chat: w.chat, live: w.live, close: w.cut,
				open: func(label string) (pipe, error) { return w.open(label, 16), nil }}, nil
		}})
	go func() { k.done <- c.run(t.Context(), k.lines) }()
	synctest.Wait()
	return k
}

func (k *console) typed(lines ...string) {
	for _, l := range lines {
		k.lines <- l
		synctest.Wait()
	}
}

func (k *console) shows(want ...string) {
	k.t.Helper()
	for _, w := range want {
		if !strings.Contains(k.out.String(), w) {
			k.t.Errorf("does not show %q:\n%s", w, k.out.String())
		}
	}
}

func (k *console) quit() {
	k.t.Helper()
	close(k.lines)
	if err := <-k.done; err != nil {
		k.t.Errorf("run: %v", err)
	}
}

func TestTerminalsChat(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob := startConsole(t, r, "ann", false, nil), startConsole(t, r, "bob", false, nil)
		ann.typed("hello bob", "/who", "/nick  anna", "/fly", "/help", "/files", "/ping", "/send nowhere", "/get f9", "")
		bob.shows("* bob joined", " ann: hello bob", "* ann is now anna")
		ann.shows("ann (you)", "  bob\n", "no command /fly", "/send FILE", "nothing is on offer\n", " ms\n", "nowhere: no such file", `No file "f9"`)
		if strings.Contains(ann.out.String(), "ann: hello") {
			t.Error("the typed line is shown twice")
		}
		ann.typed("/quit")
		if err := <-ann.done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		bob.shows("* anna left")
		bob.quit()
	})
}

func TestTerminalsSendAFile(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob, cat := startConsole(t, r, "ann", false, nil), startConsole(t, r, "bob", false, nil), startConsole(t, r, "cat", true, nil)
		data := testData(3<<20 + 5)
		path := filepath.Join(t.TempDir(), "big.tar.gz")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		ann.typed("/send " + path)
		bob.typed("/files", "/get f1", "/get f1")
		for _, k := range []*console{bob, cat} {
			got, err := os.ReadFile(filepath.Join(k.dir, "big.tar.gz"))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			k.shows("receiving big.tar.gz: 50 %", "SHA-256 "+digest(data)+" verified")
		}
		if names, _ := filepath.Glob(filepath.Join(bob.dir, "*")); len(names) != 2 || filepath.Base(names[0]) != "big.tar (1).gz" {
			t.Errorf("files %q", names)
		}
		bob.shows("f1  big.tar.gz (3.1 MB)")
		ann.shows("sending big.tar.gz: 50 %", "sent big.tar.gz, SHA-256 "+digest(data),
			"bob received big.tar.gz, SHA-256 "+digest(data)+" verified", "cat received")
		ann.quit()
		synctest.Wait()
		bob.typed("/get f1")
		bob.shows(`No file "f1"`)
		bob.quit()
		cat.quit()
	})
}

func TestEmptyFile(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob := startConsole(t, r, "ann", false, nil), startConsole(t, r, "bob", true, nil)
		path := filepath.Join(t.TempDir(), "empty")
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		ann.typed("/send " + path)
		bob.shows("SHA-256 " + digest(nil) + " verified")
		ann.quit()
		bob.quit()
	})
}

func TestDamagedFileIsNotKept(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob := enter(t, r, "ann"), startConsole(t, r, "bob", true, nil)
		label := labelFile + ann.offerFile(4)
		ann.want("send", nil)
		in := ann.open(label, 4)
		in.WriteMessage(t.Context(), []byte("good"), false)
		control(t, in, fileControl{End: &fileEnd{4, digest([]byte("evil"))}})
		e := ann.want("receipt", nil)
		if e.Receipt.OK || e.Receipt.SHA256 != digest([]byte("good")) || e.Receipt.Note == "" {
			t.Errorf("receipt %+v", e.Receipt)
		}
		synctest.Wait()
		bob.shows("a.bin was not received: The SHA-256 differs")
		if names, _ := filepath.Glob(filepath.Join(bob.dir, "*")); len(names) != 0 {
			t.Errorf("files %q", names)
		}
		bob.quit()
	})
}

func TestTerminalComesBack(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		tries := 0
		bob := startConsole(t, r, "bob", false, func() error {
			if tries++; tries == 1 || tries == 3 {
				return errors.New("the room cannot be reached")
			}
			return nil
		})
		bob.shows("! The room cannot be reached. Trying again in 1s.")
		netsim.Elapse(2 * time.Second)
		ann := enter(t, r, "ann")
		bob.typed("before")
		ann.wantEntry("say", "bob", "before")

		bob.wire.cut()
		synctest.Wait()
		bob.shows("! The connection to the room is lost. Trying again in 1s.")
		ann.ask(request{Type: "say", Text: "missed"})
		bob.lines <- "after" // typed while away, said when back
		synctest.Wait()
		bob.shows("ann: missed", "Trying again in 2s.")
		ann.wantEntry("say", "bob", "after")
		if n := strings.Count(bob.out.String(), "bob joined"); n != 1 {
			t.Errorf("history shown %d times", n)
		}
		enter(t, r, "bob") // the same secret elsewhere
		var final finalError
		if err := <-bob.done; !errors.As(err, &final) || !strings.Contains(err.Error(), "another window") {
			t.Errorf("run: %v", err)
		}
	})
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_500_000: "1.5 MB", 100 << 20: "104.9 MB", 1 << 62: "4.6 EB"} {
		if got := formatSize(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
