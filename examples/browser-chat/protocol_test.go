package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestCleanLine(t *testing.T) {
	for _, c := range []struct{ desc, in, want string }{
		{"plain", "Ann", "Ann"},
		{"spaces", "  A \t n\n\nn ", "A n n"},
		{"terminal escape", "a\x1b[31mb", "a[31mb"},
		{"C1 control", "a\u009bb", "ab"},
		{"bidi override", "a\u202eb", "ab"},
		{"broken UTF-8", "a\xffb", "ab"},
		{"emoji sequence stays", "👩‍🚀", "👩‍🚀"},
		{"cut by runes", strings.Repeat("ü", 30), strings.Repeat("ü", maxNick)},
		{"cut at a space", strings.Repeat("x", maxNick-1) + " y", strings.Repeat("x", maxNick-1)},
	} {
		if got := cleanLine(c.in, maxNick); got != c.want {
			t.Errorf("%s: %q, want %q", c.desc, got, c.want)
		}
	}
}

func TestSafeFileName(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt":                           "a.txt",
		"../../etc/passwd":                "passwd",
		`C:\Windows\x.dll`:                "x.dll",
		".bashrc":                         "bashrc",
		"..":                              "file",
		"":                                "file",
		"a/":                              "file",
		"a\x00b\n.txt":                    "ab .txt",
		"what?<>.txt":                     "what___.txt",
		"nul":                             "_nul",
		"COM1.txt":                        "_COM1.txt",
		"company.txt":                     "company.txt",
		"2024":                            "2024",
		strings.Repeat("x", 200) + ".tgz": strings.Repeat("x", maxFileName-4) + ".tgz",
	} {
		if got := safeFileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestBucket(t *testing.T) {
	b := bucket{rate: 2, burst: 3}
	now := time.Unix(1000, 0)
	count := func() (n int) {
		for b.take(now) {
			n++
		}
		return n
	}
	if n := count(); n != 3 {
		t.Errorf("burst of %d", n)
	}
	now = now.Add(time.Second)
	if n := count(); n != 2 {
		t.Errorf("%d after a second", n)
	}
	now = now.Add(time.Hour)
	if n := count(); n != 3 {
		t.Errorf("%d after an hour", n)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	h := history{limit: 10, limitBytes: 1000}
	for range 100 {
		h.add(&entry{Kind: "say", Text: strings.Repeat("x", 50)})
		sum := 0
		for _, b := range h.after(0) {
			sum += len(b)
		}
		if sum != h.bytes || sum > 1000 {
			t.Fatalf("%d bytes, counted %d", sum, h.bytes)
		}
	}
	if n := len(h.after(0)); n == 0 || n > 10 {
		t.Errorf("%d entries", n)
	}
	if n := len(h.after(98)); n != 2 {
		t.Errorf("%d entries after 98", n)
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"type":"hello","v":1,"key":"0123456789abcdef","nick":"Ann","room":"r","after":3,"files":["f1"]}`,
		`{"type":"say","text":"hi","ref":"r"}`, `{"type":"nick","nick":"b"}`, `{"type":"leave"}`,
		`{"type":"offer","name":"../x","size":1,"ref":"r"}`, `{"type":"withdraw","id":"f1"}`,
		`{"ack":1}`, `{"end":{"size":1,"sha256":"00"}}`, `{"receipt":{"ok":true,"sha256":""}}`, `{"abort":"no"}`,
		`{"t":"ptr","n":1,"x":0.5,"y":1e9}`, `{"t":"ping","n":-1}`, `{"type":"say","text":"\u0000\u202e"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := parseRequest(b)
		switch {
		case err != nil && !errors.Is(err, errProtocol):
			t.Errorf("untyped error %v", err)
		case err == nil:
			if utf8.RuneCountInString(q.Nick) > maxNick && q.Type != "say" && q.Type != "offer" && q.Type != "withdraw" && q.Type != "leave" {
				t.Errorf("nick %q", q.Nick)
			}
			if q.Type == "offer" && (q.Name == "" || q.Name != filepath.Base(q.Name) || q.Name[0] == '.' || q.Size < 0) {
				t.Errorf("file %q of %d bytes", q.Name, q.Size)
			}
			if q.Type == "say" && (q.Text == "" || strings.ContainsAny(q.Text, "\x00\x1b")) {
				t.Errorf("text %q", q.Text)
			}
			if again, err := parseRequest(encode(q)); err != nil || string(encode(again)) != string(encode(q)) {
				t.Errorf("%s comes back as %s, %v", encode(q), encode(again), err)
			}
		}
		if m, ok := parseLive(b); ok && (m.X < 0 || m.X > 1 || m.Y < 0 || m.Y > 1) {
			t.Errorf("pointer at %v, %v", m.X, m.Y)
		}
		if c, err := parseFileControl(b); err == nil && c.End != nil && len(c.End.SHA256) != 64 {
			t.Errorf("end %+v", c.End)
		}
		var e event
		json.Unmarshal(b, &e) // the terminal reads these
	})
}
