//go:build !js

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// program is what is built for the browser: this one.
	program      = "github.com/sluice-rtc/sluice/examples/browser-chat"
	buildTimeout = 10 * time.Minute
	buildPause   = 10 * time.Second // after one that failed
)

// wasmBuild is this program for the browser. It is built by the go command when it is
// first asked for, with what that brings to start it.
type wasmBuild struct {
	log    *slog.Logger
	mu     sync.Mutex // held while it is built
	loader []byte     // wasm_exec.js
	zipped []byte     // the program, by gzip
	failed time.Time  // when it could not be built, the last time
	err    error      // why
}

// get builds what was not built yet. Some time after an error it tries again: somebody may
// have put it right.
func (b *wasmBuild) get() (loader, zipped []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil && time.Since(b.failed) < buildPause {
		return nil, nil, b.err
	}
	if b.zipped == nil {
		start := time.Now()
		if b.err = b.build(); b.err != nil {
			b.failed = time.Now()
			b.log.Warn("the page with the Go client cannot be served", "error", b.err)
			return nil, nil, b.err
		}
		b.log.Info("built the Go client for browsers", "bytes", len(b.zipped), "seconds", int(time.Since(start).Seconds()))
	}
	return b.loader, b.zipped, nil
}

func (b *wasmBuild) build() error {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	root, err := runGo(ctx, "env", "GOROOT")
	if err != nil {
		return err
	}
	loader, err := os.ReadFile(filepath.Join(strings.TrimSpace(root), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "browser-chat")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "terminal.wasm")
	if _, err := runGo(ctx, "build", "-trimpath", "-ldflags=-s -w", "-o", path, program); err != nil {
		return err
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(binary) // to memory
	z.Close()
	b.loader, b.zipped = loader, zipped.Bytes()
	return nil
}

// runGo runs the go command for the browser.
func runGo(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("there is no go command on the room's machine")
	case err != nil:
		return "", fmt.Errorf("the go command failed (%w): %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// serve answers with what pick selects, or with the problem.
func (b *wasmBuild) serve(w http.ResponseWriter, mediaType string, write func(loader, zipped []byte)) {
	// Building takes longer than the server lets other answers take.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(buildTimeout))
	loader, zipped, err := b.get()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "build", "This page needs a program that the room builds from its sources by the go command, "+
			"so the room has to be started inside the repository: "+err.Error()+".")
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-cache")
	write(loader, zipped)
}

func (b *wasmBuild) serveLoader(w http.ResponseWriter, _ *http.Request) {
	b.serve(w, "text/javascript; charset=utf-8", func(loader, _ []byte) { w.Write(loader) })
}

func (b *wasmBuild) serveProgram(w http.ResponseWriter, q *http.Request) {
	b.serve(w, "application/wasm", func(_, zipped []byte) {
		if strings.Contains(q.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(zipped)
			return
		}
		if z, err := gzip.NewReader(bytes.NewReader(zipped)); err == nil {
			io.Copy(w, z) // an error is of the connection
		}
	})
}
