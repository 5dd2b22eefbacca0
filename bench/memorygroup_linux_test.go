package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// memoryGroup is a memory control group (cgroup): what runs in it has no more memory than
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

// newMemoryGroup makes a group, below the one that the
// test is in, so that the limits of that hold, too. Version 2 has no groups below one that has processes, but at the root:
// there it is made beside. Remove it when its programs have ended.
func newMemoryGroup(limit int) (*memoryGroup, error) {
	parents, err := memoryGroups()
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("there is no memory controller")
	for _, parent := range parents {
		var dir string
		if dir, err = os.MkdirTemp(parent.dir, "sluice-"); err != nil {
			continue
		}
		g := &memoryGroup{dir, parent.files}
		if err = g.bound(limit); err == nil {
			return g, nil
		}
		g.remove()
	}
	return nil, err
}

// memoryGroups returns where a group may be made, the best place first.
func memoryGroups() (places []memoryGroup, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	for mount := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(mount, " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if len(where) < 5 || len(what) < 3 {
			continue
		}
		for line := range strings.Lines(string(own)) {
			f := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
			if len(f) < 3 {
				continue
			}
			dir := filepath.Join(where[4], strings.TrimPrefix(f[2], where[3]))
			switch {
			case what[0] == "cgroup" && f[1] == "memory" && strings.Contains(","+what[2]+",", ",memory,"):
				places = append(places, memoryGroup{dir, memoryFiles1})
			case what[0] == "cgroup2" && f[0] == "0":
				places = append(places, memoryGroup{dir, memoryFiles2})
				if dir != where[4] {
					places = append(places, memoryGroup{filepath.Dir(dir), memoryFiles2})
				}
			}
		}
	}
	return places, nil
}

func (g *memoryGroup) remove() error { return os.Remove(g.dir) }

// bound sets the limit.
func (g *memoryGroup) bound(limit int) error {
	if err := g.write(g.files.limit, limit); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(g.dir, g.files.swap)); err != nil {
		return nil // the system does not count swap; most of the small ones have none
	}
	if !g.files.together {
		limit = 0
	}
	return g.write(g.files.swap, limit)
}

// write sets one value of the group; the file is there if the group has the memory controller.
func (g *memoryGroup) write(file string, value int) error {
	f, err := os.OpenFile(filepath.Join(g.dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strconv.Itoa(value))
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

// TestMemoryGroup: what takes more than the limit is killed, and what takes less is not.
func TestMemoryGroup(t *testing.T) {
	for _, tt := range []struct {
		mebibytes string
		killed    bool
	}{{"4M", false}, {"9M", true}} {
		g, err := newMemoryGroup(8 << 20)
		if err != nil {
			unlimited(t, err)
			return
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
}

// unlimited says loudly that the kernel does not enforce the limits.
func unlimited(t *testing.T, err error) {
	fmt.Fprintf(os.Stderr, "\n!!!! sluice: NO memory cgroup (%v): LIMITS ARE CHECKED AFTERWARDS, NOT ENFORCED\n\n", err)
	t.Logf("no memory cgroup: %v", err)
}
