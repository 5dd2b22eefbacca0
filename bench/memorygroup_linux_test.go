package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A memoryGroup is a memory control group (cgroup): what runs in it has no more memory than
// its limit, swap included, or is killed. Counted are pages that are of the program's own, those of
// files that were first read in the group, as is its text, which can be given up and read again, and what the
// kernel keeps for it: page tables, stacks.
type memoryGroup struct {
	dir   string
	files *memoryFiles
}

// memoryFiles are the files of a group, which differ between the versions of cgroup.
type memoryFiles struct {
	limit, swap  string
	together     bool   // the limit of swap is one of both
	peak, killed string // killed has a line "oom_kill N"
}

var (
	memoryFiles1 = &memoryFiles{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", true, "memory.max_usage_in_bytes", "memory.oom_control"}
	memoryFiles2 = &memoryFiles{"memory.max", "memory.swap.max", false, "memory.peak", "memory.events"} // peak since Linux 5.19
)

// A memoryPlace is a group below which others may be made.
type memoryPlace struct {
	dir   string
	files *memoryFiles
}

// findMemoryPlace returns where groups can be made; nil, and says so loudly, if nowhere. It also removes those of runs
// that were killed.
func findMemoryPlace(t *testing.T) *memoryPlace {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	places := memoryPlaces(string(mounts), string(own))
	for _, p := range places {
		p.sweep()
	}
	err = errors.New("there is no memory controller")
	for _, p := range places {
		if err = p.try(); err == nil {
			return p
		}
	}
	for _, p := range places {
		if back, err := p.stepAside(); err == nil {
			t.Cleanup(back)
			if p.try() == nil {
				return p
			}
		}
	}
	fmt.Fprintf(os.Stderr, "\n!!!! sluice: NO memory cgroup (%v): LIMITS ARE CHECKED AFTERWARDS, NOT ENFORCED\n\n", err)
	t.Logf("no memory cgroup: %v", err)
	return nil
}

// memoryPlaces returns where groups may be possible, by what /proc/self/mountinfo and /proc/self/cgroup say: below the
// one that the test is in, so that the limits of that hold, too. Version 2 has no controllers below a group that has
// processes, but at the root: there the next place is beside the own one.
func memoryPlaces(mounts, own string) (places []*memoryPlace) {
	for mount := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(mount, " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if len(where) < 5 || len(what) < 3 {
			continue
		}
		for line := range strings.Lines(own) {
			f := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
			if len(f) < 3 {
				continue
			}
			dir := filepath.Join(where[4], strings.TrimPrefix(f[2], where[3]))
			switch {
			case what[0] == "cgroup" && slices.Contains(strings.Split(f[1], ","), "memory") && slices.Contains(strings.Split(what[2], ","), "memory"):
				places = append(places, &memoryPlace{dir, memoryFiles1})
			case what[0] == "cgroup2" && f[0] == "0":
				places = append(places, &memoryPlace{dir, memoryFiles2})
				if dir != where[4] {
					places = append(places, &memoryPlace{filepath.Dir(dir), memoryFiles2})
				}
			}
		}
	}
	return places
}

// groupPrefix begins the name of a group: which process has made it.
const groupPrefix = "sluice-%d-"

// newGroup makes a group, without a limit.
func (p *memoryPlace) newGroup() (dir string, err error) {
	return os.MkdirTemp(p.dir, fmt.Sprintf(groupPrefix, os.Getpid()))
}

// sweep removes groups whose makers have ended without it, unless something still runs in them.
func (p *memoryPlace) sweep() {
	entries, _ := os.ReadDir(p.dir)
	for _, e := range entries {
		var maker int
		if n, _ := fmt.Sscanf(e.Name(), groupPrefix, &maker); n == 1 && syscall.Kill(maker, 0) == syscall.ESRCH {
			_ = os.Remove(filepath.Join(p.dir, e.Name()))
		}
	}
}

// group makes a group with a limit in bytes. Remove it when its programs have ended.
func (p *memoryPlace) group(limit int) (*memoryGroup, error) {
	dir, err := p.newGroup()
	if err != nil {
		return nil, err
	}
	g := &memoryGroup{dir, p.files}
	err = g.bound(limit)
	if errors.Is(err, fs.ErrNotExist) && p.handOn("+memory") == nil { // it stays so: others may be made meanwhile
		err = g.bound(limit)
	}
	if err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

// try finds out whether groups can be made, and entered.
func (p *memoryPlace) try() error {
	g, err := p.group(8 << 20)
	if err != nil {
		return err
	}
	out, err := g.command("true").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return errors.Join(err, g.remove())
}

// handOn says which controllers a group of version 2 hands on to those below it.
func (p *memoryPlace) handOn(controllers string) error {
	return writeGroup(p.dir, "cgroup.subtree_control", controllers)
}

// stepAside makes a place of the group of version 2 that we are in, if it was handed over to us with the controller: its
// processes go into one of their own below it. The function that it returns has them go back.
func (p *memoryPlace) stepAside() (back func(), err error) {
	controllers, err := p.words("cgroup.controllers")
	if err != nil {
		return nil, err
	}
	processes, err := p.words("cgroup.procs")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(controllers, "memory") || !slices.Contains(processes, strconv.Itoa(os.Getpid())) {
		return nil, errors.New("no memory controller was handed over")
	}
	aside, err := p.newGroup()
	if err != nil {
		return nil, err
	}
	back = func() {
		_ = p.handOn("-memory")
		_ = moveAll(aside, p.dir)
		_ = os.Remove(aside)
	}
	if err = moveAll(p.dir, aside); err == nil {
		err = p.handOn("+memory")
	}
	if err != nil {
		back()
		return nil, err
	}
	return back, nil
}

// words returns those of a file of the group.
func (p *memoryPlace) words(file string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, file))
	return strings.Fields(string(text)), err
}

