package usrsctp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	program    string // the built peer
	errMissing error  // why there is none, if something is not installed
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "usrsctp")
	if err != nil {
		fmt.Fprintln(os.Stderr, "usrsctp:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "peer")
	var missing *missingError
	switch err := build(program); {
	case errors.As(err, &missing):
		errMissing = err
		fmt.Fprintf(os.Stderr, "\n*** usrsctp: NO TEST RUNS AGAINST USRSCTP: %v ***\n\n", err)
	case err != nil:
		fmt.Fprintln(os.Stderr, "usrsctp: building testdata/peer.c:", err)
		return 1
	}
	return m.Run()
}

// A missingError names what is not installed.
type missingError struct{ what string }

func (e *missingError) Error() string {
	return e.what + " is missing (Debian: gcc, libc6-dev, libusrsctp-dev)"
}

// build compiles the peer. It returns a *missingError if it cannot be done here.
func build(output string) error {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return &missingError{"a C compiler (cc)"}
	}
	preprocess := exec.Command(cc, "-E", "-")
	preprocess.Stdin = strings.NewReader("#include <usrsctp.h>\n")
	if err := preprocess.Run(); err != nil {
		return &missingError{"usrsctp.h"}
	}
	log, err := exec.Command(cc, "-O1", "-Wall", "-o", output, "testdata/peer.c", "-lusrsctp", "-lpthread").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, log)
	}
	return nil
}

// need skips the test if there is no usrsctp here, or fails it if CI=true.
func need(t *testing.T) {
	t.Helper()
	switch {
	case errMissing == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(errMissing)
	default:
		t.Skip(errMissing)
	}
}
