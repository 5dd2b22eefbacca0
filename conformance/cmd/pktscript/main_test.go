package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommand runs a directory with a script of each kind.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	for name, src := range map[string]string{
		"a-good.pkt":        "0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3\n",
		"b-bad.pkt":         "0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3\n+0 close(3) = 1\n",
		"c-broken.pkt":      "0 > sctp: FOO[]\n",
		"d-unsupported.pkt": "0 fork() = 1\n",
		"e-ifdef.pkt":       "#ifdef Linux\nfoo\n#endif\n0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3\n",
		"readme.txt":        "no script",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	c := command{out: &out, defined: []string{"FreeBSD"}}
	if c.run([]string{dir, filepath.Join(dir, "missing")}) {
		t.Error("a failure is not reported")
	}
	want := `pass         DIR/a-good.pkt
fail         DIR/b-bad.pkt:2: close: 1 expected, not 0
             line: +0 close(3) = 1
fail         DIR/c-broken.pkt:1:11: unknown chunk FOO
unsupported  DIR/d-unsupported.pkt:1: call fork
             line: 0 fork() = 1
pass         DIR/e-ifdef.pkt
fail         lstat DIR/missing: no such file or directory
2 passed, 3 failed, 1 unsupported
`
	if got := strings.ReplaceAll(out.String(), dir, "DIR"); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}
