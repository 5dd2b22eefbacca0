//go:build !js

package sluice

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// logFactory hands the libraries below their loggers: all of them write to one
// slog.Logger, or nowhere.
type logFactory struct{ to *slog.Logger }

// newLogFactory returns a factory for l; nil is silence.
func newLogFactory(l *slog.Logger) logFactory {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return logFactory{to: l}
}

// NewLogger implements the libraries' LoggerFactory.
func (f logFactory) NewLogger(scope string) logging.LeveledLogger { return f.scoped(scope) }

func (f logFactory) scoped(scope string) scopedLogger {
	return scopedLogger{to: f.to.With("scope", scope)}
}

// levelTrace is below slog's Debug: the libraries log each packet with it.
const levelTrace = slog.LevelDebug - 4

// scopedLogger is a slog.Logger as the libraries take it.
type scopedLogger struct{ to *slog.Logger }

func (l scopedLogger) logf(level slog.Level, format string, args []any) {
	if l.to.Enabled(context.Background(), level) {
		l.to.Log(context.Background(), level, fmt.Sprintf(format, args...))
	}
}

func (l scopedLogger) Trace(msg string)                  { l.logf(levelTrace, "%s", []any{msg}) }
func (l scopedLogger) Tracef(format string, args ...any) { l.logf(levelTrace, format, args) }
func (l scopedLogger) Debug(msg string)                  { l.logf(slog.LevelDebug, "%s", []any{msg}) }
func (l scopedLogger) Debugf(format string, args ...any) { l.logf(slog.LevelDebug, format, args) }
func (l scopedLogger) Info(msg string)                   { l.logf(slog.LevelInfo, "%s", []any{msg}) }
func (l scopedLogger) Infof(format string, args ...any)  { l.logf(slog.LevelInfo, format, args) }
func (l scopedLogger) Warn(msg string)                   { l.logf(slog.LevelWarn, "%s", []any{msg}) }
func (l scopedLogger) Warnf(format string, args ...any)  { l.logf(slog.LevelWarn, format, args) }
func (l scopedLogger) Error(msg string)                  { l.logf(slog.LevelError, "%s", []any{msg}) }
func (l scopedLogger) Errorf(format string, args ...any) { l.logf(slog.LevelError, format, args) }
