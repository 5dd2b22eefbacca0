package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// buildRust builds the program that is dcSCTP and sctp-proto.
func buildRust(dir string) (path, version string, err error) {
	cargo, err := exec.LookPath("cargo")
	if err != nil {
		return "", "", &missingError{"dcSCTP and sctp-proto are not measured: no cargo"}
	}
	crates := filepath.Join("testdata", "rust")
	fetch := exec.Command(cargo, "fetch", "--quiet", "--locked")
	fetch.Dir = crates
	if log, err := fetch.CombinedOutput(); err != nil {
		last := strings.TrimSpace(string(log))
		return "", "", &missingError{"dcSCTP and sctp-proto are not measured: cargo cannot get them: " + last[strings.LastIndexByte(last, '\n')+1:]}
	}
	// Building takes minutes, so what is built is kept.
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "sluice-bench-rust")
	program, patched := filepath.Join(cache, "program"), filepath.Join(cache, "dcsctp")
	err = copyTree(crates, program, nil)
	if err == nil {
		err = copyQuiet(cargo, crates, patched)
	}
	if err != nil {
		return "", "", err
	}
	build := exec.Command(cargo, "build", "--quiet", "--offline", "--release", "--target-dir", filepath.Join(cache, "target"),
		"--config", fmt.Sprintf("patch.crates-io.dcsctp.path=%q", patched))
	build.Dir = program
	if log, err := build.CombinedOutput(); err != nil {
		if bytes.Contains(log, []byte("requires rustc ")) {
			return "", "", &missingError{"dcSCTP and sctp-proto are not measured: they want a newer Rust than the one here"}
		}
		return "", "", fmt.Errorf("building testdata/rust: %w\n%s", err, log)
	}
	// Another working tree may build its own there.
	built, err := os.ReadFile(filepath.Join(cache, "target", "release", "rust-peers"))
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(dir, "rust-peers")
	return path, crateVersions(crates), os.WriteFile(path, built, 0o755)
}

// crateVersions names the crates that a manifest asks for exactly.
func crateVersions(crates string) string {
	manifest, err := os.ReadFile(filepath.Join(crates, "Cargo.toml"))
	if err != nil {
		return "crates of unknown versions"
	}
	var versions []string
	for line := range strings.Lines(string(manifest)) {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), ` = "=`); ok {
			versions = append(versions, name+" "+strings.Trim(v, `"`))
		}
	}
	return strings.Join(versions, ", ")
}

// What the crate dcsctp does for its log comes before the question whether there is a log, and takes
// nine tenths of its time; copyQuiet copies the crate with the question first.
const (
	logFunction = "pub fn log_packet(name: &str, ts: SocketTime, sent: bool, data: &[u8]) {\n"
	logQuestion = "if !log::log_enabled!(log::Level::Info) { return; }\n"
)

func copyQuiet(cargo, crates, to string) error {
	metadata := exec.Command(cargo, "metadata", "--format-version", "1", "--locked", "--offline")
	metadata.Dir = crates
	out, err := metadata.Output()
	if err != nil {
		return fmt.Errorf("cargo metadata: %w", err)
	}
	var all struct {
		Packages []struct {
			Name     string
			Manifest string `json:"manifest_path"`
		}
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return err
	}
	for _, p := range all.Packages {
		if p.Name == "dcsctp" {
			changed := false
			err := copyTree(filepath.Dir(p.Manifest), to, func(file []byte) []byte {
				if bytes.Contains(file, []byte(logFunction)) {
					changed = true
					return bytes.Replace(file, []byte(logFunction), []byte(logFunction+logQuestion), 1)
				}
				return file
			})
			if err == nil && !changed {
				err = errors.New("the crate dcsctp has another log_packet than is known here")
			}
			return err
		}
	}
	return errors.New("no crate dcsctp")
}

// copyTree copies the files of a directory, changed if change is not nil. Those that are
// there already and the same are left alone: builders go by their times.
func copyTree(from, to string, change func([]byte) []byte) error {
	return fs.WalkDir(os.DirFS(from), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		file, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if change != nil {
			file = change(file)
		}
		if old, err := os.ReadFile(target); err == nil && bytes.Equal(old, file) {
			return nil
		}
		return os.WriteFile(target, file, 0o644)
	})
}
