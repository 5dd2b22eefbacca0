package bench

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var small = flag.Bool("small", false, "measure the programs of bench/small (needs qemu-user)")

// smallPrograms are the programs of bench/small, each with the memory that the runtime
// aims at, and that which it is held to.
var smallPrograms = []struct {
	name, what string
	soft, hard int // bytes
}{
	{"engine", "SCTP over a net.Conn (`sctpnet`)", 4 << 20, 8 << 20},
	{"channels", "data channels over a net.Conn (`datachannel`)", 4 << 20, 8 << 20},
	{"stack", "all, with ICE and DTLS (`sluice`)", 12 << 20, 24 << 20},
}

// smallTargets are the systems that the programs are built for.
var smallTargets = []struct {
	name     string
	env      []string
	emulator string // of qemu-user; none: they run here
	runtime  int    // bytes that the runtime may have, where the program is emulated
	group    int    // and the emulator with the program
}{
	{"arm, ARMv6", []string{"GOARCH=arm", "GOARM=6"}, "qemu-arm", 5 << 20, 24 << 20},
	{"arm64", []string{"GOARCH=arm64"}, "qemu-aarch64", 7 << 20, 32 << 20},
	{"mipsle", []string{"GOARCH=mipsle"}, "qemu-mipsel", 5 << 20, 24 << 20},
	{"mipsle, no FPU", []string{"GOARCH=mipsle", "GOMIPS=softfloat"}, "qemu-mipsel", 5 << 20, 24 << 20},
	{"riscv64", []string{"GOARCH=riscv64"}, "qemu-riscv64", 7 << 20, 32 << 20},
	{"386", []string{"GOARCH=386"}, "", 0, 0},
	{"amd64", []string{"GOARCH=amd64"}, "", 0, 0},
}

// TestSmallDevices builds the programs of bench/small for small devices, and runs them here
// and under emulation with a limit on their memory.
func TestSmallDevices(t *testing.T) {
	if !*small {
		t.Skip("needs -small, and qemu-user")
	}
	if runtime.GOARCH != "amd64" {
		t.Fatal("the programs for amd64 must run here")
	}
	section(t, "Small devices", fmt.Sprintf(`Written by %s. Programs are stripped and without cgo. Each holds both ends of
a connection with %s, which exchange messages of 1000 bytes over a link of 1 Mbit/s that loses 5 %% of
the packets each way; everything must arrive, in order. Of the link 0.92 Mbit/s are left by headers and loss; what
is lost three times waits for T3-rtx, a second, as there is no room to send others meanwhile, which is why the rate
varies. The engine and the data channels run in a memory cgroup of 8 MiB, without swap: the kernel kills
what takes more. It counts the program's own pages, those of its file that it reads, which can be given up and read again, and page tables and
stacks that it keeps for it. They also fail if 8 MiB were ever resident (VmHWM). Those for other processors run under qemu-user,
which has code and data of its own, and those and the program together may take 24 MiB, or 32 MiB on those of 64 bits: an empty program takes 8 to 12. They also fail
if at any message the runtime has more than 5 MiB from the system, 7 MiB on those of 64 bits.
Of the whole stack, which may take 24 MiB, the link is loopback itself. Where no cgroup can be made only what is resident, and
what the runtime has, is looked at.

%s.
`, "`make bench-small`", "`sctp.SmallConfig`", runtime.Version()))
	dir := t.TempDir()
	smallBinaries(t, dir)
	smallMemory(t, dir)
	smallFootprints(t)
}

func smallBinaries(t *testing.T, dir string) {
	var titles []string
	for _, p := range smallPrograms {
		titles = append(titles, p.what)
	}
	table(t, "Programs in MB", titles...)
	for _, target := range smallTargets {
		var cells []string
		for _, p := range smallPrograms {
			file := filepath.Join(dir, p.name+" "+target.name)
			build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "./small/"+p.name)
			build.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), target.env...)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%s for %s: %v\n%s", p.name, target.name, err, out)
			}
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := forget(file); err != nil { // so that it is counted where it runs
				t.Fatal(err)
			}
			cells = append(cells, fmt.Sprintf("%.2f", float64(info.Size())/1e6))
		}
		row(t, target.name, cells...)
	}
}

