// Telemetry brings readings and alarms of gateways to a server over data channels. The
// server takes all of them on one UDP port, and shows them on a live page.
//
//	go run ./examples/telemetry                                          a server, with three gateways to look at
//	go run ./examples/telemetry serve -addr :8081 -token SECRET          a server
//	go run ./examples/telemetry send -to http://HOST:8081 -token SECRET  a gateway
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
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
		fmt.Fprintln(os.Stderr, "telemetry:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	command := "demo"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	switch command {
	case "demo":
		return demo(ctx, args, stdout, stderr)
	case "serve":
		return serve(ctx, args, stdout, stderr)
	case "send":
		return send(ctx, args, stdin, stderr)
	}
	return fmt.Errorf("there is no command %q: serve, send, or none for a look", command)
}

// serveOptions are the flags of serve.
type serveOptions struct {
	addr, udp, token, hosts string
	gateways                int
	verbose                 bool
}

func (o *serveOptions) flags(name string, stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8081", "serve page and signalling on this `address`")
	f.StringVar(&o.udp, "udp", "", "UDP `address` that all gateways send to; default any port at the host of -addr")
	f.StringVar(&o.hosts, "host", "", "`names`, separated by commas, under which the page may be opened besides localhost and IP addresses")
	f.IntVar(&o.gateways, "gateways", 10000, "how many are kept")
	f.BoolVar(&o.verbose, "v", false, "log the connections in detail")
	return f
}

func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return nil
}

// serve runs a server until ctx ends.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o serveOptions
	f := o.flags("telemetry serve", stderr)
	f.StringVar(&o.token, "token", "", "what gateways must show; needed where -addr is not of this machine alone")
	if err := parse(f, args); err != nil {
		return err
	}
	running, err := o.start(ctx, stdout, stderr)
	if err != nil {
		return err
	}
	return running.wait()
}

// serving is a server that runs.
type serving struct {
	url  string
	wait func() error // until its context ends
}

func (o *serveOptions) start(ctx context.Context, stdout, stderr io.Writer) (*serving, error) {
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return nil, err
	}
	at := ln.Addr().(*net.TCPAddr)
	if !at.IP.IsLoopback() && o.token == "" {
		ln.Close()
		return nil, errors.New("anybody could send readings to that address: choose a -token")
	}
	cfg, mux, err := o.transport(at.IP)
	if err != nil {
		ln.Close()
		return nil, err
	}
	s := &site{every: time.Second, hosts: website.SplitHosts(o.hosts), closing: ctx.Done(),
		server: &server{fleet: newFleet(o.gateways), token: o.token, rtc: cfg, log: slog.New(slog.NewTextHandler(stderr, nil))}}
	if o.verbose {
		s.rtc.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	web := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	url, _ := website.URL(ln.Addr())
	var ports []string
	for _, a := range mux.Addrs() {
		ports = append(ports, a.String())
	}
	fmt.Fprintf(stdout, "The page is at %s; gateways come to UDP %s\n", url, strings.Join(ports, ", "))
	token := ""
	if o.token != "" {
		token = " -token SECRET"
	}
	fmt.Fprintf(stdout, "Another gateway: go run ./examples/telemetry send -to %s%s -name mine\n", url, token)
	served := make(chan error, 1)
	go func() { served <- web.Serve(ln) }()
	return &serving{url, func() error {
		var err error
		select {
		case err = <-served:
		case <-ctx.Done():
		}
		web.Close()
		s.fleet.close()
		return errors.Join(err, mux.Close())
	}}, nil
}

// transport is how connections are made: all on one port, with one certificate. Nobody waits for an
// answer within milliseconds, so readings gather in the socket.
func (o *serveOptions) transport(host net.IP) (sluice.Config, *sluice.UDPMux, error) {
	var cfg sluice.Config
	at := netip.AddrPortFrom(netip.MustParseAddr(host.String()), 0)
	if o.udp != "" {
		addr, err := net.ResolveUDPAddr("udp", o.udp)
		if err != nil {
			return cfg, nil, err
		}
		at = addr.AddrPort()
	}
	muxConfig := sluice.UDPMuxConfig{Port: at.Port(), ReceiveDelay: 5 * time.Millisecond}
	if ip := at.Addr().Unmap(); ip.IsValid() && !ip.IsUnspecified() {
		muxConfig.Addresses = []netip.Addr{ip}
	}
	mux, err := sluice.NewUDPMux(muxConfig)
	if err != nil {
		return cfg, nil, err
	}
	cert, err := sluice.GenerateCertificate()
	if err != nil {
		return cfg, nil, errors.Join(err, mux.Close())
	}
	return sluice.Config{UDPMux: mux, Certificate: cert, IncludeLoopback: true, MaxMessageSize: maxMessage,
		SCTP: sctp.Config{ReceiveBuffer: 64 << 10, SendBuffer: 16 << 10}}, mux, nil
}

