package rust

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	program    string // the built peer
	errMissing error  // why there is none
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	program, errMissing = build()
	if errMissing != nil {
		fmt.Fprintf(os.Stderr, "\n*** rust: NO TEST RUNS AGAINST DCSCTP AND SCTP-PROTO: %v ***\n\n", errMissing)
	} else if program == "" {
		return 1
	}
	return m.Run()
}

// build compiles the peer. The error says why that cannot be done here; a peer that
// does not compile is reported, and then there is neither program nor error.
func build() (string, error) {
	cargo, err := exec.LookPath("cargo")
	if err != nil {
		return "", fmt.Errorf("cargo is missing (rustup, or Debian's cargo if it is recent enough)")
	}
	dir := filepath.Join("testdata", "peer")
	fetch := exec.Command(cargo, "fetch", "--quiet", "--locked")
	fetch.Dir = dir
	if log, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cargo cannot get the crates: %w\n%s", err, log)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	target := filepath.Join(cache, "sluice-e2e-rust")
	make := exec.Command(cargo, "build", "--quiet", "--locked", "--offline", "--target-dir", target)
	make.Dir = dir
	if log, err := make.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "rust: building testdata/peer: %v\n%s", err, log)
		return "", nil
	}
	return filepath.Join(target, "debug", "peer"), nil
}

// need skips the test if there is no peer here.
func need(t *testing.T) {
	t.Helper()
	if errMissing != nil {
		t.Skip(errMissing)
	}
}
