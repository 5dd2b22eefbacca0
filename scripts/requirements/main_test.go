package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// TestRequirements holds that each requirement of the engine and of the data channels has a
// test or a reason, and that tests cite only what is listed.
func TestRequirements(t *testing.T) {
	complaints, err := run(io.Discard, os.DirFS("../.."), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range complaints {
		t.Error(c)
	}
}

// TestCite finds ids where they are cited, and nowhere else.
func TestCite(t *testing.T) {
	list, err := parseList("= engine: x\n9260-6.2-b  text\n9260-16-a  text\n\t- reason\nPIONS-4  text\n8261-6.3  text\n")
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{
		"a/x_test.go": {Data: []byte(`package a

// TestOne does. // 9260-6.2-b
func TestOne() {
	f("9260-16-a and more") // PIONS-4 and CVE-2021-3772
}

func TestTwo() {
	g() // 9260-6.2-b 9260-6.2-c
}

// 8261-6.3 stands in no function.
var x int
`)},
		"a/x.go":              {Data: []byte("package a // 9260-16-a\n")},
		"s/y.pkt":             {Data: []byte("// 9260-6.2-b\n+0 > sctp: DATA[] // PIONS-4\n")},
		"testdata/z_test.go":  {Data: []byte("not Go, 9260-16-a")},
		".hidden/z_test.go":   {Data: []byte("nor this")},
		"a/deeper/more.proto": {Data: []byte("// 9260-16-a")},
	}
	unknown, err := cite(list, tree)
	if err != nil {
		t.Fatal(err)
	}
	if len(unknown) != 1 || !strings.Contains(unknown[0], "a.TestTwo cites 9260-6.2-c") {
		t.Errorf("unknown: %q", unknown)
	}
	for i, want := range []string{"a.TestOne a.TestTwo s/y.pkt", "a.TestOne", "a.TestOne s/y.pkt", "a/x_test.go"} {
		if got := strings.Join(list[i].tests, " "); got != want {
			t.Errorf("%s is cited by %q, want %q", list[i].id, got, want)
		}
	}
	if list[1].reason != "reason" || !list[1].held {
		t.Errorf("%+v", list[1])
	}
}

// TestParseList refuses what would go unnoticed.
func TestParseList(t *testing.T) {
	for _, bad := range []string{"9260-6.2-b\n", "9260-6.2-b  x\n9260-6.2-b  y\n", "\t- reason\n", "926-6-b  x\n"} {
		if _, err := parseList(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