// smallMemory runs the programs, those of one kind all at the same time: their links keep them waiting.
func smallMemory(t *testing.T, dir string) {
	table(t, "Memory in KiB, both ends in a process", "resident at start", "connected, idle", "at most", "from the system under load", "heap in use under load", "in the group, at most", "its limit", "Mbit/s")
	place := findMemoryPlace(t)
	for _, p := range smallPrograms {
		cells := make([][]string, len(smallTargets))
		var running sync.WaitGroup
		for i, target := range smallTargets {
			file := filepath.Join(dir, p.name+" "+target.name)
			run := smallRun{program: []string{file}, soft: p.soft, hard: p.hard}
			limit := p.hard
			if target.emulator != "" {
				if p.name == "stack" {
					continue // as fast as the processor is, which is an emulated one
				}
				run.program, run.hard, run.emulated = []string{target.emulator, file}, target.runtime, true
				limit = target.group
			}
			if place != nil {
				group, err := place.group(limit)
				if err != nil {
					t.Error(err)
					continue
				}
				run.group, run.limit = group, limit
			}
			running.Go(func() {
				var err error
				if cells[i], err = run.cells(); err != nil {
					t.Errorf("%s, %s: %v", p.name, target.name, err)
				}
				if run.group == nil {
					return
				}
				if err := run.group.remove(); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		for i, target := range smallTargets {
			if cells[i] != nil {
				row(t, p.name+", "+target.name, cells[i]...)
			}
		}
	}
}

// smallRun is a run of one of the programs.
type smallRun struct {
	program    []string
	soft, hard int
	emulated   bool         // what the kernel tells of the process is not true of the program
	group      *memoryGroup // with this limit; nil: there is none
	limit      int
}

// cells runs the program.
func (r *smallRun) cells() ([]string, error) {
	args := append(r.program, "-for", "20s", "-limit", strconv.Itoa(r.hard), fmt.Sprint("-emulated=", r.emulated))
	cmd := exec.Command(args[0], args[1:]...)
	if r.group != nil {
		cmd = r.group.command(args...)
	}
	cmd.Env = append(os.Environ(), fmt.Sprint("GOMEMLIMIT=", r.soft))
	out, err := cmd.CombinedOutput()
	if r.group != nil && r.group.kills() > 0 {
		return nil, fmt.Errorf("killed for want of memory, the limit is %d bytes: %w\n%s", r.limit, err, out)
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	var rate string
	memory := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		switch f := strings.Fields(line); {
		case len(f) == 2 && f[0] == "rate":
			rate = f[1]
		case len(f) == 6 && f[0] == "memory":
			memory[f[1]] = f[2:]
		}
	}
	start, idle, load := memory["start"], memory["idle"], memory["load"]
	if rate == "" || start == nil || idle == nil || load == nil {
		return nil, fmt.Errorf("it printed %s", out)
	}
	cells := []string{start[0], idle[0], load[1], load[2], load[3], "", "", rate}
	if r.emulated {
		cells[0], cells[1], cells[2] = "", "", ""
	}
	if r.group != nil {
		cells[6] = strconv.Itoa(r.limit >> 10)
		if peak, ok := r.group.peak(); ok {
			cells[5] = strconv.Itoa(peak >> 10)
		}
	}
	return cells, nil
}

// smallLine is what TestSmallConfig of package sctp prints.
var smallLine = regexp.MustCompile(`([0-9.]+) Mbit/s; at most ([0-9]+) bytes`)

// smallFootprints has the engine add up what an association takes.
func smallFootprints(t *testing.T) {
	type figures struct{ rate, bytes string }
	run := func(arch string) (names []string, found map[string]figures) {
		cmd := exec.Command("go", "test", "-count=1", "-v", "-run", "^TestSmallConfig$", "./sctp")
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		found = make(map[string]figures)
		name := ""
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			if _, test, ok := strings.Cut(lines.Text(), "=== RUN   TestSmallConfig/"); ok {
				name = strings.ReplaceAll(test, "_", " ")
			} else if m := smallLine.FindStringSubmatch(lines.Text()); m != nil {
				names = append(names, name)
				found[name] = figures{m[1], m[2]}
			}
		}
		return names, found
	}
	names, wide := run("amd64")
	_, narrow := run("386")
	table(t, "Everything that one association holds, at most, in bytes, over the same link with a round trip of 40 ms, in virtual time (limit 32768)", "64 bits", "32 bits", "Mbit/s, both directions")
	for _, name := range names {
		row(t, name, wide[name].bytes, narrow[name].bytes, wide[name].rate)
	}
}
