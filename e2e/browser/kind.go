package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Kind names a browser.
type Kind string

// The browsers that can be driven.
const (
	Chromium Kind = "chromium"
	Firefox  Kind = "firefox"
)

// Kinds lists every Kind.
var Kinds = []Kind{Chromium, Firefox}

// A MissingError says that no binary of a browser was found.
type MissingError struct {
	Kind  Kind
	Tried []string // names looked up in PATH
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("no %s on this machine: none of %s is in PATH and %s is not set",
		e.Kind, strings.Join(e.Tried, ", "), e.Kind.variable())
}

// variable is the environment variable that overrides the search for a binary.
func (k Kind) variable() string { return "SLUICE_" + strings.ToUpper(string(k)) }

// Find returns the path of the browser's binary: what SLUICE_CHROMIUM or
// SLUICE_FIREFOX names, else the first known name in PATH. The error is a
// *MissingError.
func (k Kind) Find() (string, error) {
	if path := os.Getenv(k.variable()); path != "" {
		return path, nil
	}
	names := map[Kind][]string{
		Chromium: {"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"},
		Firefox:  {"firefox-esr", "firefox"},
	}[k]
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{Kind: k, Tried: names}
}

// Options vary how a browser is started. The zero value suits most tests.
type Options struct {
	// MaskAddresses leaves out the capture permission that the browser is
	// otherwise given, so that it hides its addresses behind mDNS names.
	MaskAddresses bool

	// Flags are added to the command line.
	Flags []string
}

// command returns the arguments and the additional environment with which the
// browser opens url on the profile directory dir, after preparing that.
func (k Kind) command(dir, url string, opts Options) (args, env []string, err error) {
	if k == Firefox {
		if err := os.WriteFile(filepath.Join(dir, "user.js"), firefoxPrefs(opts), 0o600); err != nil {
			return nil, nil, err
		}
		args = []string{"--headless", "--no-remote", "--new-instance", "--profile", dir}
		// HOME and TMPDIR keep what Firefox writes beside the profile inside it.
		env = []string{"HOME=" + dir, "MOZ_CRASHREPORTER_DISABLE=1", "MOZ_DISABLE_AUTO_SAFE_MODE=1"}
	} else {
		args = append(chromiumFlags(opts), "--user-data-dir="+dir)
		env = []string{"HOME=" + dir}
	}
	return append(append(args, opts.Flags...), url), env, nil
}

func chromiumFlags(opts Options) []string {
	flags := []string{
		"--headless=new",
		"--no-sandbox",                        // it refuses to start as root otherwise
		"--allow-loopback-in-peer-connection", // gather 127.0.0.1 and ::1
		"--disable-popup-blocking",            // the hub opens tabs
		"--no-proxy-server",

		// A tab that is not in front must run like the one that is.
		"--disable-background-timer-throttling",
		"--disable-backgrounding-occluded-windows",
		"--disable-renderer-backgrounding",

		// Nothing that costs time or leaves the machine.
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-default-apps",
		"--disable-dev-shm-usage",
		"--disable-extensions",
		"--disable-features=MediaRouter,OptimizationHints,Translate",
		"--disable-gpu",
		"--disable-quic",
		"--disable-sync",
		"--mute-audio",
		"--no-default-browser-check",
		"--no-first-run",
		"--no-pings",
		"--password-store=basic",
	}
	if !opts.MaskAddresses {
		// Counts as a capture permission: candidates carry addresses.
		flags = append(flags, "--use-fake-ui-for-media-stream")
	}
	return flags
}

// firefoxPrefs returns the user.js of a fresh profile.
func firefoxPrefs(opts Options) []byte {
	prefs := map[string]string{
		"media.peerconnection.ice.loopback":   "true",  // gather 127.0.0.1 and ::1
		"dom.disable_open_during_load":        "false", // the hub opens tabs ...
		"dom.allow_scripts_to_close_windows":  "true",  // ... and closes them
		"dom.popup_maximum":                   "-1",
		"network.proxy.type":                  "0",
		"browser.tabs.closeWindowWithLastTab": "false",

		// A tab that is not in front must run like the one that is.
		"dom.min_background_timeout_value":                 "4",
		"dom.timeout.enable_budget_timer_throttling":       "false",
		"dom.timeout.throttling_delay":                     "-1",
		"dom.ipc.processPriorityManager.enabled":           "false",
		"dom.suspend_inactive.enabled":                     "false",
		"browser.tabs.unloadOnLowMemory":                   "false",
		"widget.windows.window_occlusion_tracking.enabled": "false",

		// Nothing that costs time or leaves the machine.
		"app.normandy.enabled":                       "false",
		"app.update.enabled":                         "false",
		"browser.aboutwelcome.enabled":               "false",
		"browser.newtabpage.enabled":                 "false",
		"browser.region.update.enabled":              "false",
		"browser.safebrowsing.malware.enabled":       "false",
		"browser.safebrowsing.phishing.enabled":      "false",
		"browser.search.update":                      "false",
		"browser.shell.checkDefaultBrowser":          "false",
		"browser.startup.homepage_override.mstone":   `"ignore"`,
		"browser.startup.page":                       "0",
		"datareporting.healthreport.uploadEnabled":   "false",
		"datareporting.policy.dataSubmissionEnabled": "false",
		"dom.push.connection.enabled":                "false",
		"extensions.getAddons.cache.enabled":         "false",
		"extensions.update.enabled":                  "false",
		"media.gmp-manager.updateEnabled":            "false",
		"media.gmp-provider.enabled":                 "false",
		"network.captive-portal-service.enabled":     "false",
		"network.connectivity-service.enabled":       "false",
		"network.dns.disablePrefetch":                "true",
		"network.prefetch-next":                      "false",
		"services.settings.server":                   `"data:,none"`,
		"termsofuse.bypassNotification":              "true",
		"toolkit.telemetry.enabled":                  "false",
		"toolkit.telemetry.server":                   `""`,
		"toolkit.telemetry.unified":                  "false",
	}
	if !opts.MaskAddresses {
		// A capture permission: candidates carry addresses, and no default
		// route is needed to find them.
		prefs["permissions.default.microphone"] = "1"
	}
	lines := make([]string, 0, len(prefs))
	for name, value := range prefs {
		lines = append(lines, fmt.Sprintf("user_pref(%q, %s);\n", name, value))
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}
