package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// A Browser is a running browser. Close must be called.
type Browser struct {
	Kind Kind

	dir    string // profile
	cmd    *exec.Cmd
	stderr tail
	exited chan struct{} // closed when the process has ended
	site   *Site         // serves the hub and nothing else
	hub    *Page
	tabs   atomic.Int64 // opened so far, for their names
}

// Start starts a browser of that kind and waits until it shows its hub. The
// error is a *MissingError if there is none on this machine.
func Start(ctx context.Context, kind Kind, opts Options) (*Browser, error) {
	path, err := kind.Find()
	if err != nil {
		return nil, err
	}
	b := &Browser{Kind: kind, exited: make(chan struct{})}
	if b.site, err = NewSite(http.NotFoundHandler()); err != nil {
		return nil, err
	}
	if err := b.start(path, opts); err != nil {
		_ = b.site.Close()
		return nil, err
	}
	if err := b.hub.loaded(ctx, 0); err != nil {
		_ = b.Close()
		return nil, err
	}
	if err := b.hub.Eval(ctx, nil, "window.tabs = new Map()"); err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

// start starts the process on a fresh profile, showing the hub.
func (b *Browser) start(path string, opts Options) error {
	var err error
	if b.dir, err = TempDir(); err != nil {
		return fmt.Errorf("browser: %w", err)
	}
	b.hub = b.site.add(b, "hub")
	args, env, err := b.Kind.command(b.dir, b.site.URL+labPath+"hub?page=hub", opts)
	if err == nil {
		b.cmd = exec.Command(path, args...)
		b.cmd.Env = append(os.Environ(), env...)
		b.cmd.Stderr = &b.stderr
		// Children that outlive the browser must not keep Wait from returning.
		b.cmd.WaitDelay = time.Second
		Tie(b.cmd)
		err = b.cmd.Start()
	}
	if err != nil {
		_ = os.RemoveAll(b.dir)
		return fmt.Errorf("browser: %w", err)
	}
	go func() {
		_ = b.cmd.Wait()
		close(b.exited)
	}()
	return nil
}

// Open opens a tab on a path of the site and waits until the page runs.
func (b *Browser) Open(ctx context.Context, site *Site, path string) (*Page, error) {
	p := site.add(b, fmt.Sprintf("%s-%d", b.Kind, b.tabs.Add(1)))
	const js = `const [url, name] = args, tab = window.open(url, name);
		if (!tab) throw new Error('the browser refused to open a tab');
		tabs.set(name, tab);`
	err := b.hub.Eval(ctx, nil, js, site.URL+path, p.name)
	if err == nil {
		err = p.loaded(ctx, 0)
	}
	if err != nil {
		site.remove(p)
		return nil, err
	}
	return p, nil
}

// Kill ends the browser at once, like a crash: no page gets to say goodbye.
// The profile stays until Close.
func (b *Browser) Kill() {
	_ = KillGroup(b.cmd)
	<-b.exited
}

// Close ends the browser and removes its profile.
func (b *Browser) Close() error {
	b.Kill()
	err := b.site.Close()
	// A process of the group may still be writing while it dies.
	for range 100 {
		if e := os.RemoveAll(b.dir); e == nil {
			return err
		} else if _, gone := os.Stat(b.dir); errors.Is(gone, os.ErrNotExist) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.Join(err, fmt.Errorf("browser: cannot remove the profile %s", b.dir))
}

// Alive reports whether the browser still runs and its hub answers.
func (b *Browser) Alive() bool {
	select {
	case <-b.exited:
		return false
	default:
		return !b.hub.silent()
	}
}