// send runs a gateway until ctx ends.
func send(ctx context.Context, args []string, stdin io.Reader, stderr io.Writer) error {
	cfg := gatewayConfig{Log: slog.New(slog.NewTextHandler(stderr, nil)), RTC: gatewayTransport()}
	var every time.Duration
	var fromStdin bool
	name, _ := os.Hostname()
	f := flag.NewFlagSet("telemetry send", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&cfg.Server, "to", "http://127.0.0.1:8081", "the server's `url`")
	f.StringVar(&cfg.Token, "token", "", "what the server asks for")
	f.StringVar(&cfg.Name, "name", name, "the gateway's name, no other may have it")
	f.StringVar(&cfg.Dir, "dir", "telemetry-NAME", "the `directory` for what waits while offline")
	f.Int64Var(&cfg.Disk, "disk", 16<<20, "`bytes` that readings may take there, and alarms as many")
	f.DurationVar(&every, "every", time.Second, "between readings of sensors that are made up")
	f.BoolVar(&fromStdin, "stdin", false, `read "SENSOR VALUE" and "! SENSOR VALUE TEXT" (an alarm) from standard input instead`)
	if err := parse(f, args); err != nil {
		return err
	}
	if every <= 0 {
		return errors.New("-every must be more than nothing")
	}
	cfg.Server = strings.TrimSuffix(cfg.Server, "/")
	if cfg.Dir == "telemetry-NAME" {
		cfg.Dir = "telemetry-" + filepath.Base(cfg.Name)
	}
	g, err := newGateway(cfg)
	if err != nil {
		return err
	}
	if !fromStdin {
		return errors.Join(g.runWith(ctx, func(ctx context.Context) error { return g.simulate(ctx, every) }), g.close())
	}
	go func() {
		_ = g.read(stdin, func(line string, err error) { cfg.Log.Warn("ignored", "line", line, "reason", err) })
	}()
	return errors.Join(g.run(ctx), g.close())
}

// runWith is run, and a source beside it: the end of either ends the other.
func (g *gateway) runWith(ctx context.Context, source func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	measured := make(chan error, 1)
	go func() {
		defer cancel()
		measured <- source(ctx)
	}()
	err := g.run(ctx)
	cancel()
	return errors.Join(err, <-measured)
}

// gatewayTransport fits a small device: buffers of a few packets. It notices a lost link
// within some seconds, and does not hope for it for long.
func gatewayTransport() sluice.Config {
	return sluice.Config{IncludeLoopback: true, MaxMessageSize: maxMessage, MaxBufferedAmount: 64 << 10,
		ICEDisconnectedTimeout: 4 * time.Second, ICEFailedTimeout: 4 * time.Second,
		SCTP: sctp.Config{ReceiveBuffer: 16 << 10, SendBuffer: 16 << 10}}
}

// demo is a server with some gateways in one program.
func demo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o serveOptions
	var n int
	f := o.flags("telemetry", stderr)
	f.IntVar(&n, "demo", 3, "how many gateways there are in this program")
	f.Usage = func() {
		fmt.Fprint(stderr, "telemetry serve is a server, telemetry send a gateway (-h after either lists its flags).\n",
			"Without a command telemetry is a server with gateways in one program:\n")
		f.PrintDefaults()
	}
	if err := parse(f, args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "telemetry-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running, err := o.start(ctx, stdout, stderr)
	if err != nil {
		return err
	}
	var gateways sync.WaitGroup
	defer gateways.Wait()
	defer cancel()
	for i := range n {
		name := fmt.Sprintf("gateway %d", i+1)
		if rooms := []string{"attic", "boiler room", "greenhouse"}; i < len(rooms) {
			name = rooms[i]
		}
		g, err := newGateway(gatewayConfig{Name: name, Server: running.url, Dir: filepath.Join(dir, name), RTC: gatewayTransport()})
		if err != nil {
			return err
		}
		gateways.Go(func() {
			if err := errors.Join(g.runWith(ctx, func(ctx context.Context) error { return g.simulate(ctx, 300*time.Millisecond) }), g.close()); err != nil {
				fmt.Fprintln(stderr, "telemetry:", err)
			}
		})
	}
	return running.wait()
}
