//go:build !js

// Browser-chat is a room for browsers and terminals. It serves one page; every
// tab that opens it joins by data channels to this program, which relays.
//
//	go run ./examples/browser-chat                              the room
//	go run ./examples/browser-chat -join http://127.0.0.1:8080  a second terminal
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/examples/internal/website"
	"github.com/sluice-rtc/sluice/sctp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "browser-chat:", err)
		os.Exit(1)
	}
}

type options struct {
	addr    string
	hosts   string
	verbose bool
	room    config

	join   string
	nick   string
	dir    string
	accept bool
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("browser-chat", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "serve the room on this `address`")
	f.StringVar(&o.hosts, "host", "", "`names`, separated by commas, under which the page may be opened besides localhost and IP addresses")
	f.BoolVar(&o.verbose, "v", false, "log the connections in detail")
	f.IntVar(&o.room.Members, "members", 32, "how many may be in the room")
	f.IntVar(&o.room.History, "history", 200, "how many entries a latecomer sees")
	f.Int64Var(&o.room.MaxFile, "max-file", 4<<30, "largest file in `bytes`")
	f.StringVar(&o.join, "join", "", "join the room at this `url` from the terminal, instead of serving one")
	f.StringVar(&o.nick, "nick", "", "with -join: your name in the room")
	f.StringVar(&o.dir, "dir", ".", "with -join: the `directory` for files received")
	f.BoolVar(&o.accept, "accept", false, "with -join: receive every file that is offered")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	rtc := sluice.Config{
		IncludeLoopback: true,
		// A killed tab says nothing: the room hears no checks for 4 s, waits
		// 8 s more, and then the place is free.
		ICEDisconnectedTimeout: 4 * time.Second,
		ICEFailedTimeout:       8 * time.Second,
		// The channels of a connection share its receive buffer: room for all
		// files that one member may send at once, and chat still passes.
		SCTP: sctp.Config{ReceiveBuffer: maxHeld*fileWindow + 1<<20},
	}
	if o.verbose {
		rtc.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if o.join != "" {
		return runTerminal(ctx, o, rtc, stdin, stdout)
	}
	o.room.Log = slog.New(slog.NewTextHandler(stderr, nil))
	return runRoom(ctx, o, rtc, stdout)
}

// runRoom serves until ctx is done.
func runRoom(ctx context.Context, o options, rtc sluice.Config, stdout io.Writer) error {
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("cannot serve on %s: %w", o.addr, err)
	}
	r := newRoom(o.room)
	s := &server{answer: answerer(r, rtc), hosts: website.SplitHosts(o.hosts), log: o.room.Log}
	web := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	url, _ := website.URL(ln.Addr())
	fmt.Fprintf(stdout, "The room is open at %s\n", url)
	fmt.Fprintf(stdout, "Join it from another terminal: go run ./examples/browser-chat -join %s\n", url)
	served := make(chan error, 1)
	go func() { served <- web.Serve(ln) }()
	select {
	case err = <-served:
	case <-ctx.Done():
		fmt.Fprintln(stdout, "The room is closing.")
	}
	r.close()
	web.Close()
	return err
}

// runTerminal joins a room until stdin ends, /quit, or ctx is done.
func runTerminal(ctx context.Context, o options, rtc sluice.Config, stdin io.Reader, stdout io.Writer) error {
	if o.nick == "" {
		o.nick = "terminal"
		if u, err := user.Current(); err == nil && u.Username != "" {
			o.nick = u.Username
		}
	}
	dial, err := dialer(o.join, rtc)
	if err != nil {
		return err
	}
	files, err := newFolder(o.dir)
	if err != nil {
		return err
	}
	defer files.close()
	c := newClient(clientConfig{Nick: o.nick, Key: rand.Text(), Files: files, Accept: o.accept, Out: stdout, Dial: dial})
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewScanner(stdin)
		in.Buffer(nil, maxRequest)
		for in.Scan() {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return c.run(ctx, lines)
}
