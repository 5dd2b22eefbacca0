package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// programs are those that do the work, built, and what keeps others from being there.
type programs struct {
	paths   map[string]string // by contestant.program
	missing map[string]error  // a *missingError
	notes   []string          // versions, and what is missing
}

// buildPrograms builds what can be built here.
func buildPrograms(t *testing.T) *programs {
	t.Helper()
	p := &programs{paths: make(map[string]string), missing: make(map[string]error)}
	dir := t.TempDir()
	peer := filepath.Join(dir, "peer")
	if log, err := exec.Command("go", "build", "-buildvcs=false", "-o", peer, "./peer").CombinedOutput(); err != nil {
		t.Fatalf("building peer: %v\n%s", err, log)
	}
	p.paths["peer"] = peer
	p.note("pion/sctp " + moduleVersion(peer, "github.com/pion/sctp") + ", pion/webrtc " + moduleVersion(peer, "github.com/pion/webrtc/v4"))
	for name, build := range map[string]func(dir string) (path, version string, err error){"usrsctp": buildC, "rust": buildRust} {
		path, version, err := build(dir)
		switch {
		case errors.As(err, new(*missingError)):
			p.missing[name] = err
			t.Log(err)
			p.note(err.Error())
		case err != nil:
			t.Fatal(err)
		default:
			p.paths[name] = path
			p.note(version)
		}
	}
	slices.Sort(p.notes)
	return p
}

// buildC builds the program that is usrsctp.
func buildC(dir string) (path, version string, err error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", "", &missingError{"usrsctp is not measured: no C compiler (Debian: gcc, libc6-dev)"}
	}
	preprocess := exec.Command(cc, "-E", "-")
	preprocess.Stdin = strings.NewReader("#include <usrsctp.h>\n")
	if preprocess.Run() != nil {
		return "", "", &missingError{"usrsctp is not measured: no usrsctp.h (Debian: libusrsctp-dev)"}
	}
	path = filepath.Join(dir, "usrsctp")
	if log, err := exec.Command(cc, "-O2", "-Wall", "-o", path, "testdata/usrsctp.c", "-lusrsctp", "-lpthread", "-lm").CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("building testdata/usrsctp.c: %w\n%s", err, log)
	}
	version = "usrsctp"
	if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "libusrsctp-dev").Output(); err == nil {
		version += " " + string(out) + " (Debian's)"
	}
	return path, version, nil
}

// A missingError says why a program cannot be built here.
type missingError struct{ what string }

func (e *missingError) Error() string { return e.what }

func (p *programs) note(text string) { p.notes = append(p.notes, text) }

// describe is the line of versions.
func (p *programs) describe() string { return strings.Join(p.notes, "; ") + ".\n" }

// moduleVersion returns the version of a module in a program.
func moduleVersion(program, module string) string {
	out, err := exec.Command("go", "version", "-m", program).Output()
	if err != nil {
		return "of unknown version"
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" && f[1] == module {
			return strings.TrimPrefix(f[2], "v")
		}
	}
	return "of unknown version"
}

// maxRun is how long a program may take: some work goes on until what is idle has settled.
const maxRun = 90 * time.Second

// run does a work once.
func (p *programs) run(c contestant, w work, seconds float64) (sample, error) {
	path, ok := p.paths[c.program]
	if !ok {
		return nil, p.missing[c.program]
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxRun)
	defer cancel()
	args := append([]string{c.stack, w.net, w.kind, fmt.Sprintf("seconds=%g", seconds)}, w.args...)
	if c.buffer > 0 {
		args = append(args, fmt.Sprintf("buffer=%d", c.buffer))
	}
	cmd := exec.CommandContext(ctx, path, args...)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := startOn(cmd, w.pinned)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problems.String()))
	}
	return parseSample(out.String())
}

// startOn starts a program, on one core only if pinned.
func startOn(cmd *exec.Cmd, pinned bool) error {
	if !pinned {
		return cmd.Start()
	}
	runtime.LockOSThread() // the program inherits what this thread has
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if before.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}

func parseSample(line string) (sample, error) {
	s := make(sample)
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, "=")
		x, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("unexpected output %q", line)
		}
		s[name] = x
	}
	if len(s) == 0 {
		return nil, errors.New("no output")
	}
	return s, nil
}
