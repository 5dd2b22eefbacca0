package interop

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A preparation is how to run a peer, or why that is not possible.
type preparation struct {
	Command []string
	Missing string
}

// prepareTime bounds the installation of a peer.
const prepareTime = 6 * time.Minute

// prepareAll installs and builds the peers that are programs, and what they need; what is there
// already takes a second.
func prepareAll() map[string]preparation {
	prepared := make(map[string]preparation)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, r := range rows {
		if r.kind != "" {
			continue
		}
		wg.Go(func() {
			p := prepare(r.name)
			mu.Lock()
			defer mu.Unlock()
			prepared[r.name] = p
		})
	}
	wg.Wait()
	return prepared
}

// prepare prepares one peer.
func prepare(name string) preparation {
	ctx, cancel := context.WithTimeout(context.Background(), prepareTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", filepath.Join("..", "..", "scripts", "interop.sh"), name)
	cmd.WaitDelay = time.Second
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err == nil {
		return preparation{Command: strings.Split(strings.TrimSpace(string(out)), "\n")}
	}
	lines := strings.Split(strings.TrimSpace(problems.String()), "\n")
	why := lines[len(lines)-1]
	if ctx.Err() != nil {
		why = "not installed within " + prepareTime.String()
	}
	return preparation{Missing: why}
}
