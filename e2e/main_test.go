package e2e

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// testTime bounds each test. It is long because nothing but a defect should
// run into it, however loaded the machine is.
const testTime = 90 * time.Second

// A running is a browser that the tests share, started on first use.
type running struct {
	mu  sync.Mutex
	b   *browser.Browser
	err error
}

var (
	browsers = map[browser.Kind]*running{}
	lab      *browser.Site // serves the bare pages
)

//go:embed testdata
var testdata embed.FS

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	files, err := fs.Sub(testdata, "testdata")
	if err == nil {
		lab, err = browser.NewSite(http.FileServerFS(files))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer lab.Close()
	for _, kind := range browser.Kinds {
		browsers[kind] = &running{}
		if _, err := kind.Find(); err != nil {
			fmt.Fprintf(os.Stderr, "\n*** e2e: NO TEST RUNS IN %s: %v ***\n\n", kind, err)
		}
	}
	defer func() {
		for _, r := range browsers {
			if r.b != nil {
				_ = r.b.Close()
			}
		}
		if dir, err := exampleDir(); err == nil {
			_ = os.RemoveAll(dir)
		}
	}()
	return m.Run()
}

// get returns the browser, which it starts if there is none that is alive.
func (r *running) get(kind browser.Kind) (*browser.Browser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.b != nil && r.b.Alive() {
		return r.b, nil
	}
	if r.b != nil {
		_ = r.b.Close()
		r.b = nil
	}
	if r.err != nil {
		return nil, r.err // it failed to start, and would again
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	defer cancel()
	r.b, r.err = browser.Start(ctx, kind, browser.Options{})
	return r.b, r.err
}

// need returns the shared browser of that kind. Without one it skips the test,
// or fails it if CI=true.
func need(t *testing.T, kind browser.Kind) *browser.Browser {
	t.Helper()
	b, err := browsers[kind].get(kind)
	check(t, err)
	return b
}

// check ends the test if a browser could not be started: as skipped if it is
// not installed, unless CI=true, else as failed.
func check(t *testing.T, err error) {
	t.Helper()
	var missing *browser.MissingError
	switch {
	case errors.As(err, &missing) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// eachBrowser runs the test in every browser.
func eachBrowser(t *testing.T, test func(t *testing.T, b *browser.Browser)) {
	for _, kind := range browser.Kinds {
		t.Run(string(kind), func(t *testing.T) { test(t, need(t, kind)) })
	}
}

// testContext is the context of a test: it ends with the test, and after
// testTime in any case.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	t.Cleanup(cancel)
	return ctx
}