// moveAll moves the processes of a group to another one.
func moveAll(from, to string) error {
	for range 100 { // they may have children meanwhile
		pids, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range strings.Fields(string(pids)) {
			if err := writeGroup(to, "cgroup.procs", pid); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
	}
	return errors.New("processes come faster than they can be moved")
}

func (g *memoryGroup) remove() error { return os.Remove(g.dir) }

// bound sets the limit. The error is fs.ErrNotExist if the group does not have the memory controller.
func (g *memoryGroup) bound(limit int) error {
	if err := writeGroup(g.dir, g.files.limit, strconv.Itoa(limit)); err != nil {
		return err
	}
	if !g.files.together {
		limit = 0
	}
	err := writeGroup(g.dir, g.files.swap, strconv.Itoa(limit))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the system does not count swap; most of the small ones have none
	}
	return err
}

// writeGroup writes to a file of a group.
func writeGroup(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(value)
	return err
}

// command returns the command that runs a program in the group from its first page on: a
// shell enters it, and becomes the program.
func (g *memoryGroup) command(program ...string) *exec.Cmd {
	enter := []string{"-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs")}
	return exec.Command("sh", append(enter, program...)...)
}

// kills returns how many processes were killed for want of memory.
func (g *memoryGroup) kills() (n int) {
	text, _ := os.ReadFile(filepath.Join(g.dir, g.files.killed))
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(count))
		}
	}
	return n
}

// peak returns the most that was counted, in bytes; false if the kernel does not tell.
func (g *memoryGroup) peak() (int, bool) {
	text, err := os.ReadFile(filepath.Join(g.dir, g.files.peak))
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return n, err == nil
}

// forget has the system forget the pages of a file, so that who reads it next is the one that they
// are counted for.
func forget(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // what is not written yet is not forgotten
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// TestMemoryGroup: what takes more than the limit is killed, and what takes less is not. A group that a killed
// run has left is removed by the next one; one of a run that goes on is not.
func TestMemoryGroup(t *testing.T) {
	place := findMemoryPlace(t)
	if place == nil {
		return
	}
	for _, tt := range []struct {
		mebibytes string
		killed    bool
	}{{"4M", false}, {"9M", true}} {
		g, err := place.group(8 << 20)
		if err != nil {
			t.Fatal(err)
		}
		out, err := g.command("dd", "if=/dev/zero", "of=/dev/null", "count=1", "bs="+tt.mebibytes).CombinedOutput() // in a buffer of that size
		peak, _ := g.peak()
		killed := false
		if exit, ok := err.(*exec.ExitError); ok {
			killed = exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		}
		if killed != tt.killed || (g.kills() > 0) != tt.killed || err != nil && !killed || peak > 8<<20 {
			t.Errorf("%s: %v, %d killed, %d bytes at most\n%s", tt.mebibytes, err, g.kills(), peak, out)
		}
		if err := g.remove(); err != nil {
			t.Error(err)
		}
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	left, err := os.MkdirTemp(place.dir, fmt.Sprintf(groupPrefix, ended.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	own, err := place.group(8 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer own.remove()
	place.sweep()
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the group of an ended process: %v", err)
	}
	if _, err := os.Stat(own.dir); err != nil {
		t.Errorf("that of a running one: %v", err)
	}
}

// TestMemoryPlaces: where groups are made on systems of either version.
func TestMemoryPlaces(t *testing.T) {
	const (
		version1 = "33 28 0:30 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n" +
			"34 28 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
		unified = "42 28 0:39 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	)
	for _, tt := range []struct {
		desc, mounts, own string
		want              []string
	}{
		{"version 1", version1, "8:memory:/user\n4:cpu,cpuacct:/\n", []string{"1 /sys/fs/cgroup/memory/user"}},
		{
			"version 1 in a container that sees the paths of the host",
			"500 499 0:30 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "8:memory:/docker/0123\n",
			[]string{"1 /sys/fs/cgroup/memory"},
		},
		{
			"version 2", "30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n", "0::/user.slice/app.slice/run-1.scope\n",
			[]string{"2 /sys/fs/cgroup/user.slice/app.slice/run-1.scope", "2 /sys/fs/cgroup/user.slice/app.slice"},
		},
		{"version 2, a namespace of its own", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/\n", []string{"2 /sys/fs/cgroup"}},
		{
			"both", version1 + unified, "8:memory:/a\n0::/b\n",
			[]string{"1 /sys/fs/cgroup/memory/a", "2 /sys/fs/cgroup/unified/b", "2 /sys/fs/cgroup/unified"},
		},
		{"none", "22 1 8:1 / / rw - ext4 /dev/root rw\n", "", nil},
	} {
		var got []string
		for _, p := range memoryPlaces(tt.mounts, tt.own) {
			version := "1 "
			if p.files == memoryFiles2 {
				version = "2 "
			}
			got = append(got, version+p.dir)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.desc, got, tt.want)
		}
	}
}
