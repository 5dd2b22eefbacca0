// Pktscript runs packet scripts against the SCTP engine.
//
//	go run ./conformance/cmd/pktscript [flags] FILE|DIR...
//
// It prints a line for each script: pass, fail or unsupported, with the first line
// of the script that did not hold. The exit status is 1 if a script failed or could
// not be read, 0 otherwise.
package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-rtc/sluice/conformance"
)

func main() {
	var cmd command
	exact := flag.Bool("exact", false, "compare also what is a choice of the implementation, and insist on sysctl: for scripts written for this one")
	flag.BoolVar(&cmd.opts.Strict, "strict", false, "a packet that is left at the end is a failure")
	flag.BoolVar(&cmd.opts.Endpoint, "endpoint", true, "drive an endpoint; without it, an association alone")
	flag.BoolVar(&cmd.quiet, "q", false, "print only what did not pass")
	flag.BoolVar(&cmd.trace, "trace", false, "print the packets of each script")
	flag.BoolVar(&cmd.parse, "parse", false, "read the scripts, do not run them")
	settings := flag.String("set", "", "settings of the host that the suite takes for granted, with commas: rto_initial=3000 for one from before RFC 9260")
	defined := flag.String("define", "FreeBSD", "names that #ifdef finds, with commas")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *settings != "" {
		cmd.opts.Settings = strings.Split(*settings, ",")
	}
	cmd.out, cmd.defined, cmd.opts.Lenient = os.Stdout, strings.Split(*defined, ","), !*exact
	if !cmd.run(flag.Args()) {
		os.Exit(1)
	}
}

// A command runs scripts and reports on them.
type command struct {
	out     io.Writer
	opts    conformance.Options
	defined []string
	quiet   bool
	trace   bool
	parse   bool

	passed, failed, unsupported int
}

// run runs what the arguments name, and says whether nothing failed.
func (c *command) run(args []string) bool {
	for _, arg := range args {
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path != arg && filepath.Ext(path) != ".pkt" {
				return err
			}
			c.script(path)
			return nil
		})
		if err != nil {
			c.failed++
			fmt.Fprintf(c.out, "fail         %v\n", err)
		}
	}
	fmt.Fprintf(c.out, "%d passed, %d failed, %d unsupported\n", c.passed, c.failed, c.unsupported)
	return c.failed == 0
}

// script runs one script.
func (c *command) script(path string) {
	src, err := os.ReadFile(path)
	if err != nil {
		c.failed++
		fmt.Fprintf(c.out, "fail         %v\n", err)
		return
	}
	s, err := conformance.Parse(path, src, c.defined...)
	if err != nil {
		c.failed++
		fmt.Fprintf(c.out, "fail         %v\n", err)
		return
	}
	if c.parse {
		c.passed++
		return
	}
	opts := c.opts
	if c.trace {
		fmt.Fprintf(c.out, "%s\n", path)
		opts.Trace = func(at time.Duration, outbound bool, packet string) {
			direction := "<"
			if outbound {
				direction = ">"
			}
			fmt.Fprintf(c.out, "    %9.6f %s %s\n", at.Seconds(), direction, packet)
		}
	}
	c.report(path, src, s.Run(opts))
}

// report prints how a script went.
func (c *command) report(path string, src []byte, res conformance.Result) {
	switch res.Status {
	case conformance.Pass:
		c.passed++
		if !c.quiet {
			fmt.Fprintf(c.out, "pass         %s\n", path)
			c.notes(res.Notes)
		}
		return
	case conformance.Fail:
		c.failed++
	default:
		c.unsupported++
	}
	fmt.Fprintf(c.out, "%-12v %s:%d: %s\n", res.Status, path, res.Pos.Line, res.Reason)
	if lines := strings.Split(string(src), "\n"); res.Pos.Line > 0 && res.Pos.Line <= len(lines) {
		fmt.Fprintf(c.out, "             line: %s\n", strings.TrimSpace(lines[res.Pos.Line-1]))
	}
	if res.Got != "" {
		fmt.Fprintf(c.out, "             sent: %s\n", res.Got)
	}
	c.notes(res.Notes)
}

func (c *command) notes(notes []string) {
	for _, n := range notes {
		fmt.Fprintf(c.out, "             note: %s\n", n)
	}
}
