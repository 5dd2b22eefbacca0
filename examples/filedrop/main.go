// Filedrop hands one file from one person to another: who has it gets a link and a QR
// code, who opens the link gets the file, straight from the first one's machine.
//
//	go run ./examples/filedrop FILE              offers the file
//	go run ./examples/filedrop -addr :8082 FILE  to others in the network
//	go run ./examples/filedrop -get LINK         fetches it without a browser
package main

import (
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
	"strings"
	"syscall"
	"time"

	"rsc.io/qr"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/examples/internal/website"
	"github.com/sluice-rtc/sluice/sctp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted; the same command goes on from here")
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "filedrop:", err)
		os.Exit(1)
	}
}

type options struct {
	addr, url, hosts, key string
	rate                  int64
	get, dir              string
	verbose               bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	f := flag.NewFlagSet("filedrop", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8082", "serve the page on this `address`")
	f.StringVar(&o.url, "url", "", "`URL` by which others reach the page, if it is not that address")
	f.StringVar(&o.hosts, "host", "", "`names`, separated by commas, under which the page may be opened besides localhost and IP addresses")
	f.StringVar(&o.key, "key", "", "the `secret` of the link; with the same one an old link goes on. Default: a new one")
	f.Int64Var(&o.rate, "rate", 0, "`bytes` in a second to each receiver, 0 for as many as there is room for")
	f.StringVar(&o.get, "get", "", "fetch the file of this `link`, instead of offering one")
	f.StringVar(&o.dir, "dir", ".", "with -get: the `directory` for the file")
	f.BoolVar(&o.verbose, "v", false, "log the connections in detail")
	f.Usage = func() {
		fmt.Fprint(stderr, "filedrop FILE offers the file, filedrop -get LINK fetches it.\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	rtc := sluice.Config{
		IncludeLoopback:        true,
		ICEDisconnectedTimeout: 4 * time.Second,
		ICEFailedTimeout:       6 * time.Second,
		SCTP:                   sctp.Config{ReceiveBuffer: 4 << 20},
	}
	if o.verbose {
		rtc.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	switch {
	case o.get != "" && f.NArg() == 0:
		return get(ctx, o, rtc, stdout)
	case o.get == "" && f.NArg() == 1:
		return offer(ctx, o, rtc, f.Arg(0), stdout)
	}
	return errors.New("usage: filedrop FILE, or filedrop -get LINK; -h lists the flags")
}

func get(ctx context.Context, o options, rtc sluice.Config, stdout io.Writer) error {
	r, err := newReceiver(o.get, o.dir)
	if err != nil {
		return err
	}
	r.rtc = rtc
	r.tell = func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) }
	path, err := r.fetch(ctx)
	if err == nil {
		r.tell("%s is complete, its SHA-256 is right", path)
	}
	return err
}

// offer serves the file until ctx ends.
func offer(ctx context.Context, o options, rtc sluice.Config, path string, stdout io.Writer) error {
	d, err := newDrop(path)
	if err != nil {
		return err
	}
	if d.key = o.key; d.key == "" {
		d.key = rand.Text()
	}
	d.rate, d.hosts, d.rtc = o.rate, website.SplitHosts(o.hosts), rtc
	d.tell = func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) }
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	link, err := linkTo(o.url, ln.Addr(), d.key)
	if err != nil {
		ln.Close()
		return err
	}
	code, err := qrText(link)
	if err != nil {
		ln.Close()
		return err
	}
	fmt.Fprintf(stdout, "%s\n%s, %s\nSHA-256 %s\nFetch it at %s\n", code, d.Name, bytesText(d.Size), d.SHA256, link)
	web := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	served := make(chan error, 1)
	go func() { served <- web.Serve(ln) }()
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	web.Close()
	d.close()
	return err
}

// linkTo is what to give away. The key is in the fragment, which browsers send to nobody.
func linkTo(base string, at net.Addr, key string) (string, error) {
	if base == "" {
		var err error
		if base, err = website.URL(at); err != nil {
			return "", fmt.Errorf("which address others reach is not known (%w): say it with -url", err)
		}
	}
	return strings.TrimSuffix(base, "/") + "/#" + key, nil
}

// quiet is how many white modules there are around a QR code (ISO/IEC 18004, section 6.3.8).
const quiet = 4

// qrText draws a QR code with two modules in each character, black on white in any terminal.
func qrText(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -quiet; x < code.Size+quiet; x++ {
			switch above, below := code.Black(x, y), code.Black(x, y+1); {
			case above && below:
				b.WriteString("█")
			case above:
				b.WriteString("▀")
			case below:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}
